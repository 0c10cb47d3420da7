use crate::world::{World, edge};
use otyrys_media::{SessionId, Source};
use std::net::SocketAddr;

/// Whoever shares the client's Wi-Fi can record its ICE checks (STUN binding requests) and send
/// them again from anywhere, under any source address: their integrity holds as long as the
/// session lives.
fn recorded_checks(world: &World, whose: SessionId) -> Vec<Vec<u8>> {
    let address = world.clients[&whose].address;
    let checks: Vec<Vec<u8>> = world
        .overheard
        .iter()
        .filter(|(source, bytes)| *source == address && bytes.starts_with(&[0x00, 0x01]))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    assert!(!checks.is_empty(), "no check was heard");
    checks
}

/// A judge and a clerk who hear each other.
fn hearing(seed: u64) -> (World, SessionId, SessionId) {
    let mut world = World::new(seed);
    let judge = world.join(1, &[Source::Microphone], 1, 0);
    let clerk = world.join(2, &[Source::Microphone], 1, 0);
    world.connect(&[
        edge(judge, Source::Microphone, clerk),
        edge(clerk, Source::Microphone, judge),
    ]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.client(clerk).start(Source::Microphone, now);
    world.run_ms(1_000);
    (world, judge, clerk)
}

/// Sound comes each 20 ms. So many packets came in `ms`, of those that should.
fn heard(world: &mut World, who: SessionId, ms: u64) -> u64 {
    let before = world.clients[&who].got.len();
    world.run_ms(ms);
    (world.clients[&who].got.len() - before) as u64 * 20
}

#[test]
fn from_elsewhere_it_moves_no_media() {
    let (mut world, judge, clerk) = hearing(40);
    let thief = SocketAddr::from(([192, 0, 2, 66], 6_666));
    let checks = recorded_checks(&world, clerk);
    for _ in 0..10 {
        for check in &checks {
            world.inject(thief, check);
        }
        assert!(heard(&mut world, clerk, 500) >= 480, "the clerk hears less");
        assert!(heard(&mut world, judge, 500) >= 480, "the judge hears less");
    }
}

#[test]
fn from_many_addresses_it_pushes_nobody_out() {
    let (mut world, judge, clerk) = hearing(41);
    let checks = recorded_checks(&world, clerk);
    for round in 0..10_u16 {
        // More than the 16 addresses that a session may have.
        for port in 0..40_u16 {
            let from = SocketAddr::from(([192, 0, 2, 67], 7_000 + 40 * round + port));
            world.inject(from, &checks[usize::from(port) % checks.len()]);
        }
        assert!(heard(&mut world, judge, 500) >= 480, "the clerk is cut off");
    }
    assert!(world.core.counters().garbage >= 400, "they were believed");
}

#[test]
fn from_the_address_of_another_it_takes_that_address_from_nobody() {
    let (mut world, judge, clerk) = hearing(42);
    let victim = world.clients[&clerk].address;
    let checks = recorded_checks(&world, judge);
    for _ in 0..10 {
        for check in &checks {
            world.inject(victim, check);
        }
        assert!(heard(&mut world, judge, 500) >= 480, "the clerk is cut off");
        assert!(heard(&mut world, clerk, 500) >= 480, "the clerk hears less");
    }
}

#[test]
fn a_client_that_moves_is_still_believed() {
    let (mut world, judge, clerk) = hearing(43);
    // The clerk's next checks are lost under way, and one comes from another network instead.
    let heard_before = recorded_checks(&world, clerk).len();
    world.link.loss_permille = 1_000;
    let fresh = loop {
        world.run_ms(50);
        let checks = recorded_checks(&world, clerk);
        if checks.len() > heard_before {
            break checks[heard_before].clone();
        }
    };
    world.link.loss_permille = 0;
    let elsewhere = SocketAddr::from(([10, 0, 2, 9], 4_321));
    let garbage = world.core.counters().garbage;
    world.inject(elsewhere, &fresh);
    assert_eq!(world.core.counters().garbage, garbage, "a new check");
    world.inject(elsewhere, &fresh);
    assert_eq!(world.core.counters().garbage, garbage, "repeated there");
    world.inject(SocketAddr::from(([10, 0, 2, 10], 4_321)), &fresh);
    assert_eq!(world.core.counters().garbage, garbage + 1, "a replay");
    assert!(heard(&mut world, judge, 1_000) >= 900);
}
