use crate::world::{World, edge};
use otyrys_media::{Command, Source};

#[test]
fn thirty_receivers_who_join_at_once_cost_few_key_frames() {
    let mut world = World::new(18);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    let receivers: Vec<_> = (2..32)
        .map(|session| world.join(session, &[], 0, 1))
        .collect();
    let edges: Vec<_> = receivers
        .iter()
        .map(|receiver| edge(judge, Source::Camera, *receiver))
        .collect();
    world.connect(&edges);
    world.run_ms(1_000);
    for receiver in receivers {
        let got = &world.clients[&receiver].got;
        assert!(got.len() > 40 && got[0].keyframe);
    }
    assert!(
        (1..=2).contains(&world.clients[&judge].asked),
        "{}",
        world.clients[&judge].asked
    );
}

#[test]
fn wishes_are_passed_on_at_most_twice_a_second() {
    let mut world = World::new(19);
    let judge = world.join(1, &[Source::Camera], 0, 0);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.run_ms(200);
    let track = crate::world::track(judge, Source::Camera);
    for _ in 0..200 {
        world.command(Command::RequestKeyframe(track));
        world.run_ms(10);
    }
    let asked = world.clients[&judge].asked;
    assert!((2..=5).contains(&asked), "{asked}");
}
