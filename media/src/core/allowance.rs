//! A steady rate that may be overdrawn for a moment.

use std::time::{Duration, Instant};

/// What has been used of a rate. Each thing costs the time that the rate takes for it; what was
/// used reaches into the future, and time makes it good again (GCRA, ITU-T I.371).
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    used_until: Instant,
}

impl Allowance {
    /// Nothing is used yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { used_until: now }
    }

    /// By how much the rate is overdrawn.
    pub(super) fn overdrawn(&self, now: Instant) -> Duration {
        self.used_until.saturating_duration_since(now)
    }

    /// Uses what takes `cost` at the steady rate.
    pub(super) fn spend(&mut self, cost: Duration, now: Instant) {
        self.used_until = self.used_until.max(now) + cost;
    }
}
