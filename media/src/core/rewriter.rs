//! Makes one continuous RTP stream out of the sources that fill a slot one after another.

use crate::{TrackKey, TrackKind};
use std::time::Instant;

/// What the rewriter must know about a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    /// Whose, and which of its streams: a new number means that the numbering started anew.
    pub(super) origin: (TrackKey, u64),
    pub(super) kind: TrackKind,
    /// Extended.
    pub(super) seq: u64,
    pub(super) timestamp: u32,
    /// Whether a picture can be decoded from here on without what came before.
    pub(super) starts_keyframe: bool,
    pub(super) vp8: Option<PictureNumbers>,
    pub(super) clock_rate_hz: u32,
}

/// The numbers of a VP8 payload descriptor (RFC 7741, section 4.2) that must not jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureNumbers {
    pub(super) picture_id: u16,
    /// 0x7f or 0x7fff, by the width that the sender chose.
    pub(super) picture_id_mask: u16,
    pub(super) tl0_pic_idx: Option<u8>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// Send it with these numbers.
    Send {
        seq: u64,
        timestamp: u32,
        vp8: Option<PictureNumbers>,
        /// The first packet of its source.
        switched: bool,
    },
    /// The slot waits for a key frame: not sent, and one should be asked for.
    NeedsKeyframe,
    /// From before the switch to its source: not sent.
    Late,
}

/// The state of one slot.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    source: Option<SourceBase>,
    last: Option<LastSent>,
}

/// Where the present source began, in its numbers and in ours.
#[derive(Debug, Clone, Copy)]
struct SourceBase {
    origin: (TrackKey, u64),
    seq_in: u64,
    seq_out: u64,
    timestamp_offset: u32,
    picture_id_offset: u16,
    tl0_offset: u8,
}

/// The newest packet sent.
#[derive(Debug, Clone, Copy)]
struct LastSent {
    seq: u64,
    timestamp: u32,
    at: Instant,
    picture_id: u16,
    tl0_pic_idx: u8,
}

impl Rewriter {
    /// Ends the present source: the next packet, whoever sends it, begins a new one.
    pub(super) fn release(&mut self) {
        self.source = None;
    }

    /// Whether the slot shows nothing of `origin` yet.
    pub(super) fn awaits(&self, origin: (TrackKey, u64)) -> bool {
        self.source.is_none_or(|base| base.origin != origin)
    }

    /// Decides about one packet that came at `now`.
    pub(super) fn rewrite(&mut self, packet: &Incoming, now: Instant) -> Rewritten {
        let switched = self.awaits(packet.origin);
        if switched && packet.kind == TrackKind::Video && !packet.starts_keyframe {
            return Rewritten::NeedsKeyframe;
        }
        let base = match self.source {
            Some(base) if !switched => base,
            _ => self.begin(packet, now),
        };
        let Some(since_switch) = packet.seq.checked_sub(base.seq_in) else {
            return Rewritten::Late;
        };
        let seq = base.seq_out + since_switch;
        let timestamp = packet.timestamp.wrapping_add(base.timestamp_offset);
        let vp8 = packet.vp8.map(|vp8| PictureNumbers {
            picture_id: vp8.picture_id.wrapping_add(base.picture_id_offset) & vp8.picture_id_mask,
            picture_id_mask: vp8.picture_id_mask,
            tl0_pic_idx: vp8
                .tl0_pic_idx
                .map(|index| index.wrapping_add(base.tl0_offset)),
        });
        if self.last.is_none_or(|last| seq > last.seq) {
            let before = self.last;
            self.last = Some(LastSent {
                seq,
                timestamp,
                at: now,
                picture_id: vp8
                    .map(|vp8| vp8.picture_id)
                    .or(before.map(|last| last.picture_id))
                    .unwrap_or(0),
                tl0_pic_idx: vp8
                    .and_then(|vp8| vp8.tl0_pic_idx)
                    .or(before.map(|last| last.tl0_pic_idx))
                    .unwrap_or(0),
            });
        }
        Rewritten::Send {
            seq,
            timestamp,
            vp8,
            switched,
        }
    }

