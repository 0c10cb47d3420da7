use crate::world::{Dice, ROOM, SERVER, World};
use otyrys_media::{DisconnectReason, Event, MediaLimits, Offer, SessionId, Source};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of memory that this process has in use.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    pages * 4_096
}

/// A client whose ICE comes up and whose DTLS does not: the world forwards nothing for it, so the
/// test carries what it says.
struct Stubborn {
    address: SocketAddr,
    session: SessionId,
}

impl Stubborn {
    fn join(world: &mut World, session: u64) -> Self {
        let session = SessionId(session);
        let mut client = crate::client::Client::new(session, &[Source::Microphone], world.now);
        let (sdp, pending) = client.make_offer(1, 0, false);
        let offer = Offer {
            room: ROOM,
            session,
            sdp,
            sources: client.sources(),
            comes_back: false,
        };
        let answer = world.core.offer(world.now, offer).expect("an answer");
        client.take_answer(pending, &answer, world.now);
        let address = client.address;
        // STUN both ways, nothing else.
        for _ in 0..20 {
            world.now += Duration::from_millis(50);
            client.time_passed(world.now);
            for (source, _, bytes) in client.poll(world.now) {
                if bytes[0] < 4 {
                    for reply in world.answers_to(source, &bytes) {
                        if reply[0] < 4 {
                            client.receive(world.now, SERVER, &reply);
                        }
                    }
                }
            }
        }
        Self { address, session }
    }
}

/// A DTLS 1.2 record with a piece of a ClientHello that is said to be 16 MiB long (RFC 6347,
/// section 4.2.2).
fn endless_hello(record: u64, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = vec![22, 0xfe, 0xfd];
    bytes.extend(record.to_be_bytes());
    bytes.extend([0x04, 0x0c]);
    bytes.extend([1, 0xff, 0xff, 0xff]);
    bytes.extend((dice.below(8) as u16).to_be_bytes());
    bytes.extend((dice.below(1 << 24) as u32).to_be_bytes()[1..].iter());
    bytes.extend([0x00, 0x04, 0x00]);
    bytes.extend((0..1_024).map(|_| dice.below(256) as u8));
    bytes
}

#[test]
fn it_ends_after_the_time_for_connecting() {
    let limits = MediaLimits::default();
    let mut world = World::with_limits(60, limits.clone());
    let stubborn = Stubborn::join(&mut world, 1);
    let gone = Event::Disconnected {
        session: stubborn.session,
        reason: DisconnectReason::NeverConnected,
    };
    world.run_ms(u64::try_from(limits.connect.as_millis()).expect("short") - 3_000);
    assert!(!world.events.contains(&gone), "too soon");
    world.run_ms(4_000);
    assert!(world.events.contains(&gone), "{:?}", world.events);
    assert_eq!(world.core.session_count(), 0);
}

#[test]
fn what_it_sends_meanwhile_is_not_hoarded() {
    let mut world = World::new(61);
    let stubborn = Stubborn::join(&mut world, 1);
    let mut dice = Dice::new(62);
    let mut replied = 0;
    let mut sent = 0;
    let mut before = 0;
    for record in 0..40_000 {
        // The first thousand fill what may be filled.
        if record == 1_000 {
            before = resident_bytes();
        }
        let bytes = endless_hello(record, &mut dice);
        sent += bytes.len();
        replied += world
            .answers_to(stubborn.address, &bytes)
            .iter()
            .map(Vec::len)
            .sum::<usize>();
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(sent > 40_000_000);
    assert!(grown < 8 << 20, "{grown} bytes were kept of {sent}");
    assert!(replied < sent, "{replied} bytes were answered to {sent}");
}
