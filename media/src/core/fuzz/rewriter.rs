//! A slot that many sources fill one after another stays one continuous stream.

use crate::core::rewriter::{Incoming, PictureNumbers, Rewriter, Rewritten};
use crate::{SessionId, Source, TrackKey, TrackKind};
use arbitrary::{Arbitrary, Unstructured};
use std::collections::HashMap;
use std::time::{Duration, Instant};

#[derive(Debug, Arbitrary)]
enum Step {
    Release,
    /// Time passes, in ms.
    Wait(u16),
    Packet {
        /// Whose, of four, and the lowest bit of its stream.
        origin: u8,
        /// From the last packet of that origin.
        seq: i16,
        timestamp: i32,
        keyframe: bool,
        picture_id: Option<(i8, bool)>,
        tl0_pic_idx: Option<u8>,
    },
}

/// What a sender has sent last.
#[derive(Debug, Clone, Copy)]
struct Sender {
    seq: u64,
    timestamp: u32,
    picture_id: u16,
}

/// What went out, for the present source.
#[derive(Debug, Clone, Copy)]
struct Shown {
    origin: (TrackKey, u64),
    /// Out less in, wrapping.
    seq: u64,
    timestamp: u32,
    picture_id: Option<u16>,
}

/// The newest packet that went out.
#[derive(Debug, Clone, Copy)]
struct Newest {
    seq: u64,
    timestamp: u32,
    at: Instant,
    picture_id: Option<u16>,
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let kind = match bool::arbitrary(&mut input) {
        Ok(true) => TrackKind::Video,
        _ => TrackKind::Audio,
    };
    let mut rewriter = Rewriter::default();
    let mut now = Instant::now();
    let mut senders: HashMap<u8, Sender> = HashMap::new();
    let mut shown: Option<Shown> = None;
    let mut newest: Option<Newest> = None;
    let mut used: HashMap<u64, ((TrackKey, u64), u64)> = HashMap::new();
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else {
            return;
        };
        let (index, seq, timestamp, keyframe, picture, tl0_pic_idx) = match step {
            Step::Release => {
                rewriter.release();
                shown = None;
                continue;
            }
            Step::Wait(ms) => {
                now += Duration::from_millis(ms.into());
                continue;
            }
            Step::Packet {
                origin,
                seq,
                timestamp,
                keyframe,
                picture_id,
                tl0_pic_idx,
            } => (
                origin % 8,
                seq,
                timestamp,
                keyframe,
                picture_id,
                tl0_pic_idx,
            ),
        };
        let sender = senders.entry(index).or_insert(Sender {
            // Anywhere within the 48 bits of RFC 3711, in the middle of a wrap for some.
            seq: u64::from(index) << 14 | 0xfff0,
            timestamp: u32::from(index).wrapping_mul(0x7654_3210),
            picture_id: u16::from(index) << 12,
        });
        sender.seq = sender.seq.saturating_add_signed(seq.into());
        sender.timestamp = sender.timestamp.wrapping_add_signed(timestamp);
        if let Some((step, _)) = picture {
            sender.picture_id = sender.picture_id.wrapping_add_signed(step.into()) & 0x7fff;
        }
        let packet = Incoming {
            origin: (
                TrackKey {
                    session: SessionId(u64::from(index >> 1)),
                    source: Source::Camera,
                },
                u64::from(index & 1),
            ),
            kind,
            seq: sender.seq,
            timestamp: sender.timestamp,
            starts_keyframe: keyframe,
            vp8: picture.map(|(_, wide)| {
                let picture_id_mask = if wide { 0x7fff } else { 0x7f };
                PictureNumbers {
                    picture_id: sender.picture_id & picture_id_mask,
                    picture_id_mask,
                    tl0_pic_idx,
                }
            }),
            clock_rate_hz: kind.clock_rate_hz(),
        };
        let awaited = rewriter.awaits(packet.origin);
        assert_eq!(
            awaited,
            shown.is_none_or(|shown| shown.origin != packet.origin)
        );
        match rewriter.rewrite(&packet, now) {
            Rewritten::NeedsKeyframe => {
                assert!(awaited && kind == TrackKind::Video && !keyframe);
            }
            Rewritten::Late => assert!(!awaited, "the first packet of a source is never late"),
            Rewritten::Send {
                seq,
                timestamp,
                vp8,
                switched,
            } => {
                assert_eq!(switched, awaited);
                assert!(!switched || kind == TrackKind::Audio || keyframe);
                let same = used
                    .insert(seq, (packet.origin, packet.seq))
                    .is_none_or(|before| before == (packet.origin, packet.seq));
                assert!(same, "two packets went out under the number {seq}");
                let picture_id = vp8.map(|vp8| {
                    assert_eq!(vp8.picture_id & !vp8.picture_id_mask, 0, "does not fit");
                    vp8.picture_id
                });
                let now_shown = Shown {
                    origin: packet.origin,
                    seq: seq.wrapping_sub(packet.seq),
                    timestamp: timestamp.wrapping_sub(packet.timestamp),
                    picture_id: vp8
                        .zip(packet.vp8)
                        .map(|(out, into)| out.picture_id.wrapping_sub(into.picture_id)),
                };
                match (shown, newest) {
                    (Some(shown), _) if !switched => {
                        assert_eq!(now_shown.seq, shown.seq, "order of the source");
                        assert_eq!(now_shown.timestamp, shown.timestamp);
                        if let (Some(before), Some(after), Some(vp8)) =
                            (shown.picture_id, now_shown.picture_id, vp8)
                        {
                            assert_eq!((before ^ after) & vp8.picture_id_mask & 0x7f, 0);
                        }
                    }
                    (_, Some(newest)) => {
                        assert_eq!(seq, newest.seq + 1, "no gap over a switch");
                        let moved = u64::from(timestamp.wrapping_sub(newest.timestamp));
                        let elapsed = now - newest.at;
                        let ticks =
                            elapsed.as_millis() as u64 * u64::from(packet.clock_rate_hz) / 1_000;
                        assert!(moved > 0, "time stands still over a switch");
                        assert!(
                            elapsed > Duration::from_secs(3_600) || moved >= ticks,
                            "time runs backwards over a switch: {moved} for {ticks}"
                        );
                        if let (Some(before), Some(after), Some(vp8)) =
                            (newest.picture_id, picture_id, vp8)
                        {
                            assert_eq!(after, before.wrapping_add(1) & vp8.picture_id_mask);
                        }
                    }
                    _ => {}
                }
                if switched || shown.is_some_and(|shown| shown.picture_id.is_none()) {
                    shown = Some(now_shown);
                }
                if newest.is_none_or(|newest| seq > newest.seq) {
                    newest = Some(Newest {
                        seq,
                        timestamp,
                        at: now,
                        picture_id: picture_id.or(newest.and_then(|newest| newest.picture_id)),
                    });
                }
            }
        }
    }
}
