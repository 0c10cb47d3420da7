//! One direction of one bad line.

use super::{Conditions, dice::Dice};
use std::time::{Duration, Instant};

/// Bytes that IPv4 and UDP put around a datagram's payload.
const HEADERS: usize = 28;
/// How much later than its turn a reordered datagram comes.
const OUT_OF_TURN: Duration = Duration::from_millis(20);

/// Says of each datagram when it arrives, once, twice or never. The same seed, conditions and
/// datagrams give the same answers.
#[derive(Debug)]
pub struct Wire {
    conditions: Conditions,
    dice: Dice,
    /// In the bad state of the Gilbert-Elliott model.
    in_burst: bool,
    /// When the line has carried what it was given.
    busy_until: Option<Instant>,
    /// When the last datagram in order arrives.
    last_arrival: Option<Instant>,
}

impl Wire {
    /// A line under `conditions`, whose chance follows from `seed`.
    #[must_use]
    pub fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            dice: Dice::new(seed),
            in_burst: false,
            busy_until: None,
            last_arrival: None,
        }
    }

    /// Changes the line from now on. What is on its way still arrives as it was told.
    pub fn set(&mut self, conditions: Conditions) {
        self.conditions = conditions;
        self.busy_until = None;
    }

    /// When a datagram of `bytes` sent at `now` arrives: nothing if it is lost.
    pub fn send(&mut self, now: Instant, bytes: usize) -> impl Iterator<Item = Instant> + use<> {
        let arrival = self.arrival(now, bytes);
        let again = self.dice.falls(self.conditions.duplicate);
        arrival.into_iter().chain(arrival.filter(|_| again))
    }

    fn arrival(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        // Every datagram rolls the same dice, so that changed conditions do not shift chance.
        let lost = self.loses();
        let extra = self.conditions.jitter().mul_f64(self.dice.share());
        let out_of_turn = self.dice.falls(self.conditions.reorder);
        if lost || self.conditions.cut {
            return None;
        }
        let carried = self.carry(now, bytes)?;
        let arrival = carried + self.conditions.delay() + extra;
        if out_of_turn {
            return Some(arrival + OUT_OF_TURN);
        }
        let arrival = self.last_arrival.map_or(arrival, |last| arrival.max(last));
        self.last_arrival = Some(arrival);
        Some(arrival)
    }

    /// Gilbert-Elliott: all datagrams of a burst are lost, none outside; bursts are so frequent
    /// that `loss` is the share over all.
    fn loses(&mut self) -> bool {
        let Conditions { loss, burst, .. } = self.conditions;
        let roll = self.dice.share();
        if loss >= 1.0 {
            return true;
        }
        if burst <= 1.0 {
            return roll < loss;
        }
        let leaves = 1.0 / burst;
        let enters = (leaves * loss / (1.0 - loss)).min(1.0);
        self.in_burst = if self.in_burst {
            roll >= leaves
        } else {
            roll < enters
        };
        self.in_burst
    }

    /// When the last bit is on the line; `None` when the queue before it is full.
    fn carry(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate_bps) = self.conditions.rate_bps else {
            return Some(now);
        };
        let begins = self.busy_until.map_or(now, |busy| busy.max(now));
        if begins - now > self.conditions.queue() {
            return None;
        }
        let bits = (bytes + HEADERS) as f64 * 8.0;
        let ends = begins + Duration::from_secs_f64(bits / rate_bps as f64);
        self.busy_until = Some(ends);
        Some(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATAGRAMS: u32 = 20_000;

    /// Sends a datagram of 1,000 bytes each `every`; gives each one's number and delay.
    fn course(conditions: Conditions, every: Duration) -> Vec<(u32, Duration)> {
        let mut wire = Wire::new(conditions, 7);
        let start = Instant::now();
        (0..DATAGRAMS)
            .flat_map(|number| {
                let now = start + every * number;
                wire.send(now, 972).map(move |at| (number, at - now))
            })
            .collect()
    }

    fn lost(arrived: &[(u32, Duration)]) -> Vec<u32> {
        let there: std::collections::BTreeSet<u32> = arrived.iter().map(|(n, _)| *n).collect();
        (0..DATAGRAMS).filter(|n| !there.contains(n)).collect()
    }

    #[test]
    fn a_perfect_line_delivers_everything_at_once() {
        let arrived = course(Conditions::default(), Duration::from_millis(1));
        assert_eq!(arrived.len(), DATAGRAMS as usize);
        assert!(arrived.iter().all(|(_, delay)| delay.is_zero()));
    }

    #[test]
    fn a_seed_gives_the_same_course_each_time() {
        let conditions = Conditions {
            loss: 0.2,
            burst: 3.0,
            jitter_ms: 40,
            reorder: 0.1,
            duplicate: 0.1,
            ..Conditions::default()
        };
        let every = Duration::from_millis(1);
        assert_eq!(course(conditions, every), course(conditions, every));
    }

    #[test]
    fn as_much_is_lost_as_asked_for_alone_or_in_bursts() {
        for (burst, longest) in [(1.0, 10), (5.0, 80)] {
            let conditions = Conditions {
                loss: 0.2,
                burst,
                ..Conditions::default()
            };
            let lost = lost(&course(conditions, Duration::from_millis(1)));
            let share = lost.len() as f64 / f64::from(DATAGRAMS);
            assert!((share - 0.2).abs() < 0.015, "{burst}: {share}");
            let bursts = lost.iter().filter(|n| !lost.contains(&(*n + 1))).count();
            let mean = lost.len() as f64 / bursts as f64;
            // Independent losses follow each other by chance: a mean of 1 / (1 - 0.2).
            let expected = if burst > 1.0 { burst } else { 1.25 };
            assert!((mean / expected - 1.0).abs() < 0.1, "{burst}: {mean}");
            assert!(bursts > DATAGRAMS as usize / 1_000 / longest);
        }
    }

    #[test]
    fn a_narrow_line_carries_its_rate_and_its_queue_is_bounded() {
        // 8 Mbit/s come in, 2 Mbit/s go out.
        let conditions = Conditions {
            rate_bps: Some(2_000_000),
            queue_ms: 100,
            ..Conditions::default()
        };
        let arrived = course(conditions, Duration::from_millis(1));
        let share = arrived.len() as f64 / f64::from(DATAGRAMS);
        assert!((share - 0.25).abs() < 0.01, "{share}");
        let longest = arrived.iter().map(|(_, delay)| *delay).max().unwrap();
        assert!(
            (Duration::from_millis(100)..=Duration::from_millis(104)).contains(&longest),
            "{longest:?}"
        );
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let overtaken = |conditions| {
            let arrived = course(conditions, Duration::from_millis(1));
            let at: Vec<Duration> = arrived
                .iter()
                .map(|(n, delay)| Duration::from_millis(1) * *n + *delay)
                .collect();
            at.windows(2).filter(|pair| pair[1] < pair[0]).count()
        };
        let jitter = Conditions {
            delay_ms: 50,
            jitter_ms: 30,
            ..Conditions::default()
        };
        assert_eq!(overtaken(jitter), 0);
        let reorder = Conditions {
            reorder: 0.1,
            ..Conditions::default()
        };
        assert!(overtaken(reorder) > 1_000);
    }

    #[test]
    fn duplicates_come_and_a_cut_line_is_silent() {
        let twice = Conditions {
            duplicate: 0.1,
            ..Conditions::default()
        };
        let extra = course(twice, Duration::from_millis(1)).len() - DATAGRAMS as usize;
        assert!((1_800..2_200).contains(&extra), "{extra}");
        let cut = Conditions {
            cut: true,
            ..Conditions::default()
        };
        assert!(course(cut, Duration::from_millis(1)).is_empty());
    }
}
