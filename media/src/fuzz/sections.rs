//! Offers as a stranger may write them: within limits, answered or refused, and nothing else.

use super::open_srtp;
use super::world::SERVER;
use crate::core::fuzz::sections;
use crate::{Core, Input, MediaError, MediaLimits, Mid, Offer, Output, RoomId, SessionId, Source};
use std::time::Instant;

pub(crate) fn run(bytes: &[u8]) {
    open_srtp::install();
    // The first octet says what the client claims to send, the rest is the offer.
    let Some((claims, sdp)) = bytes.split_first() else {
        return;
    };
    let sdp = String::from_utf8_lossy(sdp).into_owned();
    let limits = MediaLimits {
        sections: 8,
        offer_bytes: 8_192,
        ..MediaLimits::default()
    };
    let found = sections(&sdp, &limits);
    if let Ok(mids) = &found {
        assert!(mids.len() <= limits.sections && sdp.len() <= limits.offer_bytes);
        assert!(
            mids.iter()
                .all(|mid| (1..=Mid::MAX_BYTES).contains(&mid.as_str().len()))
        );
    }
    let sources = [Source::Microphone, Source::Camera, Source::Screen]
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| claims & (1 << bit) != 0)
        .zip(found.iter().flatten())
        .map(|((_, source), mid)| (mid.clone(), source))
        .collect();
    let offer = Offer {
        room: RoomId(1),
        session: SessionId(1),
        sdp,
        sources,
    };
    let now = Instant::now();
    let mut core = Core::new(now, vec![SERVER], limits);
    match core.offer(now, offer.clone()) {
        Ok(_) => assert_eq!(core.session_count(), 1),
        Err(error) => {
            assert_eq!(core.session_count(), 0, "refused and there: {error}");
            assert!(core.rooms().is_empty());
        }
    }
    drain(&mut core);
    // A second time on the same session, as a client does that changes its sections.
    let existed = core.session_count() == 1;
    match core.offer(now, offer) {
        Ok(_) | Err(MediaError::OfferRejected { .. }) => {}
        Err(error) => assert!(!existed, "answered once and not twice: {error}"),
    }
    core.handle(Input::Timeout(now))
        .expect("the contract is kept");
    drain(&mut core);
}

fn drain(core: &mut Core) {
    for _ in 0..1_000 {
        if let Output::Deadline(_) = core.poll_output() {
            return;
        }
    }
    panic!("a core without a client has much to say");
}
