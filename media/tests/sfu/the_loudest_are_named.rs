use crate::world::{ROOM, World, edge};
use otyrys_media::{Event, SessionId, Source};

fn named(world: &World) -> Vec<Vec<SessionId>> {
    world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Levels { room, loudest } if *room == ROOM => Some(loudest.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn whoever_speaks_is_named_once_and_silence_too() {
    let mut world = World::new(20);
    let judge = world.join(1, &[Source::Microphone], 1, 0);
    let witness = world.join(2, &[Source::Microphone], 1, 0);
    world.connect(&[
        edge(judge, Source::Microphone, witness),
        edge(witness, Source::Microphone, judge),
    ]);
    world.client(witness).level = -90;
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.client(witness).start(Source::Microphone, now);
    world.run_ms(2_000);
    assert_eq!(named(&world), [vec![judge]]);

    world.client(judge).level = -90;
    world.client(witness).level = -25;
    world.run_ms(3_000);
    assert_eq!(named(&world).last(), Some(&vec![witness]));

    world.client(witness).level = -127;
    world.run_ms(3_000);
    assert_eq!(named(&world).last(), Some(&vec![]));
    assert!(named(&world).len() <= 5, "{:?}", named(&world));
}
