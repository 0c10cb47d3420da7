//! What clients say of what they get: repairs, key frames, reports.

use super::{Egress, Outgoing, ntp};
use crate::core::outputs::Outputs;
use crate::core::rtcp::{Message, read};
use crate::core::slot::Slot;
use std::time::{Duration, Instant};

/// A packet is not sent a second time before the first repair can have come. Until the round trip
/// is known, it is taken for one on a good line.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(40);

/// What a client's RTCP was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core) enum Taken {
    /// Not encrypted with the client's key, or seen before.
    Refused,
    /// About what is sent to it, and nothing else.
    Whole,
    /// Also about what it sends.
    ForTheStack,
}

impl Egress {
    /// Takes RTCP of a client. `wants_keyframe` is told the places of slots of which it asks one.
    pub(in crate::core) fn take(
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
}

/// The place of the slot that is sent with `ssrc`.
fn slot_of(slots: &[Slot], ssrc: u32) -> Option<usize> {
    slots.iter().position(|slot| slot.outgoing.ssrc == ssrc)
}
