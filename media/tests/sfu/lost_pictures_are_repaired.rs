use crate::world::{Link, World, edge};
use otyrys_media::Source;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn at_five_percent_loss_each_way_every_packet_arrives() {
    let mut world = World::new(9);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let clerk = world.join(2, &[], 0, 1);
    world.connect(&[edge(judge, Source::Camera, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.run_ms(200);
    world.link = Link {
        loss_permille: 50,
        delay: Duration::from_millis(15),
        jitter: Duration::from_millis(5),
    };
    world.run_ms(8_000);
    world.link = Link {
        delay: Duration::from_millis(15),
        ..Link::default()
    };
    world.run_ms(1_000);

    let numbers: Vec<u64> = world.clients[&clerk]
        .got
        .iter()
        .map(|got| got.number)
        .collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    let last = distinct.last().copied().expect("pictures");
    let missing: Vec<u64> = (0..=last)
        .filter(|number| !distinct.contains(number))
        .collect();
    assert!(last >= 440, "{last}");
    assert_eq!(missing, [0_u64; 0], "of {last}");
    assert_eq!(numbers.len(), distinct.len(), "nothing arrives twice");
    assert!(
        !numbers.is_sorted(),
        "nothing was lost, nothing was repaired"
    );
}
