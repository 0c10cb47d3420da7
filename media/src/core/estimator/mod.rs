//! What the line to one client carries, found at the sender from transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Google Congestion Control (draft-ietf-rmcat-gcc-02) in its parts, fitted to a server that
//! forwards layers: what it sends grows and shrinks in steps, leaves in bursts that nobody paces,
//! and is for most of the time less than the line carries. Hence
//!
//! - a growing queue shows in the shortest delays of slices of 100 ms (`arrival`);
//! - the estimate grows by looks alone, never by what happens to be sent (`probe`), so it neither
//!   creeps up nor falls while a page is hidden;
//! - losses count if fewer are lost when less is sent (`loss`).
//!
//! **Whoever drives it** tells it of every packet that leaves ([`Estimator::sent`]), asks for padding
//! when [`Estimator::deadline`] has come, and sends as much of it as is returned. Without padding
//! the estimate never grows.
//!
//! It reads no clock and does no IO. Nothing is allocated per packet: the ring of packets sent grows
//! to its bound.

mod arrival;
#[cfg(test)]
mod behaviour;
mod cluster;
#[cfg(test)]
mod contract;
mod feedback;
mod history;
mod loss;
mod probe;
mod rate;
#[cfg(test)]
mod simulated_line;
#[cfg(test)]
mod simulation;

use arrival::{Least, Queue, SLICE_US, Slice};
use feedback::{Feedback, Status};
use history::{History, News, Packet};
use loss::{Losses, Verdict};
use probe::Probe;
use rate::{Rate, Throughput};
use std::time::{Duration, Instant};

/// Until what is sent follows the estimate: layers are chosen four times a second.
const REACTION_US: u64 = 300_000;
/// Feedback comes at least four times a second. A line without any for so long carries nothing.
const SILENCE_US: u64 = 1_000_000;
/// No look for more while the feedback is late by this.
const STALE_US: u64 = 500_000;
/// The round trip is the shortest of so long.
const ROUND_TRIP_WINDOW_US: u64 = 10_000_000;
/// No later moment is told apart, so that something can always be added to one.
const LAST_US: u64 = u64::MAX / 2;

/// The bandwidth estimator of one receiving client.
#[derive(Debug)]
pub(super) struct Estimator {
    origin: Option<Instant>,
    history: History,
    /// The reference time of the last feedback, as it stood there and in microseconds.
    reference: Option<(u32, i64)>,
    /// The number after the last one that feedback told of, and the count of that feedback.
    told_to: Option<(u64, u8)>,
    slice: Option<Slice>,
    throughput: Throughput,
    queue: Queue,
    losses: Losses,
    rate: Rate,
    probe: Probe,
    wish_bps: u64,
    /// Packets sent before this say nothing about the estimate: it was changed.
    settled_us: u64,
    /// Since when feedback is awaited; only once any came.
    awaited_us: Option<u64>,
    silent: bool,
    round_trip_us: Least,
    lost: u64,
    all: u64,
}

impl Estimator {
    /// Begins with this estimate, in bit/s.
    pub(super) fn new(first_bps: u64) -> Self {
        Self {
            origin: None,
            history: History::new(),
            reference: None,
            told_to: None,
            slice: None,
            throughput: Throughput::default(),
            queue: Queue::new(),
            losses: Losses::default(),
            rate: Rate::new(first_bps),
            probe: Probe::new(),
            wish_bps: 0,
            settled_us: 0,
            awaited_us: None,
            silent: false,
            round_trip_us: Least::new(ROUND_TRIP_WINDOW_US),
            lost: 0,
            all: 0,
        }
    }

    /// A packet left with this transport-wide number, not wrapped, and so many octets of UDP
    /// payload: media or padding. While the line is probed, it counts towards that.
    pub(super) fn sent(&mut self, number: u64, bytes: usize, now: Instant) {
        let now_us = self.us(now);
        // No datagram is longer.
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.history.push(number, bytes, now_us);
        self.probe.sent(number, bytes, now_us);
        if self.told_to.is_some() {
            let since_us = *self.awaited_us.get_or_insert(now_us);
            if now_us.saturating_sub(since_us) > SILENCE_US {
                self.silent = true;
                self.awaited_us = Some(now_us);
                self.rate.collapse(self.rate.bps() / 2);
            }
        }
    }

    /// Takes in the FCI of an RTPFB packet of format 15: all after the two SSRCs. Whether it was
    /// whole; nothing of one that was not is used.
    pub(super) fn feedback(&mut self, fci: &[u8], now: Instant) -> bool {
        let Some(feedback) = Feedback::parse(fci) else {
            return false;
        };
        let Some(base) = self.history.number(feedback.base) else {
            return true;
        };
        let now_us = self.us(now);
        self.awaited_us = None;
        if std::mem::take(&mut self.silent) {
            self.settle(now_us, 0);
            self.throughput.forget();
            self.probe.anew(now_us);
        }
        if let Some((next, sequence)) = self.told_to
            && next < base
        {
            if feedback.sequence == sequence.wrapping_add(1) {
                // What lies between two reports of which none is missing has not arrived: browsers
                // begin a report with the first packet that did.
                self.missing(next, base - next, now_us);
            } else {
                // Nobody knows how much arrived between.
                self.slice = None;
                self.throughput.forget();
            }
        }
        let mut arrival_us = self.reference.map_or(0, |(before, us)| {
            us.wrapping_add(feedback.reference_after(before))
        });
        self.reference = Some((feedback.reference, arrival_us));
        let mut number = base;
        let mut newest = None;
        for status in feedback.statuses() {
            match status {
                Status::Missing(packets) => {
                    self.missing(number, u64::from(packets), now_us);
                    number = number.saturating_add(u64::from(packets));
                }
                Status::Arrived(delta_us) => {
                    arrival_us = arrival_us.wrapping_add(delta_us);
                    match self.history.arrived(number) {
                        Some((packet, News::First)) => {
                            newest = newest.max(Some(packet.sent_us));
                            self.all += 1;
                            self.told(number, &packet, Some(arrival_us), now_us);
                        }
                        Some((_, News::Late)) => self.lost = self.lost.saturating_sub(1),
                        None => {}
                    }
                    number = number.saturating_add(1);
                }
            }
        }
        if self.told_to.is_none_or(|(next, _)| next <= number) {
            self.told_to = Some((number, feedback.sequence));
        }
        if let Some(sent_us) = newest {
            let round_trip_us = now_us.saturating_sub(sent_us);
            self.round_trip_us
                .add(i64::try_from(round_trip_us).unwrap_or(i64::MAX), now_us);
        }
        if let Some(bps) = self.probe.result(self.rate.bps(), now_us) {
            self.rate.set(bps);
        }
        self.look(now_us);
        true
    }

