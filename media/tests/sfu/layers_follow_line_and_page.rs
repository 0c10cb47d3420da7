use crate::watched::{assert_one_stream, layers_seen, show, sound_of, watched};
use crate::world::{World, edge, tape, track};
use otyrys_media::{Command, Event, Layer, SessionId, Source, View};
use std::time::Duration;

#[test]
fn a_good_line_gets_the_largest_layer_soon_and_without_a_jump() {
    let (mut world, _, clerk) = watched(1);
    world.run_ms(2_500);
    assert_eq!(layers_seen(&world, clerk, 500)[..2], [0, 0]);
    assert!(layers_seen(&world, clerk, 500)[2] >= 11);
    assert_one_stream(&world.clients[&clerk].got);
}

#[test]
fn a_line_that_becomes_narrow_and_wide_again_keeps_a_picture() {
    let (mut world, judge, clerk) = watched(2);
    world.down_bps.insert(clerk, 4_000_000);
    world.run_ms(6_000);
    assert!(
        layers_seen(&world, clerk, 1_000)[2] >= 23,
        "{:?}",
        layers_seen(&world, clerk, 1_000)
    );

    world.down_bps.insert(clerk, 400_000);
    let heard = sound_of(&world, clerk, judge);
    world.run_ms(10_000);
    let narrow = layers_seen(&world, clerk, 5_000);
    assert!(narrow[0] >= 110 && narrow[2] == 0, "{narrow:?}");
    // Sound goes through the same queue, which overflows until the picture is smaller.
    let heard = sound_of(&world, clerk, judge) - heard;
    assert!(heard >= 425, "{heard} of 500 packets of sound");

    world.down_bps.insert(clerk, 4_000_000);
    world.run_ms(10_000);
    let wide = layers_seen(&world, clerk, 1_000);
    assert!(wide[2] >= 23, "{wide:?}");
}

#[test]
fn a_line_for_sound_alone_is_told_and_gets_pictures_again() {
    let (mut world, judge, clerk) = watched(3);
    world.down_bps.insert(clerk, 2_000_000);
    world.run_ms(4_000);
    world.down_bps.insert(clerk, 100_000);
    world.run_ms(15_000);
    assert!(world.events.contains(&Event::SoundOnly {
        session: clerk,
        sound_only: true
    }));
    assert_eq!(layers_seen(&world, clerk, 2_000), [0, 0, 0]);

    world.down_bps.insert(clerk, 2_000_000);
    world.run_ms(15_000);
    assert_eq!(
        world.events.iter().rev().find_map(|event| match event {
            Event::SoundOnly {
                session,
                sound_only,
            } if *session == clerk => Some(*sound_only),
            _ => None,
        }),
        Some(false)
    );
    assert!(layers_seen(&world, clerk, 1_000).iter().sum::<usize>() >= 20);
    assert!(world.clients[&judge].asked > 0);
}

#[test]
fn a_page_gets_what_it_shows() {
    let (mut world, judge, clerk) = watched(4);
    show(&mut world, clerk, judge, View::Tile);
    world.run_ms(4_000);
    let tile = layers_seen(&world, clerk, 1_000);
    assert!(tile[1] >= 23 && tile[2] == 0, "{tile:?}");

    show(&mut world, clerk, judge, View::Hidden);
    world.run_ms(1_500);
    assert_eq!(layers_seen(&world, clerk, 1_000), [0, 0, 0]);

    show(&mut world, clerk, judge, View::Stage);
    world.run_ms(6_000);
    assert!(layers_seen(&world, clerk, 1_000)[2] >= 23);
    assert_one_stream(&world.clients[&clerk].got);
}

