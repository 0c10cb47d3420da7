use crate::client::Client;
use crate::world::{World, edge, tape};
use otyrys_media::{Event, SessionId, Source};
use std::collections::BTreeSet;
use str0m::format::Codec;

/// A judge whose sound comes in RED or not, somebody who takes RED and somebody who does not.
fn hearing(seed: u64, red: bool) -> (World, [SessionId; 3]) {
    let mut world = World::new(seed);
    let now = world.now;
    let judge = if red {
        Client::with_red(SessionId(1), &[Source::Microphone], now)
    } else {
        Client::new(SessionId(1), &[Source::Microphone], now)
    };
    let judge = world.join_as(judge, 0, 0);
    let clerk = world.join_as(Client::with_red(SessionId(2), &[], now), 1, 0);
    let witness = world.join(3, &[], 1, 0);
    world.connect(&[
        edge(judge, Source::Microphone, clerk),
        edge(judge, Source::Microphone, witness),
        tape(judge, Source::Microphone),
    ]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    (world, [judge, clerk, witness])
}

/// Of 1,000 packets of sound of which the network loses a tenth, how many the record lacks; that
/// none is in it twice, and that each holds what was sent with its number.
fn missing_of_a_thousand(seed: u64, red: bool) -> usize {
    let (mut world, _) = hearing(seed, red);
    world.link.loss_permille = 100;
    world.run_ms(20_000);
    let mut numbers = BTreeSet::new();
    let first = &world.recorded[0];
    let base = first.seq - number(&first.payload);
    for packet in &world.recorded {
        assert_eq!(packet.payload.len(), 76, "without its redundancy");
        assert_eq!(packet.seq - base, number(&packet.payload));
        let ticks = packet.timestamp - first.timestamp;
        assert_eq!(ticks, (packet.seq - first.seq) * 960);
        assert!(numbers.insert(packet.seq), "recorded twice");
    }
    let (first, last) = (numbers.first(), numbers.last());
    let span = last.expect("sound") - first.expect("sound") + 1;
    assert!(span > 980);
    span as usize - numbers.len()
}

fn number(payload: &[u8]) -> u64 {
    u64::from_be_bytes(*payload.last_chunk().expect("marked"))
}

#[test]
fn the_record_lacks_a_tenth_of_what_it_lacks_without_red() {
    let (mut with, mut without) = (0, 0);
    for seed in 1..=3 {
        with += missing_of_a_thousand(seed, true);
        without += missing_of_a_thousand(seed, false);
    }
    println!("of 3,000 packets the record lacks {with} with RED, {without} without");
    assert!(without > 240, "{without}");
    assert!(with * 5 < without, "{with} of {without}");
}

#[test]
fn red_goes_whole_to_whoever_took_it_and_opened_to_everybody_else() {
    let (mut world, [judge, clerk, witness]) = hearing(4, true);
    world.run_ms(1_000);
    for (receiver, red) in [(clerk, true), (witness, false)] {
        let got = &world.client(receiver).got;
        assert!(got.len() >= 45, "{}", got.len());
        assert!(got.iter().all(|got| got.red == red && got.from == judge));
        assert!(
            got.windows(2)
                .all(|pair| pair[1].number == pair[0].number + 1)
        );
    }
    let loudest = vec![judge];
    assert!(
        world.events.iter().any(
            |event| matches!(event, Event::Levels { loudest: heard, .. } if *heard == loudest)
        ),
        "its levels are read all the same"
    );
}

#[test]
fn a_line_with_little_room_for_pictures_carries_each_voice_once() {
    let sources = [Source::Microphone, Source::Camera];
    let mut world = World::new(5);
    let mut judge = Client::with_red(SessionId(1), &sources, world.now);
    judge.simulcast();
    let judge = world.join_as(judge, 0, 0);
    let clerk = Client::with_red(SessionId(2), &[], world.now);
    let clerk = world.join_as(clerk, 1, 1);
    world.connect(&sources.map(|source| edge(judge, source, clerk)));
    let now = world.now;
    for source in sources {
        world.client(judge).start(source, now);
    }
    let in_red = |world: &mut World| {
        world.run_ms(10_000);
        let got = std::mem::take(&mut world.client(clerk).got);
        let late = got.iter().skip(got.len() / 2);
        let voice: Vec<bool> = late
            .filter(|got| got.codec == Codec::Opus)
            .map(|got| got.red)
            .collect();
        assert!(voice.len() > 230, "{}", voice.len());
        voice.iter().filter(|red| **red).count() * 100 / voice.len()
    };
    assert_eq!(in_red(&mut world), 100);
    world.down_bps.insert(clerk, 400_000);
    in_red(&mut world);
    assert_eq!(in_red(&mut world), 0);
}
