use crate::world::{World, edge, track};
use otyrys_media::{Command, DisconnectReason, Event, Source};

#[test]
fn a_silent_client_is_gone_after_ten_seconds_and_its_place_is_free() {
    let mut world = World::new(10);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(500);

    world.clients.remove(&judge);
    world.run_ms(9_000);
    let gone = Event::Disconnected {
        session: judge,
        reason: DisconnectReason::Silent,
    };
    assert!(!world.events.contains(&gone), "too soon");
    assert!(world.events.contains(&Event::TrackFlowing {
        track: track(judge, Source::Microphone),
        flowing: false
    }));
    world.run_ms(2_000);
    let told: Vec<&Event> = world
        .events
        .iter()
        .rev()
        .filter(|event| !matches!(event, Event::Levels { .. }))
        .collect();
    assert!(told.contains(&&gone));
    assert!(told.contains(&&Event::TrackStopped {
        track: track(judge, Source::Microphone)
    }));
    assert_eq!(world.core.session_count(), 1);
    assert!(world.slots(clerk).iter().all(|(_, fill)| fill.is_none()));
    assert!(!world.events.contains(&Event::Disconnected {
        session: clerk,
        reason: DisconnectReason::Silent
    }));

    let returned = world.join(3, &[Source::Microphone], 0, 0);
    world.connect(&[edge(returned, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(returned).start(Source::Microphone, now);
    let before = world.clients[&clerk].got.len();
    world.run_ms(500);
    let got = &world.clients[&clerk].got;
    assert!(got.len() > before + 20);
    assert_eq!(
        got[before].seq,
        got[before - 1].seq + 1,
        "the slot goes on counting"
    );
}

#[test]
fn who_comes_back_from_the_same_address_is_not_mistaken() {
    let mut world = World::new(11);
    let clerk = world.join(2, &[], 1, 0);
    let first = world.join(1, &[Source::Microphone], 0, 0);
    world.clients.remove(&first);
    // 201 shares its address with 1: the same browser after a reload.
    let second = world.join(201, &[Source::Microphone], 0, 0);
    world.connect(&[edge(second, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(second).start(Source::Microphone, now);
    world.run_ms(12_000);
    assert!(world.events.contains(&Event::Disconnected {
        session: first,
        reason: DisconnectReason::Silent
    }));
    let before = world.clients[&clerk].got.len();
    world.run_ms(500);
    assert!(
        world.clients[&clerk].got.len() > before + 20,
        "the end of the old session cut the new one: {:?}",
        world.events
    );
}

#[test]
fn a_client_that_says_good_bye_is_gone_at_once() {
    let mut world = World::new(12);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    world.client(judge).rtc.close().expect("a sound client");
    world.run_ms(200);
    assert!(world.events.contains(&Event::Disconnected {
        session: judge,
        reason: DisconnectReason::Closed
    }));
    assert_eq!(world.core.session_count(), 0);
}

#[test]
fn a_closed_session_is_told_to_its_client_and_forgotten() {
    let mut world = World::new(13);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.command(Command::CloseSession(judge));
    world.run_ms(200);
    assert!(world.clients[&judge].closed);
    assert!(!world.clients[&clerk].closed);
    assert!(world.events.contains(&Event::TrackStopped {
        track: track(judge, Source::Microphone)
    }));
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::Disconnected { .. }))
    );

    world.command(Command::CloseRoom(crate::world::ROOM));
    world.run_ms(200);
    assert!(world.clients[&clerk].closed);
    assert_eq!(
        (world.core.session_count(), world.core.rooms()),
        (0, vec![])
    );
}