    /// What would be sent if the line carried it, in bit/s: so much is looked for.
    pub(super) fn wish(&mut self, bps: u64, now: Instant) {
        let now_us = self.us(now);
        self.wish_bps = bps;
        self.probe.wish(bps, now_us);
        self.look(now_us);
    }

    /// What the line carries, in bit/s.
    pub(super) fn estimate_bps(&self) -> u64 {
        self.rate.bps()
    }

    /// Octets of padding to send now.
    pub(super) fn padding(&mut self, now: Instant) -> usize {
        let now_us = self.us(now);
        self.look(now_us);
        self.probe.padding(now_us)
    }

    /// When to ask for [`padding`](Self::padding) again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let us = self.probe.deadline_us(self.may_look())?;
        self.origin?.checked_add(Duration::from_micros(us))
    }

    /// The shortest time of the last ten to twenty seconds from a packet's sending until feedback
    /// told of it.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        let us = self.round_trip_us.value()?;
        Some(Duration::from_micros(u64::try_from(us).ok()?))
    }

    /// Packets that feedback told of since this was last asked: how many were lost, and all.
    pub(super) fn take_losses(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.lost),
            std::mem::take(&mut self.all),
        )
    }

    fn us(&mut self, now: Instant) -> u64 {
        let origin = *self.origin.get_or_insert(now);
        let us = now.saturating_duration_since(origin).as_micros();
        u64::try_from(us).unwrap_or(u64::MAX).min(LAST_US)
    }

    fn missing(&mut self, first: u64, count: u64, now_us: u64) {
        for number in self.history.remembered(first, count) {
            if let Some(packet) = self.history.lost(number) {
                self.lost += 1;
                self.all += 1;
                self.told(number, &packet, None, now_us);
            }
        }
    }

    /// Feedback told of a packet for the first time.
    fn told(&mut self, number: u64, packet: &Packet, arrival_us: Option<i64>, now_us: u64) {
        self.probe
            .told(number, packet.bytes, packet.sent_us, arrival_us);
        let slice = self.slice.get_or_insert(Slice::begin(packet.sent_us));
        let Some(age_us) = packet.sent_us.checked_sub(slice.begun_us) else {
            return;
        };
        let ended = (age_us >= SLICE_US).then(|| {
            let begun = Slice::begin(packet.sent_us);
            std::mem::replace(slice, begun).end(packet.sent_us)
        });
        slice.add(packet.sent_us, packet.bytes, arrival_us);
        if let Some(ended) = ended {
            self.judge(ended, now_us);
        }
    }

    /// Draws the conclusions from what was told of a slice.
    fn judge(&mut self, slice: Slice, now_us: u64) {
        self.throughput.push(slice);
        if slice.begun_us < self.settled_us {
            return;
        }
        let (arrived_bps, sent_bps) = self.throughput.recent_bps();
        if self.queue.grows_too_long(&slice) {
            let queue_us = self.queue.length_us();
            self.rate.lower(arrived_bps, sent_bps, queue_us);
            self.lowered(now_us);
            return;
        }
        if self.queue.is_short() {
            self.rate.drained();
        }
        match self.losses.judge(&slice, self.rate.bps()) {
            Some(Verdict::Collapsed) => {
                self.rate.collapse(arrived_bps);
                self.lowered(now_us);
            }
            Some(Verdict::Less) => {
                self.rate.follow(arrived_bps, sent_bps);
                self.lowered(now_us);
            }
            Some(Verdict::Restore(bps)) => {
                self.rate.raise(bps);
                self.settle(now_us, REACTION_US);
            }
            Some(Verdict::Over) => self.probe.anew(now_us),
            None => {}
        }
    }

    fn lowered(&mut self, now_us: u64) {
        self.probe.put_off(now_us);
        self.settle(now_us, REACTION_US);
    }

    /// Packets sent before now, and so long after it, say nothing about the estimate.
    fn settle(&mut self, now_us: u64, reaction_us: u64) {
        self.settled_us = now_us.saturating_add(reaction_us);
        self.queue.forget();
        self.losses.forget();
    }

    /// Whether more is wished than the line is known to carry, and nothing forbids to look for it.
    fn may_look(&self) -> bool {
        self.rate.bps() < self.wish_bps
            && self.told_to.is_some()
            && !self.silent
            && self.queue.is_short()
            && !self.losses.forbid_more()
    }

    fn look(&mut self, now_us: u64) {
        let late_us = self.awaited_us.map_or(0, |us| now_us.saturating_sub(us));
        if !self.may_look() {
            self.probe.stop(now_us);
        } else if late_us > STALE_US {
            self.probe.wait(now_us);
        } else {
            self.probe.begin(self.rate.bps(), self.wish_bps, now_us);
        }
    }
}
