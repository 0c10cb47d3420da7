//! Which packets of a track go into the record: always one layer at a time, the best that arrives.

use super::encodings::Best;
use super::session::Stream;
use crate::{Layer, TrackKind};

/// The recorder's view of one track.
#[derive(Debug, Default)]
pub(super) struct Tap {
    stream: Option<Stream>,
    /// Counts what the recorder sees as streams: one more at each change.
    number: u64,
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
        Tapped {
            recorded: Some(self.number),
            awaits: None,
        }
    }
}
