use crate::world::{World, edge, track};
use otyrys_media::{Event, Source};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use str0m::media::Direction;

#[test]
fn more_slots_are_asked_for_and_then_filled() {
    let mut world = World::new(24);
    let judge = world.join(1, &[Source::Microphone, Source::Camera], 0, 0);
    let witness = world.join(2, &[Source::Microphone, Source::Camera], 0, 0);
    let clerk = world.join(3, &[], 1, 1);
    let now = world.now;
    for id in [judge, witness] {
        world.client(id).start(Source::Microphone, now);
        world.client(id).start(Source::Camera, now);
    }
    world.connect(&[
        edge(judge, Source::Microphone, clerk),
        edge(judge, Source::Camera, clerk),
        edge(witness, Source::Microphone, clerk),
        edge(witness, Source::Camera, clerk),
    ]);
    let needed = Event::SlotsNeeded {
        session: clerk,
        audio: 2,
        video: 2,
    };
    assert_eq!(
        world
            .events
            .iter()
            .filter(|event| **event == needed)
            .count(),
        1
    );
    world.run_ms(500);
    let kept = world.slot_of(clerk, track(judge, Source::Camera));
    assert!(
        world.clients[&clerk]
            .got
            .iter()
            .all(|got| got.from == judge)
    );

    world.offer(clerk, 1, 1, false).expect("an answer");
    world.run_ms(1_200);
    assert_eq!(world.slot_of(clerk, track(judge, Source::Camera)), kept);
    let picture = world.slot_of(clerk, track(witness, Source::Camera));
    let sound = world.slot_of(clerk, track(witness, Source::Microphone));
    let got = &world.clients[&clerk].got;
    for mid in [picture, sound] {
        assert!(
            got.iter()
                .filter(|got| got.mid == mid && got.from == witness)
                .count()
                > 40
        );
    }
    // The picture that was there before went on without a gap.
    let seqs: Vec<u64> = got
        .iter()
        .filter(|got| got.mid == kept)
        .map(|got| got.seq)
        .collect();
    assert!(
        seqs.iter()
            .copied()
            .eq(seqs[0]..seqs[0] + seqs.len() as u64)
    );
}

/// Packets of a stream that begins anew have the numbers of those before. Under one SSRC they would
/// be encrypted with the nonces of those before too, which gives away the key of their tags.
#[test]
fn a_slot_that_was_given_up_comes_back_as_another_stream() {
    fn ssrcs(world: &World) -> BTreeSet<String> {
        let lines = world.answer.lines();
        let ssrcs = lines.filter_map(|line| line.strip_prefix("a=ssrc:"));
        ssrcs
            .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
            .collect()
    }

    let (mut world, judge, clerk) = World::hearing(26);
    world.run_ms(1_000);
    world.offer(clerk, 0, 0, true).expect("an answer");
    let before = ssrcs(&world);
    assert_eq!(
        before.len(),
        3,
        "a voice, a picture, its repairs: {before:?}"
    );
    world.offer(clerk, 0, 0, true).expect("an answer");
    assert_eq!(ssrcs(&world), before, "nothing has changed");

    world.run_ms(1_000);
    let slot = world
        .client(clerk)
        .got
        .last()
        .expect("a packet")
        .mid
        .clone();
    world.client(clerk).turned = Some(Direction::Inactive);
    world.offer(clerk, 0, 0, false).expect("an answer");
    world.run_ms(500);
    world.client(clerk).turned = Some(Direction::RecvOnly);
    world.client(clerk).got.retain(|got| got.mid == slot);
    world.offer(clerk, 0, 0, false).expect("an answer");
    let kept: Vec<String> = ssrcs(&world).intersection(&before).cloned().collect();
    assert!(kept.len() == 1 || kept.len() == 2, "{kept:?} of {before:?}");
    let since = world.now;
    world.run_ms(1_500);
    let got = &world.clients[&clerk].got;
    let again = got.iter().filter(|got| got.at > since && got.mid == slot);
    assert!(again.count() > 20, "nothing of {judge:?} comes back");
}

#[test]
fn ice_starts_anew_from_another_address() {
    let mut world = World::new(25);
    let judge = world.join(1, &[Source::Microphone], 0, 0);
    let clerk = world.join(2, &[], 1, 0);
    world.connect(&[edge(judge, Source::Microphone, clerk)]);
    let now = world.now;
    world.client(judge).start(Source::Microphone, now);
    world.run_ms(500);

    // From Wi-Fi to cellular: the old address is dead.
    let cellular = SocketAddr::from(([10, 0, 9, 9], 4999));
    world.client(judge).move_to(cellular);
    let before = world.clients[&clerk].got.len();
    world.run_ms(300);
    world.offer(judge, 1, 0, true).expect("an answer");
    world.run_ms(100);
    // Three ways of 10 ms: the check, its answer, and the sound.
    let [.., last] = world.clients[&clerk].got.as_slice() else {
        panic!("nothing came");
    };
    let heard = last.number;
    assert!(
        world.clients[&clerk].got.len() > before,
        "sound is not back"
    );
    world.run_ms(500);
    let got = &world.clients[&clerk].got;
    assert_eq!(got.last().map(|got| got.number), Some(heard + 25));
    assert!(
        !world
            .events
            .iter()
            .any(|event| matches!(event, Event::Disconnected { .. }))
    );
}