#[test]
fn layers_that_nobody_watches_are_paused_at_the_sender() {
    let (mut world, judge, clerk) = watched(5);
    show(&mut world, clerk, judge, View::Tile);
    world.run_ms(8_000);
    let camera = track(judge, Source::Camera);
    let told = |world: &World| {
        world.events.iter().rev().find_map(|event| match event {
            Event::LayersWatched { track, watched } if *track == camera => Some(watched.clone()),
            _ => None,
        })
    };
    assert_eq!(told(&world), Some(vec![Layer::at(0), Layer::at(1)]));
    world.client(judge).send_layers(&[0, 1]);
    world.run_ms(1_000);

    // Somebody enlarges the picture: when the line is found to carry it, its sender is told.
    show(&mut world, clerk, judge, View::Stage);
    world.run_ms(10_000);
    assert_eq!(told(&world).map(|watched| watched.len()), Some(3));
    world.client(judge).send_layers(&[0, 1, 2]);
    world.run_ms(2_000);
    assert!(layers_seen(&world, clerk, 1_000)[2] >= 23);

    // What is on record is wanted in its best layer.
    world.connect(&[
        edge(judge, Source::Camera, clerk),
        tape(judge, Source::Camera),
    ]);
    show(&mut world, clerk, judge, View::Hidden);
    world.run_ms(7_000);
    assert_eq!(told(&world), Some(vec![Layer::at(0), Layer::at(2)]));
}

#[test]
fn a_layer_that_its_sender_gives_up_is_replaced_within_a_second() {
    let (mut world, judge, clerk) = watched(6);
    world.connect(&[
        edge(judge, Source::Camera, clerk),
        tape(judge, Source::Camera),
    ]);
    world.run_ms(4_000);
    world.client(judge).send_layers(&[0]);
    let stopped = world.now;
    world.run_ms(2_000);
    let again = world.clients[&clerk]
        .got
        .iter()
        .find(|got| got.at > stopped + Duration::from_millis(30) && got.layer == 0)
        .expect("the small layer");
    assert!(
        again.at - stopped < Duration::from_secs(1),
        "{:?}",
        again.at - stopped
    );
    assert_one_stream(&world.clients[&clerk].got);

    // The record changes to the small layer too, as another stream.
    let streams: Vec<u64> = world.recorded.iter().map(|packet| packet.stream).collect();
    assert!(
        streams.is_sorted(),
        "a stream that has ended does not come back"
    );
    let last = world.recorded.last().expect("a record");
    assert!(world.now - last.arrival < Duration::from_millis(100));
    assert_eq!(last.payload[7], 0, "of the small layer");
    let large = world
        .recorded
        .iter()
        .filter(|packet| packet.payload[7] == 2)
        .count();
    assert!(
        large > 60 * 6,
        "before, the large one was recorded: {large}"
    );
}

#[test]
fn when_the_line_is_narrow_the_judge_is_seen_best() {
    let mut world = World::new(7);
    let judge = world.join_simulcast(1);
    let prosecutor = world.join_simulcast(3);
    let counsel = world.join_simulcast(4);
    let clerk = world.join(2, &[], 0, 3);
    let senders = [prosecutor, judge, counsel];
    let mut graph: otyrys_media::Graph = senders
        .iter()
        .map(|sender| edge(*sender, Source::Camera, clerk))
        .collect();
    graph.favour(track(judge, Source::Camera));
    world.command(Command::SetGraph {
        room: crate::world::ROOM,
        graph,
    });
    let now = world.now;
    for sender in senders {
        world.client(sender).start(Source::Camera, now);
    }
    world.down_bps.insert(clerk, 1_200_000);
    world.run_ms(15_000);
    let since = world.now - Duration::from_secs(3);
    let best = |of: SessionId| {
        world.clients[&clerk]
            .got
            .iter()
            .filter(|got| got.at > since && got.from == of)
            .map(|got| got.layer)
            .max()
    };
    assert!(best(judge) >= Some(1), "{:?}", best(judge));
    assert!(best(prosecutor) <= Some(1) && best(counsel) <= Some(1));
    assert!(best(prosecutor) <= best(judge) && best(counsel) <= best(judge));
}
