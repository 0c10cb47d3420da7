use crate::world::{World, edge};
use otyrys_media::Source;

/// Allocations of the core and packets forwarded in 4 s, with so many receivers of these tracks.
fn allocations(receivers: u64, sources: &[Source]) -> [f64; 2] {
    let mut world = World::new(90);
    let judge = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let edges: Vec<_> = (0..receivers)
        .map(|number| world.join(2 + number, &[], 1, 1))
        .flat_map(|clerk| {
            sources
                .iter()
                .map(move |source| edge(judge, *source, clerk))
        })
        .collect();
    world.connect(&edges);
    let now = world.now;
    for source in sources {
        world.client(judge).start(*source, now);
    }
    // Until everything has the size that it keeps.
    world.run_ms(8_000);

    let before = [world.allocations, world.core.counters().forwarded];
    world.run_ms(4_000);
    let after = [world.allocations, world.core.counters().forwarded];
    [0, 1].map(|figure| (after[figure] - before[figure]) as f64)
}

/// What twenty more receivers of these tracks cost.
fn of_twenty_more(sources: &[Source]) -> [f64; 2] {
    let [few, many] = [10, 30].map(|receivers| allocations(receivers, sources));
    [0, 1].map(|figure| many[figure] - few[figure])
}

/// What a packet costs that comes in is the same however many get it, and what a receiver costs
/// who is there (ICE checks, figures of the line) the same however many packets it gets. What is
/// left is what one packet more to one receiver more costs.
#[test]
fn a_packet_to_one_more_receiver_costs_no_allocation() {
    let sound = of_twenty_more(&[Source::Microphone]);
    let both = of_twenty_more(&[Source::Microphone, Source::Camera]);
    let [allocations, packets] = [0, 1].map(|figure| both[figure] - sound[figure]);
    assert!(packets >= 4.0 * 45.0 * 20.0, "{packets}");
    assert!(
        // Each 2 s a report of the line, which names the picture.
        allocations < 4.0 / 2.0 * 20.0 + 10.0,
        "{allocations} allocations for {packets} packets; beside {sound:?} for sound"
    );
    assert!(
        sound[0] < 4.0 * 20.0 * 20.0,
        "{} allocations in 4 s for 20 who listen",
        sound[0]
    );
}
