use crate::world::{ROOM, World, edge};
use otyrys_media::{Command, DisconnectReason, Event, RoomId, SessionId, Source};

const OTHER: RoomId = RoomId(2);

/// A second hearing beside the first: a witness is heard by a prosecutor.
fn another_hearing(world: &mut World) -> (SessionId, SessionId) {
    world.room = OTHER;
    let witness = world.join(11, &[Source::Microphone], 0, 0);
    let prosecutor = world.join(12, &[], 1, 0);
    world.connect(&[edge(witness, Source::Microphone, prosecutor)]);
    let now = world.now;
    world.client(witness).start(Source::Microphone, now);
    world.room = ROOM;
    (witness, prosecutor)
}

#[test]
fn the_others_hear_each_other_as_if_nothing_had_happened() {
    let (mut world, judge, clerk) = World::hearing(80);
    let (_, prosecutor) = another_hearing(&mut world);
    world.run_ms(1_000);
    world.events.clear();

    world.command(Command::Break(ROOM));
    let gone = |session| Event::Disconnected {
        session,
        reason: DisconnectReason::Failed,
    };
    let last = Event::RoomFailed { room: ROOM };
    for told in [&gone(judge), &gone(clerk), &last] {
        assert!(world.events.contains(told), "{:?}", world.events);
    }
    assert!(!world.events.contains(&gone(prosecutor)));
    assert_eq!(world.core.counters().failed_rooms, 1);
    assert_eq!(world.core.session_count(), 2);

    let before = world.clients[&prosecutor].got.len();
    world.run_ms(2_000);
    let got = &world.clients[&prosecutor].got[before..];
    assert_eq!(got.len(), 100, "20 ms for each packet");
    assert!(
        got.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1),
        "a packet was lost"
    );
}

#[test]
fn whoever_was_thrown_out_comes_back_to_a_hearing_that_works() {
    let (mut world, ..) = World::hearing(81);
    world.run_ms(500);
    world.command(Command::Break(ROOM));
    world.clients.clear();
    for round in 1..=3 {
        let judge = world.join(10 * round + 1, &[Source::Microphone], 0, 0);
        let clerk = world.join(10 * round + 2, &[], 1, 0);
        world.connect(&[edge(judge, Source::Microphone, clerk)]);
        let now = world.now;
        world.client(judge).start(Source::Microphone, now);
        world.run_ms(1_000);
        assert!(world.clients[&clerk].got.len() >= 45);
        world.command(Command::Break(ROOM));
        world.clients.clear();
    }
    assert_eq!(world.core.session_count(), 0);
    assert_eq!(world.core.counters().failed_rooms, 4);
}
