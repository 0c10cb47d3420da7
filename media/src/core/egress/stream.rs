//! What is sent on one section: an RTP stream, and the stream that repairs it (RFC 4588).

use super::header::{ExtensionIds, Extensions};
use super::history::History;
use crate::core::rewriter::PictureNumbers;
use crate::core::rtcp::ReportBlock;
use crate::vp8::Descriptor;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A packet as it is sent, but for what is counted for the whole session.
#[derive(Debug, Clone)]
pub(in crate::core) struct Packet {
    pub(in crate::core) payload_type: u8,
    pub(in crate::core) marker: bool,
    /// Not wrapped: its low 16 bits are on the wire, the others are the roll-over counter of SRTP.
    pub(in crate::core) seq: u64,
    pub(in crate::core) timestamp: u32,
    /// When it came to the server.
    pub(in crate::core) arrival: Instant,
    pub(in crate::core) extensions: Extensions,
    pub(in crate::core) payload: Arc<[u8]>,
    /// What is written over the numbers in the payload.
    pub(in crate::core) numbers: Option<(Descriptor, PictureNumbers)>,
}

/// The sending side of a section.
#[derive(Debug)]
pub(in crate::core) struct Outgoing {
    pub(in crate::core) ssrc: u32,
    pub(in crate::core) repair_ssrc: Option<u32>,
    pub(super) ids: ExtensionIds,
    /// The payload types of repairs, by what they repair.
    pub(super) repair_types: Vec<(u8, u8)>,
    pub(super) clock_rate_hz: u32,
    pub(super) history: History,
    /// Of the next repair, not wrapped.
    pub(super) repair_seq: u64,
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// The newest timestamp, and when its packet came.
    pub(super) newest: Option<(u32, Instant)>,
    /// Whether anything was sent since the last sender report.
    pub(super) to_report: bool,
    /// What the client said last of what arrives.
    pub(in crate::core) heard: Heard,
}

/// How a client gets a stream.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::core) struct Heard {
    /// Share that was lost before any repair; nothing while nobody said.
    pub(in crate::core) loss: Option<f32>,
    pub(in crate::core) jitter: Option<Duration>,
    pub(in crate::core) nacks: u64,
    pub(in crate::core) plis: u64,
}

impl Outgoing {
    pub(in crate::core) fn new(ssrc: u32, repair_ssrc: Option<u32>, clock_rate_hz: u32) -> Self {
        Self {
            ssrc,
            repair_ssrc,
            ids: ExtensionIds::default(),
            repair_types: Vec::new(),
            clock_rate_hz,
            history: History::default(),
            repair_seq: 1,
            packets: 0,
            octets: 0,
            newest: None,
            to_report: false,
            heard: Heard::default(),
        }
    }

    /// Takes over what was agreed on.
    pub(in crate::core) fn agree(&mut self, ids: ExtensionIds, repair_types: Vec<(u8, u8)>) {
        self.ids = ids;
        self.repair_types = repair_types;
    }

    /// Whether bytes can be sent that only find out what the line carries.
    pub(super) fn takes_padding(&self) -> bool {
        self.ids.is_numbered() && self.is_repairable()
    }

    /// Whether lost packets can be sent again.
    pub(super) fn is_repairable(&self) -> bool {
        self.repair_ssrc.is_some() && !self.repair_types.is_empty()
    }

    /// What a repair of a payload type is called.
    pub(super) fn repair_type(&self, payload_type: u8) -> Option<u8> {
        let mut known = self.repair_types.iter();
        let (_, repair) = known.find(|(repaired, _)| *repaired == payload_type)?;
        Some(*repair)
    }

    /// Takes what a report says of this stream.
    pub(super) fn reported(&mut self, block: &ReportBlock) {
        let ticks = u64::from(block.jitter);
        let micros = ticks * 1_000_000 / u64::from(self.clock_rate_hz);
        self.heard.loss = Some(f32::from(block.fraction_lost) / 256.0);
        self.heard.jitter = Some(Duration::from_micros(micros));
    }
}
