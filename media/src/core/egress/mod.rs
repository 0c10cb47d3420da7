//! The sending path of one session: numbers, encrypts, repairs and measures what goes to a client.
//!
//! The stack keeps ICE, DTLS and what clients send. It is not asked here: a forwarded packet goes
//! to each receiver with one encryption, and without an allocation.

mod header;
mod history;
mod stream;

pub(super) use header::{ExtensionIds, Extensions};
pub(super) use stream::{Outgoing, Packet};

use super::estimator::Estimator;
use super::keys::{Keyhole, crypto};
use super::outputs::{Outputs, Path};
use super::rtcp::{Message, ReferenceAnswer, SenderReport, read};
use super::slot::Slot;
use super::srtp::Srtp;
use header::Head;
use std::time::{Duration, Instant};

/// Repairs may take so much of what is sent: at the 20 % loss that a phone at the edge of its cell
/// has, a picture still gets through. No limit at all would let a client that asks for everything
/// twice double what it costs.
const REPAIR_SHARE: usize = 2;
/// And so many bytes at once: a key frame of 1 Mbit/s.
const MOST_REPAIR_BYTES: usize = 64 * 1024;
/// A packet is not sent a second time before the first repair can have come. Until the round trip
/// is known, it is taken for one on a good line.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(40);
/// Clients bring sound and picture together by sender reports (RFC 3550, section 6.4.1).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Sender reports in one datagram: 28 bytes each.
const REPORTS_TOGETHER: usize = 40;

/// What goes to one client.
pub(super) struct Egress {
    keyhole: Keyhole,
    srtp: Option<Srtp>,
    /// Where the client is reached; nothing before it has chosen a path.
    pub(super) path: Option<Path>,
    began: Instant,
    /// The next transport-wide number.
    number: u64,
    pub(super) estimator: Estimator,
    /// Whether the line is measured: the client tells what arrives, and something can be sent to
    /// find out whether more would.
    is_measured: bool,
    /// A payload that is put together, and RTCP.
    scratch: Vec<u8>,
    feedback: Vec<u8>,
    pub(super) bytes: u64,
    repair_bytes: usize,
    reports_at: Option<Instant>,
    /// What the client asked last to know how far it is from us: who, when by its clock, and when
    /// that came.
    asked: Option<(u32, u32, Instant)>,
    pub(super) round_trip: Option<Duration>,
}

/// What a client's RTCP was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Not encrypted with the client's key, or seen before.
    Refused,
    /// About what is sent to it, and nothing else.
    Whole,
    /// Also about what it sends.
    ForTheStack,
}

impl Egress {
    pub(super) fn new(keyhole: Keyhole, first_estimate_bps: u64, now: Instant) -> Self {
        Self {
            keyhole,
            srtp: None,
            path: None,
            began: now,
            number: 1,
            estimator: Estimator::new(first_estimate_bps),
            is_measured: false,
            scratch: Vec::new(),
            feedback: Vec::new(),
            bytes: 0,
            repair_bytes: MOST_REPAIR_BYTES / 4,
            reports_at: None,
            asked: None,
            round_trip: None,
        }
    }

    /// Takes over what was agreed on for the sections.
    pub(super) fn agree(&mut self, slots: &[Slot]) {
        self.is_measured = slots.iter().any(|slot| slot.outgoing.takes_padding());
    }

    /// What the line carries to the client, in bit/s; nothing if the client does not measure it.
    pub(super) fn estimate_bps(&self) -> Option<u64> {
        (self.is_measured && self.srtp.is_some()).then(|| self.estimator.estimate_bps())
    }

    /// Takes the keys of SRTP as soon as DTLS has made them. False: not yet.
    pub(super) fn is_open(&mut self) -> bool {
        if self.srtp.is_none() {
            self.srtp = self.keyhole.keys().map(|keys| Srtp::new(keys, &crypto()));
        }
        self.srtp.is_some()
    }

