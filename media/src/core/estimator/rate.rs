//! What arrives, and the estimate that follows from it.

use super::arrival::Slice;

/// An estimate of less would never be corrected: a voice gets through on any line at all.
pub(super) const LEAST_BPS: u64 = 50_000;
/// An estimate of more is not needed by anybody: 600 pictures in the largest layer.
pub(super) const MOST_BPS: u64 = 1_000_000_000;
/// What is kept of what arrived through a queue that grew, in percent, so that it becomes shorter
/// (beta of draft-ietf-rmcat-gcc-02, section 5.5).
const KEPT_PERCENT: u64 = 85;
/// What is kept at least while a long queue becomes shorter.
const LEAST_KEPT_PERCENT: u64 = 50;
/// Slices of which the rates are known.
const SLICES: usize = 6;

/// Bits per second of so many octets in so many microseconds.
pub(super) fn bps(bytes: u64, us: u64) -> u64 {
    bytes.saturating_mul(8_000_000) / us.max(1)
}

/// The rates of the last slices.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    slices: [Slice; SLICES],
    filled: usize,
}

impl Throughput {
    /// What was measured so far says nothing any more.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }

    /// A slice ended.
    pub(super) fn push(&mut self, slice: Slice) {
        self.slices.rotate_right(1);
        self.slices[0] = slice;
        self.filled = (self.filled + 1).min(SLICES);
    }

    /// What arrived of late, and what was sent, in bit/s. Of a time long enough for some frames of
    /// each picture; of a shorter one after a line became narrow just now.
    pub(super) fn recent_bps(&self) -> (u64, u64) {
        let (arrived_bps, sent_bps) = (self.arrived_bps(3), self.sent_bps(3));
        if sent_bps > arrived_bps * 2 {
            (self.arrived_bps(2), sent_bps)
        } else {
            (arrived_bps, sent_bps)
        }
    }

    /// What arrived of the last slices, in bit/s.
    fn arrived_bps(&self, slices: usize) -> u64 {
        let (slices, before) = self.last(slices);
        let bytes = slices.iter().map(|slice| slice.arrived_bytes).sum();
        let last = |slices: &[Slice]| slices.iter().find_map(|slice| Some(slice.arrivals_us?.1));
        let first = || {
            slices
                .iter()
                .rev()
                .find_map(|slice| Some(slice.arrivals_us?.0))
        };
        let arriving_us = match (last(before).or_else(first), last(slices)) {
            (Some(from), Some(to)) => u64::try_from(to.saturating_sub(from)).unwrap_or(0),
            _ => 0,
        };
        bps(bytes, arriving_us.max(span_us(slices)))
    }

    /// What was sent in the last slices, in bit/s.
    fn sent_bps(&self, slices: usize) -> u64 {
        let (slices, _) = self.last(slices);
        bps(
            slices.iter().map(|slice| slice.bytes).sum(),
            span_us(slices),
        )
    }

    fn last(&self, slices: usize) -> (&[Slice], &[Slice]) {
        let known = &self.slices[..self.filled];
        known.split_at(slices.min(known.len()))
    }
}

fn span_us(slices: &[Slice]) -> u64 {
    match (slices.first(), slices.last()) {
        (Some(newest), Some(oldest)) => newest.ended_us.saturating_sub(oldest.begun_us),
        _ => 0,
    }
}

/// The estimate.
#[derive(Debug)]
pub(super) struct Rate {
    bps: u64,
    /// What the estimate will be when the queue is gone.
    drained_bps: Option<u64>,
}

impl Rate {
    /// Begins with this, in bit/s.
    pub(super) fn new(bps: u64) -> Self {
        Self {
            bps: bps.clamp(LEAST_BPS, MOST_BPS),
            drained_bps: None,
        }
    }

    /// The estimate in bit/s.
    pub(super) fn bps(&self) -> u64 {
        self.bps
    }

    /// So much is known to get through, no more and no less.
    pub(super) fn set(&mut self, bps: u64) {
        self.bps = bps.clamp(LEAST_BPS, MOST_BPS);
    }

    /// So much at least is known to get through.
    pub(super) fn raise(&mut self, bps: u64) {
        self.bps = self.bps.max(bps).min(MOST_BPS);
    }

