//! One clock for everything that is written with a time.

use jiff::Timestamp;
use std::time::{Duration, Instant};

/// The wall clock as it was when the process started, going on at the pace of the monotonic clock.
///
/// The record is written by the monotonic clock. If stages and events were stamped by a wall clock
/// that is corrected in the middle of a hearing, they would part from the record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SteadyClock {
    wall: Timestamp,
    monotonic: Instant,
}

impl SteadyClock {
    /// Reads both clocks.
    pub(crate) fn start() -> Self {
        Self {
            wall: Timestamp::now(),
            monotonic: Instant::now(),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.wall
            .checked_add(self.monotonic.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    /// A moment on the monotonic clock; for one before it began (a hearing from before a long
    /// power cut), as early as it goes.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        let after = at.duration_since(self.wall);
        let moment = match Duration::try_from(after) {
            Ok(after) => self.monotonic.checked_add(after),
            Err(_) => self.monotonic.checked_sub(after.unsigned_abs()),
        };
        moment.unwrap_or(self.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    #[test]
    fn a_moment_lies_as_far_from_now_on_both_clocks() {
        let clock = SteadyClock::start();
        let earlier = clock.wall.checked_sub(10.seconds()).unwrap();
        let later = clock.wall.checked_add(10.seconds()).unwrap();
        let ten = Duration::from_secs(10);
        assert_eq!(clock.monotonic - clock.instant(earlier), ten);
        assert_eq!(clock.instant(later) - clock.monotonic, ten);
        assert!(clock.now() >= clock.wall);
    }
}
