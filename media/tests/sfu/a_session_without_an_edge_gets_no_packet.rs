use crate::world::{ROOM, World, edge, track};
use otyrys_media::{Command, Event, RoomId, Sink, Source, TrackKey};

/// The rule on which everything else stands: the graph decides every packet.
#[test]
fn only_the_named_session_gets_the_track() {
    let mut world = World::new(3);
    let judge = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let clerk = world.join(2, &[], 2, 2);
    let waiting = world.join(3, &[Source::Microphone, Source::Camera], 2, 2);
    let now = world.now;
    for id in [judge, waiting] {
        world.client(id).start(Source::Microphone, now);
        world.client(id).start(Source::Camera, now);
    }

    world.run_ms(500);
    assert!(
        world.clients.values().all(|client| client.got.is_empty()),
        "packets flowed without a graph"
    );

    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    world.run_ms(500);
    let got = &world.clients[&clerk].got;
    let sound = world.slot_of(clerk, track(judge, Source::Microphone));
    assert!(got.len() >= 20);
    assert!(got.iter().all(|got| got.from == judge && got.mid == sound));
    assert!(world.clients[&waiting].got.is_empty());
    assert!(world.clients[&judge].got.is_empty());
    assert!(world.recorded.is_empty());
}

#[test]
fn a_packet_stops_with_its_edge() {
    let mut world = World::new(4);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(300);
    world.connect(&[]);
    // What was already on the way arrives.
    world.run_ms(20);
    let before = world.clients[&clerk].got.len();
    assert!(before > 0);
    world.run_ms(1_000);
    assert_eq!(world.clients[&clerk].got.len(), before);
}

#[test]
fn an_edge_out_of_the_room_does_not_count() {
    let mut world = World::new(5);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    let graph = [
        edge(judge, Source::Microphone, clerk),
        (track(judge, Source::Microphone), Sink::Recorder),
    ];
    world.command(Command::SetGraph {
        room: RoomId(ROOM.0 + 1),
        graph: graph.into_iter().collect(),
    });
    world.run_ms(500);
    assert!(world.clients[&clerk].got.is_empty());
    assert!(world.recorded.is_empty());
}

#[test]
fn who_may_not_be_heard_is_not_named_as_heard() {
    let mut world = World::new(6);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    let waiting = world.join(3, &[Source::Microphone], 0, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(waiting).start(Source::Microphone, now);
    world.run_ms(2_000);
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::Levels { .. })),
        "{:?}",
        world.events
    );

    world.client(judge).start(Source::Microphone, now);
    world.run_ms(1_000);
    assert!(world.events.contains(&Event::Levels {
        room: ROOM,
        loudest: vec![judge]
    }));
    let unheard = TrackKey {
        session: waiting,
        source: Source::Microphone,
    };
    assert!(world.events.contains(&Event::TrackFlowing {
        track: unheard,
        flowing: true
    }));
}
