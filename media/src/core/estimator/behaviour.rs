//! What the estimator does on lines of all kinds.

use super::simulated_line::Line;
use super::simulation::World;

const FIRST_BPS: u64 = 600_000;

#[test]
fn a_good_line_carries_what_is_wished_within_a_second_and_a_half() {
    for (seed, feedback_ms, delay_ms) in [
        (1, 50, 20),
        (2, 100, 20),
        (3, 100, 60),
        (4, 50, 5),
        (5, 100, 100),
    ] {
        let line = Line {
            feedback_ms,
            delay_ms,
            ..Line::of(100_000_000)
        };
        let mut world = World::new(line, FIRST_BPS, 5, seed);
        let wish = world.wish_bps();
        world.run_ms(3_000);
        let reached = world.reached_ms(wish, 0).expect("it is reached");
        assert!(reached <= 1_500, "seed {seed}: {reached} ms");

        let padding = world.padding_bytes;
        world.run_ms(10_000);
        assert_eq!(
            world.padding_bytes, padding,
            "seed {seed}: no look for more than is wished"
        );
        assert!(world.least_bps(3_000) >= wish, "seed {seed}");

        world.join();
        let wish = world.wish_bps();
        world.run_ms(1_000);
        assert!(world.reached_ms(wish, 13_000).is_some(), "seed {seed}");
    }
}

#[test]
fn a_narrow_line_is_found_soon_and_not_filled() {
    for bps in [1_000_000, 300_000, 150_000] {
        for seed in 0..5 {
            for queue_ms in [100, 300, 600] {
                let line = Line {
                    queue_ms,
                    ..Line::of(bps)
                };
                let mut world = World::new(line, FIRST_BPS, 5, seed);
                world.run_ms(10_000);
                let (media, padding) = (world.media_bytes, world.padding_bytes);
                world.run_ms(50_000);
                let what = format!("{bps} bit/s, {queue_ms} ms, seed {seed}");
                assert!(
                    world.least_bps(3_000) >= bps * 75 / 100,
                    "{what}: {}",
                    world.least_bps(3_000)
                );
                assert!(
                    world.most_bps(3_000) <= bps * 105 / 100,
                    "{what}: {}",
                    world.most_bps(3_000)
                );
                assert_eq!(world.queued_ms(150, 3_000), 0, "{what}");
                let (media, padding) = (world.media_bytes - media, world.padding_bytes - padding);
                assert!(
                    padding * 20 < media + padding,
                    "{what}: {padding} beside {media}"
                );
            }
        }
    }
}

#[test]
fn a_line_that_becomes_narrow_and_wide_again_is_followed() {
    for seed in 0..10 {
        for narrow_ms in [5_000, 10_000] {
            let mut world = World::new(Line::of(4_000_000), FIRST_BPS, 5, seed);
            world.run_ms(6_000);
            world.line.bps = 400_000;
            world.run_ms(narrow_ms);
            let what = format!("{narrow_ms} ms, seed {seed}");
            assert!(
                world.most_bps(7_500) <= 500_000,
                "{what}: {}",
                world.most_bps(7_500)
            );
            world.line.bps = 4_000_000;
            world.run_ms(4_000);
            let back = world.reached_ms(3_000_000, 6_000 + narrow_ms);
            assert!(back.is_some(), "{what}: {}", world.estimator.estimate_bps());
        }
    }
}

#[test]
fn random_losses_do_not_shrink_pictures() {
    for seed in 0..10 {
        for (loss_percent, least_percent) in [(5, 80), (20, 25)] {
            let line = Line {
                loss_percent,
                feedback_leaves_gaps: seed % 2 == 0,
                ..Line::of(100_000_000)
            };
            let mut world = World::new(line, FIRST_BPS, 3, seed);
            world.run_ms(60_000);
            let what = format!("{loss_percent} %, seed {seed}: {}", world.least_bps(5_000));
            let least = world.wish_bps() * least_percent / 100;
            assert!(world.least_bps(5_000) >= least.max(300_000), "{what}");
            assert!(
                world.mean_bps(5_000) >= world.wish_bps() * 80 / 100,
                "{what}"
            );
            let (lost, all) = world.estimator.take_losses();
            let percent = lost * 100 / all;
            assert!(
                percent.abs_diff(loss_percent) <= 1,
                "{what}: {lost} of {all} lost"
            );
        }
    }
}

#[test]
fn losses_of_a_full_line_do() {
    for seed in 0..10 {
        // Too short a queue for its growth to be seen; frames alone overflow it at times.
        let line = Line {
            queue_ms: 20,
            ..Line::of(1_000_000)
        };
        let mut world = World::new(line, FIRST_BPS, 3, seed);
        for bps in [1_000_000, 500_000] {
            world.line.bps = bps;
            let from = world.now_us / 1_000 + 3_000;
            world.run_ms(33_000);
            let what = format!("{bps} bit/s, seed {seed}");
            let mean = world.mean_bps(from);
            assert!((bps * 7 / 10..bps).contains(&mean), "{what}: {mean}");
            let too_much = world.since(from).filter(|seen| seen.bps > bps * 105 / 100);
            assert!(too_much.count() <= 150, "{what}: more than 5 % of the time");
        }
    }
}

#[test]
fn a_line_that_collapsed_gets_what_arrives_and_is_found_again() {
    for seed in 0..10 {
        for loss_percent in [45, 60, 90] {
            let mut world = World::new(Line::of(100_000_000), FIRST_BPS, 3, seed);
            world.run_ms(5_000);
            world.line.loss_percent = loss_percent;
            world.run_ms(10_000);
            let what = format!("{loss_percent} %, seed {seed}");
            let estimate = world.estimator.estimate_bps();
            assert!((50_000..300_000).contains(&estimate), "{what}: {estimate}");
            world.line.loss_percent = 0;
            world.run_ms(5_000);
            assert!(
                world.reached_ms(world.wish_bps(), 15_000).is_some(),
                "{what}"
            );
        }
    }
}

