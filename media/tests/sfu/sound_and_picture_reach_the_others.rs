use crate::world::{Link, World, edge, track};
use otyrys_media::{Event, Source};
use std::time::Duration;

#[test]
fn each_hears_and_sees_the_other() {
    let mut world = World::new(1);
    let judge = world.join(1, &[Source::Microphone, Source::Camera], 1, 1);
    let witness = world.join(2, &[Source::Microphone, Source::Camera], 1, 1);
    world.connect(&[
        edge(judge, Source::Microphone, witness),
        edge(judge, Source::Camera, witness),
        edge(witness, Source::Microphone, judge),
        edge(witness, Source::Camera, judge),
    ]);
    let now = world.now;
    for id in [judge, witness] {
        world.client(id).start(Source::Microphone, now);
        world.client(id).start(Source::Camera, now);
    }
    world.run_ms(1_000);

    for (id, other) in [(judge, witness), (witness, judge)] {
        let sound = world.slot_of(id, track(other, Source::Microphone));
        let picture = world.slot_of(id, track(other, Source::Camera));
        let client = &world.clients[&id];
        assert!(client.got.iter().all(|got| got.from == other));
        let heard: Vec<u64> = client
            .got
            .iter()
            .filter(|got| got.mid == sound)
            .map(|got| got.number)
            .collect();
        let seen: Vec<u64> = client
            .got
            .iter()
            .filter(|got| got.mid == picture)
            .map(|got| got.number)
            .collect();
        // Of the last 20 ms, which are still on the way, nothing is known.
        assert!(
            heard.len() >= 48 && heard.iter().copied().eq(0..heard.len() as u64),
            "{heard:?}"
        );
        assert!(
            seen.len() >= 48 && seen.iter().copied().eq(0..seen.len() as u64),
            "{seen:?}"
        );
    }
    assert!(world.events.contains(&Event::TrackStarted {
        track: track(judge, Source::Camera)
    }));
    assert!(world.events.contains(&Event::TrackFlowing {
        track: track(judge, Source::Camera),
        flowing: true
    }));
}

#[test]
fn a_reordering_network_changes_nothing() {
    let mut world = World::new(2);
    world.link = Link {
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(50),
        ..Link::default()
    };
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(2_000);

    let client = &world.clients[&clerk];
    let first = client.got.iter().map(|got| got.seq).min().expect("sound");
    let mut numbers: Vec<(u64, u64)> = client
        .got
        .iter()
        .map(|got| (got.seq - first, got.number))
        .collect();
    assert!(!numbers.is_sorted(), "the network did not reorder");
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() >= 90, "{}", numbers.len());
    let offset = numbers[0].1;
    assert!(numbers.iter().all(|(seq, number)| seq + offset == *number));
}
