//! What was sent on one section lately, so that it can be sent again.

use super::stream::Packet;
use std::time::{Duration, Instant};

/// What can be repaired: the last 3 s, which is three rounds of the slowest cellular link.
const AGE: Duration = Duration::from_secs(3);
/// And at most so many packets: 3 s of a screen of 4 Mbit/s.
const MOST: usize = 1_024;
const FIRST: usize = 32;

/// The packets of a stream by their numbers: a ring that grows until it holds what is young.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: Vec<Option<Kept>>,
    newest: Option<u64>,
}

/// A packet, and when it was sent.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) packet: Packet,
    pub(super) sent: Instant,
    pub(super) repaired: Option<Instant>,
}

impl History {
    /// Keeps a packet that was sent at `now`.
    pub(super) fn keep(&mut self, packet: Packet, now: Instant) {
        let seq = packet.seq;
        if self.ring.is_empty() {
            self.ring.resize_with(FIRST, || None);
        }
        let is_young = |kept: &Kept| now.saturating_duration_since(kept.sent) < AGE;
        while self.ring.len() < MOST
            && self.ring[place(seq, self.ring.len())]
                .as_ref()
                .is_some_and(|kept| kept.packet.seq != seq && is_young(kept))
        {
            self.grow();
        }
        let at = place(seq, self.ring.len());
        self.ring[at] = Some(Kept {
            packet,
            sent: now,
            repaired: None,
        });
        self.newest = self.newest.max(Some(seq));
    }

    fn grow(&mut self) {
        let larger = (self.ring.len() * 2).min(MOST);
        let before = std::mem::take(&mut self.ring);
        self.ring.resize_with(larger, || None);
        for kept in before.into_iter().flatten() {
            let at = place(kept.packet.seq, larger);
            self.ring[at] = Some(kept);
        }
    }

    /// The packet that has `number` on the wire, if it is young enough.
    pub(super) fn find(&mut self, number: u16, now: Instant) -> Option<&mut Kept> {
        let newest = self.newest?;
        // The newest number with these low bits.
        let back = (newest as u16).wrapping_sub(number);
        self.at(newest.checked_sub(u64::from(back))?, now)
    }

    /// The newest packets, the newest first, if they are young enough.
    pub(super) fn newest(&mut self, back: u64, now: Instant) -> Option<&mut Kept> {
        self.at(self.newest?.checked_sub(back)?, now)
    }

    fn at(&mut self, seq: u64, now: Instant) -> Option<&mut Kept> {
        let at = place(seq, self.ring.len());
        self.ring
            .get_mut(at)?
            .as_mut()
            .filter(|kept| kept.packet.seq == seq && now.saturating_duration_since(kept.sent) < AGE)
    }
}

/// Where a number stands in a ring.
fn place(seq: u64, length: usize) -> usize {
    // The remainder is smaller than a length.
    (seq % length.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(seq: u64, now: Instant) -> Packet {
        Packet {
            payload_type: 96,
            marker: false,
            seq,
            timestamp: 0,
            arrival: now,
            extensions: Default::default(),
            payload: [1, 2, 3].into(),
            numbers: None,
        }
    }

    fn found(history: &mut History, number: u16, now: Instant) -> Option<u64> {
        history.find(number, now).map(|kept| kept.packet.seq)
    }

    #[test]
    fn what_is_young_is_found_by_its_number_on_the_wire() {
        let start = Instant::now();
        let mut history = History::default();
        assert_eq!(found(&mut history, 1, start), None);
        for seq in 65_000..65_700 {
            history.keep(packet(seq, start), start);
        }
        assert_eq!(found(&mut history, 65_000, start), Some(65_000));
        assert_eq!(found(&mut history, 163, start), Some(65_699));
        assert_eq!(found(&mut history, 164, start), None, "not sent yet");
        assert_eq!(found(&mut history, 64_999, start), None, "never sent");
        assert_eq!(found(&mut history, 65_000, start + AGE), None, "too old");
        let newest = history.newest(1, start).map(|kept| kept.packet.seq);
        assert_eq!(newest, Some(65_698));
    }

    #[test]
    fn a_history_grows_with_what_is_young_and_no_further() {
        let start = Instant::now();
        let mut history = History::default();
        for seq in 0..600 {
            let now = start + Duration::from_millis(100 * seq);
            history.keep(packet(seq, now), now);
        }
        assert_eq!(history.ring.len(), FIRST);
        for seq in 600..4_000 {
            history.keep(packet(seq, start), start + Duration::from_secs(60));
        }
        assert_eq!(history.ring.len(), MOST);
    }

    #[test]
    fn a_late_packet_is_kept_beside_newer_ones() {
        let now = Instant::now();
        let mut history = History::default();
        for seq in [10, 12, 11] {
            history.keep(packet(seq, now), now);
        }
        assert_eq!(found(&mut history, 11, now), Some(11));
        assert_eq!(found(&mut history, 12, now), Some(12));
    }
}
