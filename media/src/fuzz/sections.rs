//! Offers as a stranger may write them: within limits, answered or refused, and nothing else.

use super::open_srtp;
use super::peer::Peer;
use super::world::SERVER;
use crate::core::fuzz::sections;
use crate::{Core, Input, MediaError, MediaLimits, Mid, Offer, Output, RoomId, SessionId, Source};
use arbitrary::{Arbitrary, Unstructured};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Instant;

pub(crate) fn run(bytes: &[u8]) {
    open_srtp::install();
    // The first octet says what the client claims to send, and whether the rest is an offer or
    // changes to a sound one.
    let Some((claims, rest)) = bytes.split_first() else {
        return;
    };
    let sdp = if claims & 0x80 == 0 {
        String::from_utf8_lossy(rest).into_owned()
    } else {
        changed(rest)
    };
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
        comes_back: false,
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

/// An offer of a browser's kind, with pieces cut out and others put in.
fn changed(changes: &[u8]) -> String {
    static SOUND: LazyLock<String> = LazyLock::new(|| {
        let address = SocketAddr::from(([192, 0, 2, 1], 4_000));
        let mut peer = Peer::new(SessionId(1), address, Instant::now());
        let sources = [Source::Microphone, Source::Camera];
        let offer = peer.make_offer(&sources, 1, 1, false);
        offer.expect("something to offer").0
    });
    let mut sdp = SOUND.as_bytes().to_vec();
    let mut input = Unstructured::new(changes);
    while let Ok((at, cut, piece)) = <(u16, u8, &[u8])>::arbitrary(&mut input) {
        let at = usize::from(at) % (sdp.len() + 1);
        let end = (at + usize::from(cut)).min(sdp.len());
        sdp.splice(at..end, piece.iter().copied());
        if input.is_empty() {
            break;
        }
    }
    String::from_utf8_lossy(&sdp).into_owned()
}

fn drain(core: &mut Core) {
    for _ in 0..1_000 {
        if let Output::Deadline(_) = core.poll_output() {
            return;
        }
    }
    panic!("a core without a client has much to say");
}
