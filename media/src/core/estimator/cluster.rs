//! The packets of one look for more (a probe cluster of libwebrtc): what is to be sent, and what its
//! arrival tells.

use super::rate::bps;

/// How long a look takes, if packets do not arrive in batches.
pub(super) const LENGTH_US: u64 = 40_000;
/// It is of so many octets at least: fewer packets would measure their own jitter.
const LEAST_BYTES: u64 = 1_500;
/// Padding is sent so often while it runs.
const TICK_US: u64 = 5_000;
/// No less padding at once: the least that is worth a packet.
const LEAST_PADDING: u64 = 200;
/// A look that is not over so long after its end was held up by the sender.
const LATE_US: u64 = 50_000;
/// What a line was filled by for a moment it does not carry for long.
const FILLED_PERCENT: u64 = 95;
/// Packets that arrive within this come as one.
const TOGETHER_US: i64 = 1_000;
/// Packets that arrive at fewer moments come in batches, by which so short a look cannot judge.
const LEAST_ARRIVALS: u32 = 3;
/// If more of a look's octets are lost, in percent, they were too many.
const LOST_PERCENT: u64 = 10;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The line carried this, in bit/s, and may carry more.
    Carried(u64),
    /// The line was filled: it carries this, in bit/s.
    Filled(u64),
    /// Its packets arrived in batches.
    Batches,
    /// Too little is known.
    Nothing,
}

/// The packets of one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    target_bps: u64,
    begun_us: u64,
    length_us: u64,
    bytes: u64,
    /// Of the next tick.
    tick_us: u64,
    /// The first and the last that were sent.
    numbers: Option<(u64, u64)>,
    sent_bytes: u64,
    /// The last of which feedback told.
    told_to: Option<u64>,
    lost_bytes: u64,
    arrived_bytes: u64,
    /// When the first and the last of those that arrived were sent, and arrived.
    sent_us: Option<(u64, u64)>,
    arrivals_us: Option<(i64, i64)>,
    /// What arrived together with the first.
    first_bytes: u64,
    /// Moments at which any arrived.
    arrivals: u32,
}

impl Cluster {
    /// A look for `target_bps` that begins now.
    pub(super) fn new(target_bps: u64, length_us: u64, now_us: u64) -> Self {
        let bytes = (target_bps * length_us / 8_000_000).max(LEAST_BYTES);
        Self {
            target_bps,
            begun_us: now_us,
            length_us: bytes * 8_000_000 / target_bps,
            bytes,
            tick_us: now_us,
            numbers: None,
            sent_bytes: 0,
            told_to: None,
            lost_bytes: 0,
            arrived_bytes: 0,
            sent_us: None,
            arrivals_us: None,
            first_bytes: 0,
            arrivals: 0,
        }
    }

    /// When padding is due again.
    pub(super) fn tick_us(&self) -> u64 {
        self.tick_us
    }

    /// Octets of padding that are due until the next tick. The last packet leaves at the last tick,
    /// even if a key frame was more than all of it.
    pub(super) fn padding(&mut self, now_us: u64) -> usize {
        self.tick_us = now_us + TICK_US;
        let elapsed_us = self.tick_us.saturating_sub(self.begun_us);
        if elapsed_us >= self.length_us {
            return self
                .bytes
                .saturating_sub(self.sent_bytes)
                .max(LEAST_PADDING) as usize;
        }
        let due = (self.target_bps * elapsed_us / 8_000_000).saturating_sub(self.sent_bytes);
        if due < LEAST_PADDING { 0 } else { due as usize }
    }

    /// A packet left.
    pub(super) fn sent(&mut self, number: u64, bytes: u64) {
        let first = self.numbers.map_or(number, |(first, _)| first);
        self.numbers = Some((first, number));
        self.sent_bytes += bytes;
    }

    /// Whether all of it was sent.
    pub(super) fn is_sent(&self, now_us: u64) -> bool {
        self.sent_bytes >= self.bytes && now_us + TICK_US >= self.begun_us + self.length_us
    }

    /// Whether its end is long over.
    pub(super) fn is_late(&self, now_us: u64) -> bool {
        now_us > self.begun_us + self.length_us + LATE_US
    }

    /// Feedback told of a packet.
    pub(super) fn told(&mut self, number: u64, bytes: u64, sent_us: u64, arrival_us: Option<i64>) {
        let Some((first, last)) = self.numbers else {
            return;
        };
        if number < first {
            return;
        }
        self.told_to = self.told_to.max(Some(number));
        if number > last {
            return;
        }
        let Some(arrival_us) = arrival_us else {
            self.lost_bytes += bytes;
            return;
        };
        self.arrived_bytes += bytes;
        let (first_sent, last_sent) = self.sent_us.unwrap_or((sent_us, sent_us));
        self.sent_us = Some((first_sent.min(sent_us), last_sent.max(sent_us)));
        let (first, last) = self.arrivals_us.unwrap_or((arrival_us, arrival_us));
        self.arrivals_us = Some((first.min(arrival_us), last.max(arrival_us)));
        if arrival_us.saturating_sub(first) < TOGETHER_US {
            self.first_bytes += bytes;
        }
        if arrival_us.saturating_sub(last) >= TOGETHER_US || self.arrivals == 0 {
            self.arrivals += 1;
        }
    }

    /// Whether feedback told of all of it, as far as it ever will.
    pub(super) fn is_told(&self) -> bool {
        self.told_to >= self.numbers.map(|(_, last)| last)
    }

    /// What it found.
    pub(super) fn found(&self) -> Found {
        let (Some((sent, sent_last)), Some((first, last))) = (self.sent_us, self.arrivals_us)
        else {
            return Found::Nothing;
        };
        let sending_us = sent_last - sent;
        if self.arrived_bytes * 2 < self.bytes || sending_us * 2 < self.length_us {
            return Found::Nothing;
        }
        if self.arrivals < LEAST_ARRIVALS {
            return Found::Batches;
        }
        let arriving_us = u64::try_from(last.saturating_sub(first)).unwrap_or_default();
        let filled_bps = bps(
            self.arrived_bytes - self.first_bytes,
            arriving_us.max(sending_us),
        );
        // The packets of the last tick may arrive one by one.
        let as_sent = arriving_us <= sending_us * 11 / 10 + TICK_US;
        let told_bytes = self.arrived_bytes + self.lost_bytes;
        let whole = self.lost_bytes * 100 <= told_bytes * LOST_PERCENT;
        if whole && (as_sent || filled_bps >= self.target_bps) {
            let carried_bps = bps(self.arrived_bytes, sending_us.max(self.length_us));
            return Found::Carried(carried_bps.min(self.target_bps));
        }
        Found::Filled((filled_bps * FILLED_PERCENT / 100).min(self.target_bps))
    }
}
