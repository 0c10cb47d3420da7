//! The sending path of one session: numbers, encrypts, repairs and measures what goes to a client.
//!
//! The stack keeps ICE, DTLS and what clients send. It is not asked here: a forwarded packet goes
//! to each receiver with one encryption, and without an allocation.

mod feedback;
mod header;
mod history;
mod stream;
mod upkeep;

pub(super) use feedback::Taken;
pub(super) use header::{ExtensionIds, Extensions};
pub(super) use stream::{Outgoing, Packet};

use super::estimator::Estimator;
use super::keys::{Keyhole, crypto};
use super::outputs::{Outputs, Path};
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
        let head = Head {
            payload_type: packet.payload_type,
            marker: packet.marker,
            padded: false,
            seq: packet.seq,
            timestamp: packet.timestamp,
            ssrc: stream.ssrc,
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
}

/// A clock as an NTP timestamp (RFC 3550, section 4): seconds, and 32 bits behind the point.
fn ntp(clock: Duration) -> u64 {
    let fraction = (u64::from(clock.subsec_nanos()) << 32) / 1_000_000_000;
    clock.as_secs() << 32 | fraction
}
