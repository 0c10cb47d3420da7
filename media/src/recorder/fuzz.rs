//! Fuzz targets of what the recorder hides: order, record clock, frames.

use super::SenderClock;
use super::frames::FrameAssembler;
use super::opus;
use super::reorder::{Inserted, Released, ReorderBuffer};
use super::timeline::Timeline;
use crate::{Codec, SenderReport, TrackKind, h264};
use arbitrary::{Arbitrary, Unstructured};
use std::time::{Duration, Instant};
use str0m::rtp::Vp8Descriptor;

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// Time passes, in ms.
    Wait(u16),
    /// The sender begins to count anew.
    Restart,
    /// As at the end of a feed.
    Flush,
    /// The sender's sound says where its wall clock (ms since 1970) lies on the record.
    Heard { ntp: u64, record: i64 },
    Packet {
        /// From the last packet; the numbers of a forger are anywhere.
        seq: Place,
        timestamp: Place,
        marker: bool,
        /// The last one: wall clock in ms since 1970, and RTP time.
        report: Option<(u64, u32)>,
        payload: &'a [u8],
    },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Place {
    Next(i8),
    Near(i32),
    Anywhere(u64),
}

impl Place {
    fn after(self, last: u64) -> u64 {
        match self {
            Self::Next(step) => last.saturating_add_signed(step.into()),
            Self::Near(step) => last.saturating_add_signed(step.into()),
            Self::Anywhere(at) => at,
        }
    }
}

struct Waiting<'a> {
    seq: u64,
    timestamp: u64,
    marker: bool,
    payload: &'a [u8],
}

const MAX_WAIT: Duration = Duration::from_millis(400);
const MAX_HELD: usize = 16;

/// A feed without its file: whatever comes, the order is strict, no packet is lost without being
/// counted, and time on the record never runs backwards.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let (clock_rate_hz, codec) = match u8::arbitrary(&mut input) {
        Ok(0) => (0, Codec::Vp8),
        Ok(odd) if odd & 1 == 1 => (48_000, Codec::Vp8),
        Ok(second) if second & 2 == 2 => (90_000, Codec::H264),
        _ => (90_000, Codec::Vp8),
    };
    let epoch = Instant::now() + Duration::from_secs(1);
    let mut now = epoch - Duration::from_secs(1);
    let mut reorder = ReorderBuffer::new(MAX_WAIT, MAX_HELD);
    let clock = SenderClock::default();
    let mut timeline = Timeline::new(epoch, clock_rate_hz, TrackKind::Video, clock.clone());
    let mut frames = FrameAssembler::new(codec).expect("a picture");
    let mut out = Out::default();
    let (mut seq, mut timestamp) = (100_u64, 1_u64 << 40);
    let mut held = 0;
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else {
            break;
        };
        match step {
            Step::Wait(ms) => now += Duration::from_millis(ms.into()),
            Step::Restart => {
                timeline.settle_now();
                while let Some(released) = reorder.pop_now() {
                    held -= out.take(released, &mut timeline, &mut frames);
                }
                assert_eq!(held, 0, "packets were forgotten");
                reorder = ReorderBuffer::new(MAX_WAIT, MAX_HELD);
                timeline.restart();
                frames.lost();
                out.next = None;
            }
            Step::Flush => {
                timeline.settle_now();
                while let Some(released) = reorder.pop_now() {
                    held -= out.take(released, &mut timeline, &mut frames);
                }
                assert_eq!(held, 0, "packets were forgotten");
            }
            Step::Heard { ntp, record } => clock.tell(Duration::from_millis(ntp), record),
            Step::Packet {
                seq: place,
                timestamp: time,
                marker,
                report,
                payload,
            } => {
                let report = report.map(|(ntp, timestamp)| SenderReport {
                    ntp: Duration::from_millis(ntp),
                    timestamp,
                });
                seq = place.after(seq);
                timestamp = time.after(timestamp);
                let packet = Waiting {
                    seq,
                    timestamp,
                    marker,
                    payload,
                };
                match reorder.insert(seq, packet, now) {
                    Inserted::Queued => {
                        held += 1;
                        timeline.observe(timestamp, now, report);
                    }
                    Inserted::Duplicate => assert!(held > 0),
                    Inserted::Late => assert!(out.next.is_some_and(|next| seq < next)),
                }
            }
        }
        if !timeline.is_settling(now) {
            while let Some(released) = reorder.pop(now) {
                held -= out.take(released, &mut timeline, &mut frames);
            }
            assert!(held < MAX_HELD, "{held} packets are held back");
        }
    }
}

/// What came out so far.
#[derive(Default)]
struct Out {
    next: Option<u64>,
    at: Duration,
}

impl Out {
    /// Returns how many packets that was.
    fn take(
        &mut self,
        released: Released<Waiting<'_>>,
        timeline: &mut Timeline,
        frames: &mut FrameAssembler,
    ) -> usize {
        let packet = match released {
            Released::Packet(packet) => packet,
            Released::Lost(count) => {
                assert!(count > 0);
                self.next = self.next.map(|next| next + count);
                frames.lost();
                assert!(frames.waits_for_key());
                return 0;
            }
        };
        assert!(self.next.is_none_or(|next| next == packet.seq));
        self.next = Some(packet.seq.saturating_add(1));
        let at = timeline.place(packet.timestamp);
        assert!(at >= self.at, "time runs backwards");
        self.at = at;
        let waited = frames.waits_for_key();
        let frame = frames.push(packet.payload, packet.timestamp, packet.marker);
        if let Some(frame) = frame {
            assert!(
                !waited || frame.key.is_some(),
                "a frame without its reference"
            );
            assert!(frame.data.len() >= 3 && frame.rtp_time == packet.timestamp);
            assert!(packet.marker);
        }
        1
    }
}

/// What recorder and forwarder read in the same bytes must agree.
pub(crate) fn payload(bytes: &[u8]) {
    if let Some(duration) = opus::packet_duration(bytes) {
        assert!(duration <= Duration::from_millis(120) && !duration.is_zero());
    }
    assert!((1..=2).contains(&opus::channels(bytes)));

    let whole = |codec| {
        let mut frames = FrameAssembler::new(codec).expect("a picture");
        frames.push(bytes, 0, true)
    };
    if let Some(frame) = whole(Codec::H264) {
        assert!(frame.key.is_some(), "only a key frame comes first");
        assert!(
            h264::starts_keyframe(bytes),
            "the forwarder sees no key frame"
        );
    }
    let keyframe = Vp8Descriptor::parse(bytes).is_ok_and(|vp8| vp8.starts_keyframe(bytes));
    if let Some(frame) = whole(Codec::Vp8) {
        assert!(frame.key.is_some(), "only a key frame comes first");
        assert!(bytes.ends_with(&frame.data));
        // TL0PICIDX without TID is malformed to the stack and harmless to the recorder.
        let malformed = bytes[0] & 0x80 != 0 && bytes[1] & 0x60 == 0x40;
        assert!(keyframe || malformed, "the forwarder sees no key frame");
    }
}
