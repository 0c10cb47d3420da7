use crate::world::{World, edge};
use otyrys_media::Source;

/// Of 3.3 allocations for a packet that was sent (measured), 1 is its encrypted copy, and 2 are
/// receivers' feedback in the WebRTC stack. The rest is done four times a second for each receiver,
/// however many packets there are.
#[test]
fn a_forwarded_packet_takes_few_allocations() {
    const RECEIVERS: u64 = 20;

    let mut world = World::new(90);
    let sources = [Source::Microphone, Source::Camera];
    let judge = world.join(1, &sources, 0, 0);
    let edges: Vec<_> = (0..RECEIVERS)
        .map(|number| world.join(2 + number, &[], 1, 1))
        .flat_map(|clerk| sources.map(|source| edge(judge, source, clerk)))
        .collect();
    world.connect(&edges);
    let now = world.now;
    for source in sources {
        world.client(judge).start(source, now);
    }
    // Until everything has the size that it keeps.
    world.run_ms(8_000);

    let (allocations, forwarded) = (world.allocations, world.core.counters().forwarded);
    world.run_ms(4_000);
    let forwarded = world.core.counters().forwarded - forwarded;
    let each = (world.allocations - allocations) as f64 / forwarded as f64;
    assert!(forwarded >= 4 * 50 * RECEIVERS);
    assert!(
        each < 3.5,
        "{each:.2} allocations for each of {forwarded} packets"
    );
}
