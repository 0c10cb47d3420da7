//! Which packets of a track go into the record: always one layer at a time, the best that arrives.

use super::encodings::Best;
use super::session::Stream;
use crate::red::{Recovery, Red};
use crate::{Layer, TrackKind};

/// The recorder's view of one track.
#[derive(Debug, Default)]
pub(super) struct Tap {
    stream: Option<Stream>,
    /// Counts what the recorder sees as streams: one more at each change.
    number: u64,
    /// What came of the stream, where a lost packet can be had from a later one.
    recovery: Recovery,
}

/// What the tap does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tapped {
    /// Into the record, under this stream number.
    pub(super) recorded: Option<u64>,
    /// A key frame of this layer must be asked for.
    pub(super) awaits: Option<Layer>,
}

impl Tap {
    /// Decides about one packet. A picture changes its layer on a key frame; the old layer goes on
    /// until it comes.
    pub(super) fn take(
        &mut self,
        kind: TrackKind,
        stream: Stream,
        best: Best,
        starts_keyframe: bool,
    ) -> Tapped {
        let wanted = best.up_to(Layer::at(usize::MAX));
        if self.stream == Some(stream) {
            return Tapped {
                recorded: Some(self.number),
                awaits: (wanted != stream.layer).then_some(wanted),
            };
        }
        if stream.layer != wanted {
            return Tapped::default();
        }
        let changes_layer = self.stream.is_some_and(|old| old.layer != stream.layer);
        if changes_layer && kind == TrackKind::Video && !starts_keyframe {
            return Tapped {
                recorded: None,
                awaits: Some(stream.layer),
            };
        }
        if self
            .stream
            .is_some_and(|old| old.layer == stream.layer && old.number > stream.number)
        {
            // From before its sender began anew.
            return Tapped::default();
        }
        self.stream = Some(stream);
        self.number += 1;
        self.recovery = Recovery::default();
        Tapped {
            recorded: Some(self.number),
            awaits: None,
        }
    }

    /// Notes a sound packet that goes into the record. False: it was taken out of a later one
    /// already.
    pub(super) fn note(&mut self, seq: u64, timestamp: u64) -> bool {
        let is_new = !self.recovery.has(seq);
        self.recovery.note(seq, timestamp);
        is_new
    }

    /// The packets before a noted one that never came and that it repeats: number, time, payload.
    pub(super) fn recover<'a>(
        &mut self,
        timestamp: u64,
        red: &Red<'a>,
    ) -> impl Iterator<Item = (u64, u64, &'a [u8])> {
        let payload_type = red.primary().payload_type;
        red.redundant().filter_map(move |block| {
            let at = timestamp.checked_sub(block.timestamp_offset.into())?;
            if block.payload_type != payload_type || block.payload.is_empty() {
                return None;
            }
            let seq = self.recovery.missing(at)?;
            self.recovery.note(seq, at);
            Some((seq, at, block.payload))
        })
    }
}
