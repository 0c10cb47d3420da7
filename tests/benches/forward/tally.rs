//! What arrived, counted while a measurement runs.

use crate::mark::Mark;
use std::time::Duration;

/// Packets that the receivers got, and how long they took.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    running: bool,
    /// By publisher: the number of the first packet that counts.
    from: Vec<u64>,
    delivered: u64,
    /// In nanoseconds, capped at 4.29 s.
    latencies: Vec<u32>,
}

/// A finished tally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    /// Packets that every receiver should have got, times the receivers.
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    /// Packets that the server sent and that did not come, nor their repairs.
    pub(crate) lost: u64,
    pub(crate) latency_p50: Duration,
    pub(crate) latency_p99: Duration,
}

impl Delivery {
    /// Packets that the server chose not to send: it believed that the line carries less.
    pub(crate) fn held_back(&self) -> u64 {
        self.expected.saturating_sub(self.delivered + self.lost)
    }
}

impl Tally {
    /// Counts from now on; `from` are the numbers of the publishers' next packets.
    pub(crate) fn start(&mut self, from: Vec<u64>) {
        *self = Self {
            running: true,
            from,
            ..Self::default()
        };
    }

    pub(crate) fn note(&mut self, mark: Mark, arrived: Duration) {
        let first = self.from.get(mark.publisher as usize).copied();
        if self.running && first.is_some_and(|first| mark.number >= first) {
            self.delivered += 1;
            let latency = arrived.saturating_sub(mark.sent).as_nanos();
            self.latencies
                .push(u32::try_from(latency).unwrap_or(u32::MAX));
        }
    }

    /// Ends the counting. `until` are the numbers of the publishers' next packets now, each
    /// publisher has `receivers`, and `lost` is what these miss.
    pub(crate) fn finish(&mut self, until: &[u64], receivers: usize, lost: u64) -> Delivery {
        self.running = false;
        let sent: u64 = until
            .iter()
            .zip(&self.from)
            .map(|(until, from)| until - from)
            .sum();
        self.latencies.sort_unstable();
        Delivery {
            expected: sent * receivers as u64,
            delivered: self.delivered,
            lost,
            latency_p50: self.percentile(50),
            latency_p99: self.percentile(99),
        }
    }

    fn percentile(&self, percent: usize) -> Duration {
        let at = self.latencies.len() * percent / 100;
        self.latencies.get(at).map_or(Duration::ZERO, |latency| {
            Duration::from_nanos(u64::from(*latency))
        })
    }
}
