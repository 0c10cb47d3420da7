use crate::world::{Link, World, edge};
use otyrys_media::Source;
use std::collections::BTreeSet;
use std::time::Duration;

/// A camera over this network both ways for 8 s: the numbers of the packets that arrived, in their
/// order.
fn arrived(seed: u64, link: Link) -> Vec<u64> {
    let mut world = World::new(seed);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let clerk = world.join(2, &[], 0, 1);
    world.connect(&[edge(judge, Source::Camera, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.run_ms(200);
    world.link = link;
    world.run_ms(8_000);
    world.link = Link {
        delay: link.delay,
        ..Link::default()
    };
    world.run_ms(1_000);
    let got = world.clients[&clerk].got.iter();
    got.map(|got| got.number).collect()
}

/// That each packet arrived, and arrived once.
fn assert_complete(numbers: &[u64]) {
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    let last = distinct.last().copied().expect("pictures");
    let missing: Vec<u64> = (0..=last)
        .filter(|number| !distinct.contains(number))
        .collect();
    assert!(last >= 440, "{last}");
    assert_eq!(missing, [0_u64; 0], "of {last}");
    assert_eq!(numbers.len(), distinct.len(), "nothing arrives twice");
}

/// As [`assert_complete`], of packets some of which were lost on their first way.
fn assert_repaired(numbers: &[u64]) {
    assert_complete(numbers);
    assert!(
        !numbers.is_sorted(),
        "nothing was lost, nothing was repaired"
    );
}

#[test]
fn at_five_percent_loss_each_way_every_packet_arrives() {
    let numbers = arrived(
        9,
        Link {
            loss_permille: 50,
            delay: Duration::from_millis(15),
            jitter: Duration::from_millis(5),
            ..Link::default()
        },
    );
    assert_repaired(&numbers);
}

#[test]
fn what_is_lost_in_bursts_arrives_too() {
    let numbers = arrived(
        10,
        Link {
            loss_permille: 8,
            burst: 6,
            delay: Duration::from_millis(15),
            ..Link::default()
        },
    );
    assert_repaired(&numbers);
}

#[test]
fn what_the_network_doubles_arrives_once() {
    let numbers = arrived(
        11,
        Link {
            twice_permille: 300,
            jitter: Duration::from_millis(8),
            ..Link::default()
        },
    );
    assert_complete(&numbers);
}
