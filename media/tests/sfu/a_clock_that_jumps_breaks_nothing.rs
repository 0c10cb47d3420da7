use crate::world::{World, edge};
use otyrys_media::{Core, DisconnectReason, Event, Input, MediaError, MediaLimits, Output, Source};
use std::time::{Duration, Instant};

#[test]
fn backwards_is_refused_and_the_core_goes_on() {
    let now = Instant::now() + Duration::from_secs(3_600);
    let mut core = Core::new(now, vec![crate::world::SERVER], MediaLimits::default());
    assert!(matches!(
        core.handle(Input::Timeout(now - Duration::from_nanos(1))),
        Err(MediaError::TimeReversed)
    ));
    core.handle(Input::Timeout(now)).expect("the same moment");
    let Output::Deadline(deadline) = core.poll_output() else {
        panic!("nothing happened");
    };
    assert!(deadline > now);
}

/// A machine that was paused: an hour is gone between two inputs.
#[test]
fn an_hour_forward_ends_what_nobody_kept_alive_and_nothing_else() {
    let mut world = World::new(70);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(300);
    world.clients.clear();
    // What is under way arrives.
    world.run_ms(100);

    world.now += Duration::from_secs(3_600);
    world.run_ms(100);
    let mut ended: Vec<&Event> = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Disconnected { .. }))
        .collect();
    ended.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(
        ended,
        [judge, clerk]
            .map(|session| Event::Disconnected {
                session,
                reason: DisconnectReason::Silent
            })
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(world.core.session_count(), 0);

    let back = world.join(3, &[Source::Microphone], 0, 0);
    let clerk = world.join(4, &[], 1, 0);
    world.connect(&[edge(back, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(back).start(Source::Microphone, now);
    world.run_ms(1_000);
    assert!(world.clients[&clerk].got.len() >= 45);
}

/// Whoever was heard while the thread stood still is not taken for silent: what waits in the
/// socket comes first.
#[test]
fn who_sent_meanwhile_stays() {
    let mut world = World::new(71);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(300);
    world.link.loss_permille = 1_000;
    world.run_ms(1_000);
    let (address, unheard) = world.overheard.last().expect("sound").clone();
    assert!((128..192).contains(&unheard[0]), "RTP");
    world.now += Duration::from_secs(30);
    world.inject(address, &unheard);
    world.link.loss_permille = 0;
    world.run_ms(2_000);
    assert_eq!(world.core.session_count(), 1, "{:?}", world.events);
}
