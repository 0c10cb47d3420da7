use crate::watched::{assert_one_stream, layers_seen, sound_of, watched_within};
use crate::world::World;
use otyrys_media::{Event, LineReport, MediaLimits, SessionId};
use std::time::Duration;

/// What the core dropped of what somebody sent, by its reports about their line.
fn dropped(world: &World, of: SessionId) -> u64 {
    let reports = world.events.iter().filter_map(|event| match event {
        Event::Line(report) if report.session == of => Some(report),
        _ => None,
    });
    reports
        .map(|LineReport { over_bitrate, .. }| over_bitrate)
        .sum()
}

#[test]
fn a_camera_with_too_many_bits_is_seen_in_what_it_may_have() {
    // The camera has 1,660 kbit/s in its three layers.
    let limits = MediaLimits {
        picture_bps: 1_200_000,
        ..MediaLimits::default()
    };
    let (mut world, judge, clerk) = watched_within(80, limits);
    world.run_ms(30_000);
    let heard = sound_of(&world, clerk, judge);
    assert!(heard >= 1_480, "{heard} of 1,500 packets of sound");

    let counters = world.core.counters();
    assert!(counters.over_bitrate > 1_000, "{counters:?}");
    let told = dropped(&world, judge);
    assert!(told > 0 && told <= counters.over_bitrate, "{told}");
    // Some picture is always there, and what arrives is one stream without a hole.
    let got = &world.clients[&clerk].got;
    assert_one_stream(got);
    let pictures: Vec<_> = got.iter().filter(|got| got.picture_id.is_some()).collect();
    let pause = pictures
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .max();
    assert!(pause < Some(Duration::from_secs(1)), "{pause:?}");
    assert!(
        layers_seen(&world, clerk, 25_000)[2] > 100,
        "and the large layer comes back"
    );
}

#[test]
fn a_camera_within_its_limit_loses_nothing() {
    let (mut world, judge, _) = watched_within(81, MediaLimits::default());
    world.run_ms(10_000);
    assert_eq!(world.core.counters().over_bitrate, 0);
    assert_eq!(dropped(&world, judge), 0);
}

#[test]
fn sound_with_too_many_bits_is_thinned() {
    // The voice has 30.4 kbit/s.
    let limits = MediaLimits {
        sound_bps: 12_000,
        ..MediaLimits::default()
    };
    let (mut world, judge, clerk) = watched_within(82, limits);
    world.run_ms(20_000);
    let heard = sound_of(&world, clerk, judge);
    // 12 of 30.4 of 1,000, and 39 that are overdrawn.
    assert!((420..=445).contains(&heard), "{heard}");
}

#[test]
fn an_address_that_floods_is_cut_short_and_the_others_are_not() {
    let limits = MediaLimits {
        packets_per_second: 1_000,
        ..MediaLimits::default()
    };
    let (mut world, judge, clerk) = watched_within(83, limits);
    world.run_ms(500);
    let judges = world.clients[&judge].address;
    let check = world
        .overheard
        .iter()
        .find(|(source, bytes)| *source == judges && bytes.starts_with(&[0, 1]))
        .expect("a check")
        .1
        .clone();
    let mut answered = 0;
    for _ in 0..20_000 {
        let answers = world.answers_to(([192, 0, 2, 66], 6_666).into(), &[128; 100]);
        assert!(answers.is_empty());
        // Under the judge's own name: at most one answer, no longer than the question.
        for answer in world.answers_to(judges, &check) {
            assert!(answer.len() <= check.len(), "{} bytes", answer.len());
            answered += 1;
        }
    }
    assert!(answered <= 1_000, "{answered}");
    let counters = world.core.counters();
    assert!(counters.over_rate >= 2 * 19_000, "{counters:?}");
    assert_eq!(counters.garbage, 1_000);
    // The judge gets through again when the flood under their name is over.
    world.run_ms(2_000);
    let before = sound_of(&world, clerk, judge);
    world.run_ms(1_000);
    assert!(sound_of(&world, clerk, judge) >= before + 45);
    assert_eq!(world.core.session_count(), 2);
}
