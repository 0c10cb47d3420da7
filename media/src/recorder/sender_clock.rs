//! Where a sender's wall clock lies on the record clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::timeline::nanos;

/// Shared by the feeds of one sender, so that its sound and its pictures are placed by the same
/// clock: sound says where that clock lies, and pictures, which encoders and pacers hold back,
/// follow (RTCP sender reports, RFC 3550, section 6.4.1).
///
/// Feeds that share none are placed each by their own arrival.
#[derive(Debug, Clone, Default)]
pub struct SenderClock {
    /// Record time minus wall time, in nanoseconds. Nought: not known.
    offset: Arc<AtomicI64>,
}

impl SenderClock {
    /// The sender's wall clock said `ntp` at that time of the record, in nanoseconds.
    pub(super) fn tell(&self, ntp: Duration, record: i64) {
        let offset = record.saturating_sub(nanos(ntp));
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// The time of the record, in nanoseconds, at which the sender's wall clock said `ntp`.
    pub(super) fn record_time(&self, ntp: Duration) -> Option<i64> {
        match self.offset.load(Ordering::Relaxed) {
            0 => None,
            offset => Some(offset.saturating_add(nanos(ntp))),
        }
    }
}