    fn begin(&mut self, packet: &Incoming, now: Instant) -> SourceBase {
        /// A first sequence number in the lower half keeps a loss of the first packets from being
        /// taken for a wrap (RFC 3711, section 3.3.1).
        const FIRST_SEQ_MASK: u64 = 0x3fff;

        let base = match self.last {
            None => SourceBase {
                origin: packet.origin,
                seq_in: packet.seq,
                seq_out: packet.seq & FIRST_SEQ_MASK,
                timestamp_offset: 0,
                picture_id_offset: 0,
                tl0_offset: 0,
            },
            Some(last) => {
                let next = last
                    .timestamp
                    .wrapping_add(pause_ticks(packet, now, last.at));
                SourceBase {
                    origin: packet.origin,
                    seq_in: packet.seq,
                    seq_out: last.seq + 1,
                    timestamp_offset: next.wrapping_sub(packet.timestamp),
                    picture_id_offset: packet.vp8.map_or(0, |vp8| {
                        last.picture_id.wrapping_add(1).wrapping_sub(vp8.picture_id)
                    }),
                    tl0_offset: packet
                        .vp8
                        .and_then(|vp8| vp8.tl0_pic_idx)
                        .map_or(0, |index| {
                            last.tl0_pic_idx.wrapping_add(1).wrapping_sub(index)
                        }),
                }
            }
        };
        self.source = Some(base);
        base
    }
}

/// How far the timestamp moves over a switch: as time did, and at least one frame.
fn pause_ticks(packet: &Incoming, now: Instant, last: Instant) -> u32 {
    let least = match packet.kind {
        TrackKind::Audio => packet.clock_rate_hz / 50,
        TrackKind::Video => packet.clock_rate_hz / 30,
    };
    let elapsed_us = now.saturating_duration_since(last).as_micros();
    let ticks = elapsed_us * u128::from(packet.clock_rate_hz) / 1_000_000;
    // RTP timestamps wrap: only the low 32 bits matter.
    least.max((ticks % (1 << 32)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionId, Source};
    use std::time::Duration;

    fn picture(session: u64, seq: u64, keyframe: bool) -> Incoming {
        Incoming {
            origin: (
                TrackKey {
                    session: SessionId(session),
                    source: Source::Camera,
                },
                1,
            ),
            kind: TrackKind::Video,
            seq,
            timestamp: seq as u32 * 3_000,
            starts_keyframe: keyframe,
            vp8: Some(PictureNumbers {
                picture_id: (seq & 0x7fff) as u16,
                picture_id_mask: 0x7fff,
                tl0_pic_idx: Some(seq as u8),
            }),
            clock_rate_hz: 90_000,
        }
    }

    fn sent(rewritten: Rewritten) -> (u64, u32, PictureNumbers) {
        match rewritten {
            Rewritten::Send {
                seq,
                timestamp,
                vp8,
                ..
            } => (seq, timestamp, vp8.expect("VP8")),
            other => panic!("not sent: {other:?}"),
        }
    }

    #[test]
    fn a_switch_waits_for_a_key_frame_and_goes_on_counting() {
        let start = Instant::now();
        let mut slot = Rewriter::default();
        assert_eq!(
            slot.rewrite(&picture(1, 499, false), start),
            Rewritten::NeedsKeyframe
        );
        let (first, _, _) = sent(slot.rewrite(&picture(1, 500, true), start));
        let (second, stamp, numbers) = sent(slot.rewrite(&picture(1, 501, false), start));
        assert_eq!((first, second), (500, 501));

        let later = start + Duration::from_millis(100);
        assert_eq!(
            slot.rewrite(&picture(2, 90_000, false), later),
            Rewritten::NeedsKeyframe
        );
        let (seq, new_stamp, new_numbers) = sent(slot.rewrite(&picture(2, 90_001, true), later));
        assert_eq!(seq, 502);
        assert_eq!(new_stamp.wrapping_sub(stamp), 9_000);
        assert_eq!(new_numbers.picture_id, numbers.picture_id + 1);
        assert_eq!(
            new_numbers.tl0_pic_idx,
            numbers.tl0_pic_idx.map(|index| index.wrapping_add(1))
        );
        assert_eq!(
            slot.rewrite(&picture(2, 90_000, false), later),
            Rewritten::Late
        );
        assert_eq!(sent(slot.rewrite(&picture(2, 90_003, false), later)).0, 504);
        assert_eq!(sent(slot.rewrite(&picture(2, 90_002, false), later)).0, 503);
    }

    #[test]
    fn the_same_source_after_a_release_is_a_new_beginning() {
        let now = Instant::now();
        let mut slot = Rewriter::default();
        sent(slot.rewrite(&picture(1, 10, true), now));
        slot.release();
        assert_eq!(
            slot.rewrite(&picture(1, 11, false), now),
            Rewritten::NeedsKeyframe
        );
        assert_eq!(sent(slot.rewrite(&picture(1, 40, true), now)).0, 11);
    }
}
