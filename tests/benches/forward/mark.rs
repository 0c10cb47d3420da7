//! What the load process writes at the end of each payload, and reads there again.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Which packet of whom, and when it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) publisher: u32,
    /// Counts the packets of the publisher, sound and picture together.
    pub(crate) number: u64,
    /// On the clock of [`now`].
    pub(crate) sent: Duration,
}

impl Mark {
    const BYTES: usize = 20;

    pub(crate) fn write(self, payload: &mut Vec<u8>) {
        let nanoseconds = u64::try_from(self.sent.as_nanos()).unwrap_or(u64::MAX);
        payload.extend(self.publisher.to_be_bytes());
        payload.extend(self.number.to_be_bytes());
        payload.extend(nanoseconds.to_be_bytes());
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mark = payload.get(payload.len().checked_sub(Self::BYTES)?..)?;
        Some(Self {
            publisher: u32::from_be_bytes(mark.get(..4)?.try_into().ok()?),
            number: u64::from_be_bytes(mark.get(4..12)?.try_into().ok()?),
            sent: Duration::from_nanos(u64::from_be_bytes(mark.get(12..)?.try_into().ok()?)),
        })
    }
}

/// The clock of the kernel's receive timestamps (`SO_TIMESTAMPNS`).
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_REALTIME)
        .map(Duration::from)
        .unwrap_or_default()
}