    /// When [`time_passed`](Self::time_passed) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let probe = self.estimator.deadline().filter(|_| self.is_measured);
        self.reports_at.into_iter().chain(probe).min()
    }

    /// Since an epoch that only has to be the same for all that the client gets.
    fn clock(&self, now: Instant) -> Duration {
        /// Not nought, which a report's stamp may not be.
        const EPOCH: Duration = Duration::from_secs(1 << 20);

        EPOCH + now.saturating_duration_since(self.began)
    }

    /// Sends a packet. False: the client is not reached yet.
    pub(super) fn send(
        &mut self,
        stream: &mut Outgoing,
        packet: Packet,
        now: Instant,
        outputs: &mut Outputs,
    ) -> bool {
        let Some(ssrc) = self.path.map(|_| stream.ssrc) else {
            return false;
        };
        let head = Head {
            payload_type: packet.payload_type,
            marker: packet.marker,
            padded: false,
            seq: packet.seq,
            timestamp: packet.timestamp,
            ssrc,
            extensions: packet.extensions,
        };
        let sent = match packet.numbers {
            None => self.put(stream, head, &packet.payload, now, outputs),
            Some(_) => {
                let payload = self.renumbered(&packet, &[]);
                let sent = self.put(stream, head, &payload, now, outputs);
                self.scratch = payload;
                sent
            }
        };
        if sent == 0 {
            return false;
        }
        stream.packets = stream.packets.wrapping_add(1);
        stream.octets = stream.octets.wrapping_add(packet.payload.len() as u32);
        if stream
            .newest
            .is_none_or(|(newest, _)| packet.timestamp.wrapping_sub(newest) < 1 << 31)
        {
            stream.newest = Some((packet.timestamp, packet.arrival));
        }
        stream.to_report = true;
        if self.reports_at.is_none() {
            self.reports_at = Some(now);
        }
        self.repair_bytes = (self.repair_bytes + sent / REPAIR_SHARE).min(MOST_REPAIR_BYTES);
        if stream.is_repairable() {
            stream.history.keep(packet, now);
        }
        true
    }

    /// The payload of a packet behind `first`, with its own numbers, in the scratch buffer, which
    /// is to be given back.
    fn renumbered(&mut self, packet: &Packet, first: &[u8]) -> Vec<u8> {
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        payload.extend_from_slice(first);
        payload.extend_from_slice(&packet.payload);
        if let Some((descriptor, numbers)) = &packet.numbers {
            let payload = &mut payload[first.len()..];
            descriptor.renumber(payload, numbers.picture_id, numbers.tl0_pic_idx);
        }
        payload
    }

    /// Numbers, encrypts and sends. Returns the bytes on the wire.
    fn put(
        &mut self,
        stream: &Outgoing,
        head: Head,
        payload: &[u8],
        now: Instant,
        outputs: &mut Outputs,
    ) -> usize {
        let clock = self.clock(now);
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.path) else {
            return 0;
        };
        let header = head.write(&stream.ids, self.number, clock);
        let bytes = outputs.send(path, |buffer| {
            srtp.protect_rtp(&header, payload, head.seq, buffer);
        });
        self.bytes += bytes as u64;
        if stream.ids.is_numbered() {
            self.estimator.sent(self.number, bytes, now);
            self.number += 1;
        }
        bytes
    }

    /// Sends a packet of the history again (RFC 4588, section 4). Returns the bytes on the wire.
    fn repeat(
        &mut self,
        stream: &mut Outgoing,
        packet: &Packet,
        now: Instant,
        outputs: &mut Outputs,
    ) -> usize {
        let (Some(ssrc), Some(payload_type)) =
            (stream.repair_ssrc, stream.repair_type(packet.payload_type))
        else {
            return 0;
        };
        let head = Head {
            payload_type,
            marker: packet.marker,
            padded: false,
            seq: stream.repair_seq,
            timestamp: packet.timestamp,
            ssrc,
            extensions: packet.extensions,
        };
        stream.repair_seq += 1;
        let [.., high, low] = packet.seq.to_be_bytes();
        let payload = self.renumbered(packet, &[high, low]);
        let sent = self.put(stream, head, &payload, now, outputs);
        self.scratch = payload;
        sent
    }

    /// Sends what a client says it lacks, as far as that may help it.
    fn repair(&mut self, stream: &mut Outgoing, number: u16, now: Instant, outputs: &mut Outputs) {
        let patience = self.round_trip.unwrap_or(FIRST_ROUND_TRIP);
        let Some(kept) = stream.history.find(number, now) else {
            return;
        };
        let is_early = |at: Instant| now.saturating_duration_since(at) < patience;
        if kept.repaired.is_some_and(is_early) || kept.packet.payload.len() > self.repair_bytes {
            return;
        }
        kept.repaired = Some(now);
        let packet = kept.packet.clone();
        let sent = self.repeat(stream, &packet, now, outputs);
        self.repair_bytes = self.repair_bytes.saturating_sub(sent);
    }

    /// Does what is due: sender reports, and padding to find out what the line carries.
    pub(super) fn time_passed(&mut self, slots: &mut [Slot], now: Instant, outputs: &mut Outputs) {
        if self.reports_at.is_some_and(|at| at <= now) {
            self.reports_at = self
                .report(slots, now, outputs)
                .then(|| now + REPORT_INTERVAL);
        }
        if self.is_measured && self.path.is_some() && self.srtp.is_some() {
            let due = self.estimator.padding(now);
            self.pad(slots, due, now, outputs);
        }
    }

    /// Sends `due` bytes that nobody needs: packets of a picture a second time, or else bare
    /// padding, which receivers count and throw away.
    fn pad(&mut self, slots: &mut [Slot], due: usize, now: Instant, outputs: &mut Outputs) {
        /// The most padding that a packet can have (RFC 3550, section 5.1).
        const PADDING: [u8; 255] = {
            let mut padding = [0; 255];
            padding[254] = 255;
            padding
        };

        let mut fits = slots
            .iter_mut()
            .filter(|slot| slot.outgoing.takes_padding());
        let Some(first) = fits.next() else {
            return;
        };
        let stream = match fits.find(|slot| slot.outgoing.newest > first.outgoing.newest) {
            Some(other) => &mut other.outgoing,
            None => &mut first.outgoing,
        };
        let mut left = due;
        let mut back = 0;
        while left > 0 {
            let repeated = stream.history.newest(back, now);
            let repeated = repeated.map(|kept| kept.packet.clone());
            back += 1;
            let sent = match repeated {
                Some(packet) => self.repeat(stream, &packet, now, outputs),
                None => {
                    let repair_type = stream.repair_types.first().copied();
                    let (Some(ssrc), Some((_, payload_type))) = (stream.repair_ssrc, repair_type)
                    else {
                        return;
                    };
                    let head = Head {
                        payload_type,
                        marker: false,
                        padded: true,
                        seq: stream.repair_seq,
                        timestamp: stream.newest.map_or(0, |(timestamp, _)| timestamp),
                        ssrc,
                        extensions: Extensions::default(),
                    };
                    stream.repair_seq += 1;
                    self.put(stream, head, &PADDING, now, outputs)
                }
            };
            if sent == 0 {
                return;
            }
            left = left.saturating_sub(sent);
        }
    }

    /// Tells the client which moment the newest timestamps are of. False: nothing is being sent.
    fn report(&mut self, slots: &mut [Slot], now: Instant, outputs: &mut Outputs) -> bool {
        let ntp = ntp(self.clock(now));
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.path) else {
            return false;
        };
        let mut reported = false;
        let mut streams = slots
            .iter_mut()
            .map(|slot| &mut slot.outgoing)
            .filter(|stream| stream.to_report)
            .peekable();
        while streams.peek().is_some() {
            self.scratch.clear();
            let mut last = None;
            for stream in streams.by_ref().take(REPORTS_TOGETHER) {
                stream.to_report = false;
                let Some((timestamp, at)) = stream.newest else {
                    continue;
                };
                let since = now.saturating_duration_since(at).as_micros();
                let ticks = since * u128::from(stream.clock_rate_hz) / 1_000_000;
                SenderReport {
                    ssrc: stream.ssrc,
                    ntp,
                    // RTP timestamps wrap: only the low 32 bits matter.
                    rtp_timestamp: timestamp.wrapping_add(ticks as u32),
                    packets: stream.packets,
                    octets: stream.octets,
                }
                .write(&mut self.scratch);
                last = Some(stream.ssrc);
            }
            if let Some((asked_by, middle, at)) = self.asked.take()
                && let Some(ssrc) = last
            {
                let delay = now.saturating_duration_since(at);
                ReferenceAnswer {
                    ssrc,
                    asked_by,
                    middle,
                    delay,
                }
                .write(&mut self.scratch);
            }
            let compound = &self.scratch;
            self.bytes += outputs.send(path, |buffer| srtp.protect_rtcp(compound, buffer)) as u64;
            reported = true;
        }
        reported
    }

    /// Takes RTCP of a client. `wants_keyframe` is told the places of slots of which it asks one.
    pub(super) fn take(
        &mut self,
        packet: &[u8],
        slots: &mut [Slot],
        now: Instant,
        outputs: &mut Outputs,
        mut wants_keyframe: impl FnMut(usize),
    ) -> Taken {
        let mut compound = std::mem::take(&mut self.feedback);
        compound.clear();
        let opened = self
            .srtp
            .as_mut()
            .and_then(|srtp| srtp.unprotect_rtcp(packet));
        let mut taken = match opened {
            Some(opened) => {
                compound.extend_from_slice(opened);
                Taken::Whole
            }
            None => Taken::Refused,
        };
        for message in read(&compound) {
            match message {
                Message::TransportFeedback { fci } => {
                    self.estimator.feedback(fci, now);
                }
                Message::ReportBlock(block) => {
                    if let Some(slot) = slot_of(slots, block.ssrc) {
                        slots[slot].outgoing.reported(&block);
                        let now = ntp(self.clock(now));
                        self.round_trip = block.round_trip(now).or(self.round_trip);
                    }
                }
                Message::Nack { ssrc, lost } => {
                    if let Some(slot) = slot_of(slots, ssrc) {
                        let stream = &mut slots[slot].outgoing;
                        stream.heard.nacks += 1;
                        for number in lost {
                            self.repair(stream, number, now, outputs);
                        }
                    }
                }
                Message::Pli { ssrc } | Message::Fir { ssrc } => {
                    if let Some(slot) = slot_of(slots, ssrc) {
                        slots[slot].outgoing.heard.plis += 1;
                        wants_keyframe(slot);
                    }
                }
                Message::ReferenceTime { ssrc, middle } => self.asked = Some((ssrc, middle, now)),
                Message::Foreign => taken = Taken::ForTheStack,
            }
        }
        self.feedback = compound;
        taken
    }
}

/// The place of the slot that is sent with `ssrc`.
fn slot_of(slots: &[Slot], ssrc: u32) -> Option<usize> {
    slots.iter().position(|slot| slot.outgoing.ssrc == ssrc)
}

/// A clock as an NTP timestamp (RFC 3550, section 4): seconds, and 32 bits behind the point.
fn ntp(clock: Duration) -> u64 {
    let fraction = (u64::from(clock.subsec_nanos()) << 32) / 1_000_000_000;
    clock.as_secs() << 32 | fraction
}
