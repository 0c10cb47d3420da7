use crate::world::{Dice, World};
use otyrys_media::{Command, SessionId};
use std::time::Instant;

const STRANGER: ([u8; 4], u16) = ([192, 0, 2, 66], 6_666);

fn hearing(seed: u64) -> (World, SessionId, SessionId) {
    let (mut world, judge, clerk) = World::hearing(seed);
    world.run_ms(500);
    (world, judge, clerk)
}

fn is_rtp(bytes: &[u8]) -> bool {
    // RFC 7983: 128 to 191 is RTP and RTCP; RTCP has 192 to 223 in its second octet (RFC 5761).
    (128..192).contains(&bytes[0]) && !(192..224).contains(&bytes[1])
}

#[test]
fn a_replayed_packet_is_heard_once() {
    let (mut world, judge, clerk) = hearing(50);
    let address = world.clients[&judge].address;
    let packets: Vec<Vec<u8>> = world
        .overheard
        .iter()
        .filter(|(source, bytes)| *source == address && is_rtp(bytes))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    assert!(packets.len() > 30);
    // What is under way arrives.
    world.run_ms(20);
    let forwarded = world.core.counters().forwarded;
    for packet in packets.iter().chain(&packets) {
        world.inject(address, packet);
    }
    assert_eq!(world.core.counters().forwarded, forwarded);

    world.run_ms(500);
    let got = &world.clients[&clerk].got;
    let mut numbers: Vec<(String, u64)> = got
        .iter()
        .map(|got| (got.mid.as_str().to_owned(), got.number))
        .collect();
    let all = numbers.len();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "something was heard twice");
}

#[test]
fn a_packet_under_another_address_reaches_nobody() {
    let (mut world, judge, clerk) = hearing(51);
    let from = world.clients[&judge].address;
    // Protected for this session, and not heard by the core yet: the link to it is cut.
    world.link.loss_permille = 1_000;
    let before = world.overheard.len();
    world.run_ms(200);
    world.link.loss_permille = 0;
    let unheard: Vec<Vec<u8>> = world.overheard[before..]
        .iter()
        .filter(|(source, bytes)| *source == from && is_rtp(bytes))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    assert!(unheard.len() > 10);
    let forwarded = world.core.counters().forwarded;
    let garbage = world.core.counters().garbage;
    for packet in &unheard {
        world.inject(STRANGER.into(), packet);
        // The clerk's own address: it has other keys.
        let clerks = world.clients[&clerk].address;
        world.inject(clerks, packet);
    }
    assert_eq!(world.core.counters().forwarded, forwarded);
    assert_eq!(
        world.core.counters().garbage,
        garbage + unheard.len() as u64
    );
    assert_eq!(world.core.session_count(), 2);
    // From where it belongs it is taken.
    for packet in &unheard {
        world.inject(from, packet);
    }
    assert!(world.core.counters().forwarded > forwarded);
}

#[test]
fn whatever_is_cut_short_is_dropped() {
    let (mut world, judge, clerk) = hearing(52);
    let from = world.clients[&judge].address;
    let heard = world.overheard.clone();
    // STUN, DTLS, RTP, RTCP: of each some, cut at every place.
    let mut tried = 0;
    for step in 0..40 {
        let (source, bytes) = &heard[step * heard.len() / 40];
        for length in 0..bytes.len() {
            world.inject(*source, &bytes[..length]);
            tried += 1;
        }
    }
    assert!(tried > 4_000);
    assert_eq!(world.core.counters().failed_sessions, 0);
    assert_eq!(world.core.session_count(), 2);
    let before = world.clients[&clerk].got.len();
    world.run_ms(500);
    assert!(world.clients[&clerk].got.len() >= before + 45);
    assert_eq!(world.clients[&judge].address, from);
}

#[test]
fn a_flood_gets_less_out_than_it_puts_in() {
    let (mut world, judge, clerk) = hearing(53);
    let known = world.clients[&judge].address;
    let mut dice = Dice::new(54);
    let mut noise = |first: u8| -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..1_100).map(|_| dice.below(256) as u8).collect();
        bytes[0] = first;
        bytes
    };
    // STUN, DTLS, RTP, RTCP, and nothing in use: by whom nobody knows, and under the judge's name.
    let mut flood: Vec<Vec<u8>> = [0, 22, 23, 144, 128, 255].map(&mut noise).to_vec();
    flood[4][1] = 200;
    let check = world
        .overheard
        .iter()
        .find(|(source, bytes)| *source == known && bytes.starts_with(&[0, 1]))
        .expect("a check")
        .1
        .clone();
    flood.push(check);
    let started = Instant::now();
    for source in [STRANGER.into(), known] {
        for bytes in &flood {
            for _ in 0..2_000 {
                let answers = world.answers_to(source, bytes);
                let (count, length) = (answers.len(), answers.concat().len());
                assert!(count <= 1, "{count} datagrams for one of {:?}", bytes[0]);
                assert!(
                    length <= bytes.len().max(200),
                    "{length} bytes for {}",
                    bytes.len()
                );
            }
        }
    }
    // 28,000 datagrams. A core that did work in proportion to what came before would take minutes.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert_eq!(world.core.session_count(), 2);
    assert_eq!(world.core.counters().failed_sessions, 0);
    let before = world.clients[&clerk].got.len();
    world.run_ms(500);
    assert!(world.clients[&clerk].got.len() >= before + 45);
    world.command(Command::CloseSession(judge));
    assert_eq!(world.core.session_count(), 1);
}