#[test]
fn a_hidden_page_changes_nothing() {
    for seed in 0..10 {
        for bps in [100_000_000, 3_000_000] {
            let line = Line {
                jitter_ms: seed % 3 * 10,
                ..Line::of(bps)
            };
            let mut world = World::new(line, FIRST_BPS, 3, seed);
            world.run_ms(5_000);
            let layers = world.layers_bps();
            world.most = None;
            world.run_ms(1_000);
            let (before, padding) = (world.estimator.estimate_bps(), world.padding_bytes);
            world.run_ms(59_000);
            let what = format!("{bps} bit/s, seed {seed}");
            assert_eq!(world.least_bps(6_000), before, "{what}");
            assert_eq!(world.most_bps(6_000), before, "{what}");
            assert_eq!(world.padding_bytes, padding, "{what}");
            world.most = Some(2);
            world.run_ms(300);
            assert!(
                world.layers_bps() >= layers,
                "{what}: {}",
                world.layers_bps()
            );
        }
    }
}

#[test]
fn after_a_cut_all_is_as_before_soon() {
    for seed in 0..10 {
        for bps in [100_000_000, 3_000_000] {
            let line = Line {
                feedback_leaves_gaps: seed % 2 == 0,
                ..Line::of(bps)
            };
            let mut world = World::new(line, FIRST_BPS, 3, seed);
            world.run_ms(5_000);
            let before = world.estimator.estimate_bps();
            world.line.cut = true;
            world.run_ms(10_000);
            assert!(world.estimator.estimate_bps() < before / 10);
            world.line.cut = false;
            world.run_ms(3_000);
            let back = world.reached_ms(before * 9 / 10, 15_000);
            assert!(
                back.is_some(),
                "{bps} bit/s, seed {seed}: {}",
                world.estimator.estimate_bps()
            );
        }
    }
}

#[test]
fn feedback_may_be_lost_late_and_repeated() {
    for seed in 0..10 {
        for feedback_ms in [100, 250] {
            let line = Line {
                feedback_ms,
                feedback_loss_percent: 20,
                feedback_repeats: true,
                feedback_leaves_gaps: seed % 2 == 0,
                ..Line::of(3_000_000)
            };
            let mut world = World::new(line, FIRST_BPS, 3, seed);
            world.run_ms(30_000);
            let what = format!("every {feedback_ms} ms, seed {seed}");
            assert!(
                world.mean_bps(3_000) >= 2_250_000,
                "{what}: {}",
                world.mean_bps(3_000)
            );
            assert!(
                world.most_bps(3_000) <= 3_150_000,
                "{what}: {}",
                world.most_bps(3_000)
            );
            assert_eq!(world.queued_ms(150, 3_000), 0, "{what}");
            let (lost, all) = world.estimator.take_losses();
            assert_eq!(lost, 0, "{what}: of {all}");
            let round_trip = world.estimator.round_trip().expect("it was measured");
            assert!(
                (40..90).contains(&round_trip.as_millis()),
                "{what}: {round_trip:?}"
            );
        }
    }
}

#[test]
fn wireless_lines_do_not_collapse() {
    for seed in 0..10 {
        for (jitter_ms, batch_ms) in [(30, 0), (10, 20), (0, 40)] {
            let line = Line {
                jitter_ms,
                batch_ms,
                ..Line::of(2_000_000)
            };
            let mut world = World::new(line, FIRST_BPS, 5, seed);
            world.run_ms(60_000);
            let what = format!("{jitter_ms} ms, batches of {batch_ms} ms, seed {seed}");
            assert!(
                world.least_bps(5_000) >= 1_200_000,
                "{what}: {}",
                world.least_bps(5_000)
            );
            assert!(
                world.mean_bps(5_000) <= 2_100_000,
                "{what}: {}",
                world.mean_bps(5_000)
            );
            assert!(
                world.queued_ms(150, 5_000) <= 3_000,
                "{what}: {} ms",
                world.queued_ms(150, 5_000)
            );
        }
    }
}

#[test]
fn another_way_through_the_net_is_not_taken_for_a_queue_for_long() {
    for seed in 0..10 {
        let mut world = World::new(Line::of(100_000_000), FIRST_BPS, 3, seed);
        world.run_ms(5_000);
        world.line.delay_ms = 220;
        world.run_ms(10_000);
        let back = world.reached_ms(world.wish_bps(), 8_000);
        assert!(
            back.is_some(),
            "seed {seed}: {}",
            world.estimator.estimate_bps()
        );
    }
}

#[test]
fn a_line_is_not_disturbed_for_minutes() {
    for bps in [4_000_000, 1_200_000, 400_000] {
        let line = Line {
            feedback_ms: 100,
            delay_ms: 40,
            jitter_ms: 5,
            ..Line::of(bps)
        };
        let mut world = World::new(line, FIRST_BPS, 5, bps);
        world.run_ms(180_000);
        assert!(
            world.least_bps(5_000) >= bps * 75 / 100,
            "{bps}: {}",
            world.least_bps(5_000)
        );
        assert!(
            world.most_bps(5_000) <= bps * 105 / 100,
            "{bps}: {}",
            world.most_bps(5_000)
        );
        assert_eq!(world.queued_ms(150, 5_000), 0, "{bps}");
        let smaller = world
            .seen
            .windows(2)
            .filter(|pair| pair[1].layers_bps < pair[0].layers_bps);
        assert!(smaller.count() <= 3, "{bps}");
    }
}
