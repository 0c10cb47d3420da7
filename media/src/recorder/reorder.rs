//! Puts packets back into their order. Sans-IO: time comes in with each call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What [`ReorderBuffer::insert`] did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// Kept until its turn.
    Queued,
    /// The same sequence number waits already; dropped.
    Duplicate,
    /// Its place has been passed (released, or given up as lost); dropped.
    Late,
}

/// What comes out, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Released<T> {
    /// The next packet.
    Packet(T),
    /// So many packets were given up before the next one.
    Lost(u64),
}

/// Holds packets back while one before them is missing, for at most `max_wait` and at
/// most `max_held` packets.
#[derive(Debug)]
pub(super) struct ReorderBuffer<T> {
    max_wait: Duration,
    max_held: usize,
    held: BTreeMap<u64, (Instant, T)>,
    /// Lowest sequence number not yet passed; unknown until the first release, so that
    /// the first packets may come in any order too.
    next: Option<u64>,
    /// Arrival of the packet that has waited longest behind the gap now open.
    gap_since: Option<Instant>,
}

impl<T> ReorderBuffer<T> {
    pub(super) fn new(max_wait: Duration, max_held: usize) -> Self {
        Self {
            max_wait,
            max_held,
            held: BTreeMap::new(),
            next: None,
            gap_since: None,
        }
    }

    /// Takes a packet with its extended sequence number.
    pub(super) fn insert(&mut self, seq: u64, item: T, arrival: Instant) -> Inserted {
        if self.next.is_some_and(|next| seq < next) {
            return Inserted::Late;
        }
        if self.held.contains_key(&seq) {
            return Inserted::Duplicate;
        }
        self.held.insert(seq, (arrival, item));
        Inserted::Queued
    }

    /// The next thing in order, or `None` when it must be waited for.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Released<T>> {
        let first = *self.held.first_key_value()?.0;
        match self.next {
            Some(next) if first > next => {
                let since = match self.gap_since {
                    Some(since) => since,
                    None => {
                        let oldest = self.held.values().map(|(arrival, _)| *arrival).min()?;
                        *self.gap_since.insert(oldest)
                    }
                };
                let waited = now.saturating_duration_since(since);
                if waited < self.max_wait && self.held.len() < self.max_held {
                    return None;
                }
                self.next = Some(first);
                self.gap_since = None;
                Some(Released::Lost(first - next))
            }
            _ => self.release_first(),
        }
    }

    /// The next thing in order without waiting for what is missing; `None` when empty.
    pub(super) fn pop_now(&mut self) -> Option<Released<T>> {
        let first = *self.held.first_key_value()?.0;
        match self.next {
            Some(next) if first > next => {
                self.next = Some(first);
                self.gap_since = None;
                Some(Released::Lost(first - next))
            }
            _ => self.release_first(),
        }
    }

    fn release_first(&mut self) -> Option<Released<T>> {
        let (seq, (_, item)) = self.held.pop_first()?;
        self.next = Some(seq.saturating_add(1));
        self.gap_since = None;
        Some(Released::Packet(item))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAIT: Duration = Duration::from_millis(400);

    fn drain(buffer: &mut ReorderBuffer<u64>, now: Instant) -> Vec<Released<u64>> {
        std::iter::from_fn(|| buffer.pop(now)).collect()
    }

    #[test]
    fn a_packet_that_comes_late_within_the_wait_takes_its_place() {
        let t0 = Instant::now();
        let mut buffer = ReorderBuffer::new(WAIT, 100);
        buffer.insert(1, 1, t0);
        assert_eq!(drain(&mut buffer, t0), [Released::Packet(1)]);
        buffer.insert(3, 3, t0);
        assert_eq!(drain(&mut buffer, t0 + WAIT / 2), []);
        buffer.insert(2, 2, t0 + WAIT / 2);
        assert_eq!(
            drain(&mut buffer, t0 + WAIT / 2),
            [Released::Packet(2), Released::Packet(3)]
        );
    }

    #[test]
    fn a_gap_is_given_up_after_the_wait_and_its_packet_is_late() {
        let t0 = Instant::now();
        let mut buffer = ReorderBuffer::new(WAIT, 100);
        buffer.insert(1, 1, t0);
        drain(&mut buffer, t0);
        buffer.insert(4, 4, t0);
        assert_eq!(
            drain(&mut buffer, t0 + WAIT),
            [Released::Lost(2), Released::Packet(4)]
        );
        assert_eq!(buffer.insert(2, 2, t0 + WAIT), Inserted::Late);
    }

    #[test]
    fn a_full_buffer_gives_up_the_gap_at_once() {
        let t0 = Instant::now();
        let mut buffer = ReorderBuffer::new(WAIT, 3);
        buffer.insert(0, 0, t0);
        drain(&mut buffer, t0);
        for seq in 10..13 {
            buffer.insert(seq, seq, t0);
        }
        assert_eq!(drain(&mut buffer, t0).first(), Some(&Released::Lost(9)));
    }

    proptest! {
        /// Any order, any loss, any repeats: what comes out is strictly rising, nothing is
        /// invented, and packets plus losses account for the whole range.
        #[test]
        fn every_number_comes_out_once_as_packet_or_as_loss(
            steps in prop::collection::vec((0u64..200, 0u64..60), 1..400),
        ) {
            let t0 = Instant::now();
            let mut now = t0;
            let mut buffer = ReorderBuffer::new(WAIT, 50);
            let mut out = Vec::new();
            for (seq, wait_ms) in steps {
                now += Duration::from_millis(wait_ms);
                buffer.insert(seq, seq, now);
                out.extend(std::iter::from_fn(|| buffer.pop(now)));
            }
            out.extend(std::iter::from_fn(|| buffer.pop_now()));
            let mut next = None;
            for released in out {
                match released {
                    Released::Packet(seq) => {
                        prop_assert!(next.is_none_or(|next| seq == next));
                        next = Some(seq + 1);
                    }
                    Released::Lost(count) => {
                        prop_assert!(count > 0);
                        next = next.map(|next| next + count);
                    }
                }
            }
        }

        /// No packet waits longer than the limit once it is looked at.
        #[test]
        fn nothing_waits_longer_than_the_limit(
            seqs in prop::collection::vec(0u64..500, 1..300),
        ) {
            let t0 = Instant::now();
            let mut buffer = ReorderBuffer::new(WAIT, 1_000);
            for (step, seq) in seqs.into_iter().enumerate() {
                let now = t0 + Duration::from_millis(step as u64 * 20);
                buffer.insert(seq, now, now);
                while let Some(released) = buffer.pop(now) {
                    if let Released::Packet(arrival) = released {
                        prop_assert!(now - arrival <= WAIT + Duration::from_millis(20));
                    }
                }
            }
        }
    }
}