    /// More was sent than got through, and stands in a queue. It is to be gone in about a second.
    pub(super) fn lower(&mut self, arrived_bps: u64, sent_bps: u64, queue_us: i64) {
        let queued_percent = u64::try_from(queue_us / 10_000).unwrap_or_default();
        let kept_percent = 100_u64
            .saturating_sub(queued_percent)
            .clamp(LEAST_KEPT_PERCENT, KEPT_PERCENT);
        let before_bps = self.bps;
        self.follow(arrived_bps * KEPT_PERCENT / 100, sent_bps);
        let drained_bps = std::mem::replace(&mut self.bps, before_bps);
        self.follow(arrived_bps * kept_percent / 100, sent_bps);
        self.drained_bps = Some(drained_bps);
    }

    /// The queue is gone.
    pub(super) fn drained(&mut self) {
        if let Some(bps) = self.drained_bps.take() {
            self.raise(bps);
        }
    }

    /// Only this gets through, and what is sent beyond is lost. Where hardly anything of the
    /// estimate was sent, that says less about the line, which may be disturbed by others: the
    /// estimate is halved then.
    pub(super) fn follow(&mut self, bps: u64, sent_bps: u64) {
        let least = if sent_bps < self.bps / 2 {
            self.bps / 2
        } else {
            0
        };
        self.collapse(bps.max(least));
    }

    /// Only this arrives.
    pub(super) fn collapse(&mut self, arrived_bps: u64) {
        self.drained_bps = None;
        self.bps = self.bps.min(arrived_bps).max(LEAST_BPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 ms in which 12 500 octets were sent (1 Mbit/s) and arrived in `arriving_us`, from the
    /// moment on when the slice before had arrived.
    fn slice(index: u64, arriving_us: i64) -> Slice {
        let mut slice = Slice::begin(index * 100_000);
        let from_us = index as i64 * arriving_us;
        slice.add(slice.begun_us, 2_500, Some(from_us + 1));
        slice.add(slice.begun_us, 10_000, Some(from_us + arriving_us));
        slice.end((index + 1) * 100_000)
    }

    #[test]
    fn a_line_that_is_full_lets_through_what_arrives_in_the_time_it_takes() {
        let mut throughput = Throughput::default();
        assert_eq!((throughput.arrived_bps(3), throughput.sent_bps(3)), (0, 0));
        for index in 0..8 {
            throughput.push(slice(index, 200_000));
            assert_eq!(throughput.sent_bps(3), 1_000_000);
            assert!((499_000..=501_000).contains(&throughput.arrived_bps(3)));
        }
    }

    #[test]
    fn a_burst_that_arrives_at_once_is_no_rate() {
        let mut throughput = Throughput::default();
        for index in 0..8 {
            throughput.push(slice(index, 10));
        }
        assert_eq!(throughput.arrived_bps(3), 1_000_000);
    }

    #[test]
    fn a_queue_lowers_the_estimate_the_more_the_longer_it_is() {
        let lowered = |queue_us| {
            let mut rate = Rate::new(2_000_000);
            rate.lower(1_000_000, 2_000_000, queue_us);
            let bps = rate.bps();
            rate.drained();
            (bps, rate.bps())
        };
        assert_eq!(lowered(50_000), (850_000, 850_000));
        assert_eq!(lowered(300_000), (700_000, 850_000));
        assert_eq!(lowered(3_000_000), (500_000, 850_000));
    }

    #[test]
    fn where_hardly_anything_is_sent_the_estimate_is_halved_at_most() {
        let mut rate = Rate::new(2_000_000);
        rate.lower(60_000, 64_000, 300_000);
        assert_eq!(rate.bps(), 1_000_000);
        rate.follow(60_000, 64_000);
        assert_eq!(rate.bps(), 500_000);
        rate.collapse(60_000);
        assert_eq!(rate.bps(), 60_000);
        rate.collapse(0);
        assert_eq!(rate.bps(), LEAST_BPS);
    }

    #[test]
    fn what_arrives_does_not_raise_it() {
        let mut rate = Rate::new(500_000);
        rate.lower(1_000_000, 1_000_000, 50_000);
        rate.drained();
        rate.follow(1_000_000, 1_000_000);
        rate.collapse(1_000_000);
        assert_eq!(rate.bps(), 500_000);
    }
}
