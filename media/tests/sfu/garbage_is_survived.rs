use crate::world::{Dice, ROOM, World};
use otyrys_media::{MediaError, MediaLimits, Mid, Offer, RoomId, SessionId, Source};
use std::collections::BTreeMap;
use std::net::SocketAddr;

#[test]
fn noise_and_forged_datagrams_change_nothing() {
    let (mut world, judge, clerk) = World::hearing(14);
    world.run_ms(200);

    let stranger = SocketAddr::from(([192, 0, 2, 66], 6666));
    let known = world.clients[&judge].address;
    let overheard = world.overheard.clone();
    let mut dice = Dice::new(15);
    let mut noise = 0;
    for round in 0..4_000_usize {
        // Who can overhear STUN and send it on is on the path, and may cut it anyway: what was
        // overheard comes from where it came from.
        let (from, mut bytes) = if round % 2 == 0 {
            let noise = (0..dice.below(1_600))
                .map(|_| dice.below(256) as u8)
                .collect();
            (if round % 4 == 0 { stranger } else { known }, noise)
        } else {
            overheard[dice.below(overheard.len() as u64) as usize].clone()
        };
        for _ in 0..dice.below(6) {
            if !bytes.is_empty() {
                let at = dice.below(bytes.len() as u64) as usize;
                bytes[at] = dice.below(256) as u8;
            }
        }
        bytes.truncate(dice.below(1_600) as usize);
        world.inject(from, &bytes);
        noise += 1;
        if round % 100 == 0 {
            world.run_ms(10);
        }
    }
    assert_eq!(noise, 4_000);
    let counters = world.core.counters();
    assert!(counters.garbage > 1_000, "{counters:?}");
    assert_eq!(counters.failed_sessions, 0, "noise ended a session");

    let before = world.clients[&clerk].got.len();
    world.run_ms(1_000);
    assert!(
        world.clients[&clerk].got.len() >= before + 90,
        "media no longer flows"
    );
    assert!(
        world.clients[&clerk]
            .got
            .iter()
            .all(|got| got.from == judge)
    );
}

#[test]
fn offers_that_are_no_offers_are_refused() {
    let limits = MediaLimits {
        sessions: 2,
        sections: 8,
        offer_bytes: 20_000,
        ..MediaLimits::default()
    };
    let mut world = World::with_limits(16, limits);
    let judge = world.join(1, &[Source::Camera], 1, 1);
    let good = {
        let mut other = crate::client::Client::new(SessionId(5), &[Source::Microphone], world.now);
        other.make_offer(1, 1, false).0
    };
    let now = world.now;
    let mut offer = |room, session, sdp: &str, sources: &[(&str, Source)]| {
        let sources: BTreeMap<Mid, Source> = sources
            .iter()
            .map(|(mid, source)| (Mid::from(*mid), *source))
            .collect();
        world.core.offer(
            now,
            Offer {
                room,
                session: SessionId(session),
                sdp: sdp.to_owned(),
                sources,
                comes_back: false,
            },
        )
    };
    let first_mid = good
        .lines()
        .find_map(|line| line.strip_prefix("a=mid:"))
        .expect("a section")
        .to_owned();

    assert!(matches!(
        offer(ROOM, 2, "", &[]),
        Err(MediaError::OfferRejected { .. })
    ));
    assert!(matches!(
        offer(ROOM, 2, "v=0\r\nnonsense", &[]),
        Err(MediaError::OfferRejected { .. })
    ));
    let unnamed = good.replace("a=fingerprint", "a=x-fingerprint");
    assert!(matches!(
        offer(ROOM, 2, &unnamed, &[]),
        Err(MediaError::OfferRejected { .. })
    ));
    assert!(matches!(
        offer(ROOM, 2, &" ".repeat(20_001), &[]),
        Err(MediaError::OfferTooLong { .. })
    ));
    assert!(matches!(
        offer(
            ROOM,
            2,
            &format!("{good}{}", "m=audio 9 X 0\r\n".repeat(9)),
            &[]
        ),
        Err(MediaError::TooManySections { .. })
    ));
    assert!(matches!(
        offer(ROOM, 2, &good, &[("none", Source::Microphone)]),
        Err(MediaError::WrongSection { .. })
    ));
    assert!(matches!(
        offer(ROOM, 2, &good, &[(&first_mid, Source::Camera)]),
        Err(MediaError::WrongSection { .. })
    ));
    assert!(matches!(
        offer(RoomId(9), judge.0, &good, &[]),
        Err(MediaError::WrongRoom { .. })
    ));
    assert!(offer(ROOM, 2, &good, &[(&first_mid, Source::Microphone)]).is_ok());
    assert!(matches!(
        offer(ROOM, 3, &good, &[]),
        Err(MediaError::TooManySessions { limit: 2 })
    ));

    // Offers with a few wrong bytes may be answered or refused, but nothing else.
    let mut dice = Dice::new(17);
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=dice.below(8) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = b' ' + dice.below(90) as u8;
        }
        let _ = offer(ROOM, 2, &String::from_utf8_lossy(&bytes), &[]);
    }
    world.run_ms(1_000);
    assert!(world.core.session_count() >= 1);
}
