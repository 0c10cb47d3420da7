//! How busy a shard's thread is.

use crate::Load;
use std::time::Duration;
use tokio::time::Instant;

/// What is looked at together.
const WINDOW: Duration = Duration::from_secs(1);
/// So many windows in a row lead to the next step, so that one hiccup of the machine does not, and
/// so many back: pictures that shrink and grow all the time are worse than small ones.
const WORSE_AFTER: u32 = 2;
const BETTER_AFTER: u32 = 5;

/// What one window was like.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Strain {
    /// The share of the time, 0 to 1, in which the thread was at work, or was kept from it by what
    /// else the machine did.
    pub(super) busy: f64,
    /// How long a datagram that comes at any moment waits on average until the thread takes it.
    pub(super) wait: Duration,
}

/// From here on pictures are made smaller, step by step. A key frame or somebody who joins costs
/// several times the average for a moment, for which a quarter of the thread must be free; 10 ms
/// is twice what a packet in a hundred may be late.
const STRAINED: Strain = Strain {
    busy: 0.75,
    wait: Duration::from_millis(10),
};
/// From here on nobody new is let in: sound begins to suffer, since jitter of 30 ms is heard
/// (`quality.rs`).
const FULL: Strain = Strain {
    busy: 0.9,
    wait: Duration::from_millis(30),
};
/// Below this things get better again, step by step. What smaller pictures save must not bring the
/// larger ones back.
const CALM: Strain = Strain {
    busy: 0.5,
    wait: Duration::from_millis(5),
};

impl Strain {
    fn reaches(&self, limit: &Self) -> bool {
        self.busy >= limit.busy || self.wait >= limit.wait
    }
}

/// Measures the rounds of a thread, from when it is woken until it waits again.
#[derive(Debug)]
pub(super) struct LoadMeter {
    since: Instant,
    busy: Duration,
    /// Of all moments in the window at which a datagram may come: how long it waits, in s².
    waits: f64,
    strain: Strain,
    load: Load,
    worse: u32,
    better: u32,
}

impl LoadMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            busy: Duration::ZERO,
            waits: 0.0,
            strain: Strain::default(),
            load: Load::Normal,
            worse: 0,
            better: 0,
        }
    }

    /// The present step.
    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// The last whole window.
    pub(super) fn strain(&self) -> Strain {
        self.strain
    }

    /// A round is over. It should have begun at `due`, which is before `woken` only where that is
    /// known. True: the step is another one.
    pub(super) fn round(&mut self, due: Instant, woken: Instant, over: Instant) -> bool {
        self.busy += over - woken;
        // Who comes at the beginning of a round waits for the whole of it, at its end for nothing.
        self.waits += (over - due.min(woken)).as_secs_f64().powi(2) / 2.0;
        let window = over - self.since;
        if window < WINDOW {
            return false;
        }
        self.strain = Strain {
            busy: (self.busy.as_secs_f64() / window.as_secs_f64()).min(1.0),
            wait: Duration::from_secs_f64(self.waits / window.as_secs_f64()),
        };
        self.since = over;
        self.busy = Duration::ZERO;
        self.waits = 0.0;
        self.step()
    }

    fn step(&mut self) -> bool {
        let before = self.load;
        self.worse = match self.strain.reaches(&STRAINED) {
            true => self.worse + 1,
            false => 0,
        };
        self.better = match self.strain.reaches(&CALM) {
            true => 0,
            false => self.better + 1,
        };
        if self.worse >= WORSE_AFTER {
            self.worse = 0;
            self.load = match self.strain.reaches(&FULL) {
                true => Load::Overload,
                false => self.load.worse().min(Load::High).max(self.load),
            };
        } else if self.better >= BETTER_AFTER {
            self.better = 0;
            self.load = self.load.better();
        }
        self.load != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    struct Thread {
        meter: LoadMeter,
        now: Instant,
    }

    impl Thread {
        fn new() -> Self {
            let now = Instant::now();
            let meter = LoadMeter::new(now);
            Self { meter, now }
        }

        /// Rounds that are at work for `busy` of each `every`, for `seconds`. Returns the steps.
        fn work(&mut self, every: Duration, busy: Duration, seconds: u32) -> Vec<Load> {
            let mut steps = Vec::new();
            let end = self.now + Duration::from_secs(seconds.into());
            while self.now < end {
                if self.meter.round(self.now, self.now, self.now + busy) {
                    steps.push(self.meter.load());
                }
                self.now += every;
            }
            steps
        }
    }

    #[test]
    fn a_thread_that_has_little_time_left_shrinks_pictures_and_refuses_nobody() {
        let mut thread = Thread::new();
        let steps = thread.work(5 * MS, 4 * MS, 60);
        assert_eq!(steps, [Load::Raised, Load::High]);
        let busy = thread.meter.strain().busy;
        assert!((0.79..0.81).contains(&busy), "{busy}");
        // A little less is no reason to go back.
        assert_eq!(thread.work(5 * MS, 3 * MS, 60), []);
        let steps = thread.work(5 * MS, MS, 60);
        assert_eq!(steps, [Load::Raised, Load::Normal]);
    }

    #[test]
    fn a_thread_without_time_lets_nobody_in_until_it_has_some() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(5 * MS, 5 * MS, 4), [Load::Overload]);
        assert_eq!(thread.work(5 * MS, MS, 8), [Load::High]);
    }

    #[test]
    fn long_rounds_make_datagrams_wait() {
        let mut thread = Thread::new();
        // Half of the time at work, 100 ms on end: who comes in that half waits for 50 ms.
        thread.work(200 * MS, 100 * MS, 4);
        let wait = thread.meter.strain().wait;
        assert!((20 * MS..30 * MS).contains(&wait), "{wait:?}");
        assert_eq!(thread.meter.load(), Load::Raised);
    }

    #[test]
    fn a_machine_that_stood_still_once_is_not_overloaded() {
        let mut thread = Thread::new();
        let due = thread.now;
        thread.now += Duration::from_secs(30);
        assert!(!thread.meter.round(due, thread.now, thread.now + MS));
        assert!(thread.meter.strain().wait > Duration::from_secs(10));
        thread.now += 5 * MS;
        assert_eq!(thread.work(5 * MS, MS, 60), []);
    }
}
