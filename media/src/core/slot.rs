//! A receiving section of a client, and which track fills it.

use super::egress::{Egress, Extensions, Outgoing, Packet};
use super::encodings::Best;
use super::formats::Formats;
use super::outputs::Outputs;
use super::rewriter::{Incoming, Rewriter, Rewritten};
use crate::vp8::Descriptor;
use crate::{Codec, Layer, Mid, SlotFill, TrackKey, TrackKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use str0m::media::Pt;

/// One `recvonly` section of a client's offer.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) mid: Mid,
    pub(super) kind: TrackKind,
    pub(super) outgoing: Outgoing,
    pub(super) formats: Formats,
    track: Option<TrackKey>,
    /// The best layer that the line and the page allow; nothing while neither has room for it.
    allowed: Option<Layer>,
    /// The layer that is being sent.
    layer: Option<Layer>,
    /// Whether a larger layer than what is allowed stops at once.
    at_once: bool,
    rewriter: Rewriter,
}

/// A packet on its way to many slots: what does not depend on the slot, worked out once.
pub(super) struct Forwarded {
    pub(super) codec: Codec,
    pub(super) layer: Layer,
    pub(super) best: Best,
    pub(super) incoming: Incoming,
    pub(super) arrival: Instant,
    pub(super) marker: bool,
    pub(super) extensions: Extensions,
    pub(super) vp8: Option<Descriptor>,
    pub(super) payload: Arc<[u8]>,
    /// Sound that came in RED.
    pub(super) twofold: Option<Twofold>,
}

/// A packet with earlier sound beside its own (RFC 2198).
pub(super) struct Twofold {
    /// What its blocks are said to be: a receiver with other numbers cannot read it.
    pub(super) blocks: Pt,
    pub(super) payload: Arc<[u8]>,
}

/// What a slot did with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    /// It is on its way.
    pub(super) sent: bool,
    /// A key frame of this layer must be asked for.
    pub(super) awaits: Option<Layer>,
}

impl Slot {
    pub(super) fn new(mid: Mid, kind: TrackKind, outgoing: Outgoing) -> Self {
        Self {
            mid,
            kind,
            outgoing,
            formats: Formats::default(),
            track: None,
            allowed: Some(Layer::SMALLEST),
            layer: None,
            at_once: false,
            rewriter: Rewriter::default(),
        }
    }

    /// The layer that is being sent.
    pub(super) fn layer(&self) -> Option<Layer> {
        self.layer
    }

    /// The best layer that may be sent.
    pub(super) fn allowed(&self) -> Option<Layer> {
        self.allowed
    }

    /// Sets the best layer that may be sent. `at_once`: a larger one that is being sent stops now,
    /// because the line does not carry it; otherwise it goes on until the smaller one has begun.
    /// True: another layer is allowed than before.
    pub(super) fn allow(&mut self, layer: Option<Layer>, at_once: bool) -> bool {
        self.at_once = at_once || (self.at_once && layer <= self.allowed);
        if layer.is_none() && self.layer.take().is_some() {
            // What follows a pause must begin with a key frame.
            self.rewriter.release();
        }
        std::mem::replace(&mut self.allowed, layer) != layer
    }

    /// Lets go of the track.
    fn clear(&mut self) {
        self.track = None;
        self.layer = None;
        self.rewriter.release();
    }

    pub(super) fn track(&self) -> Option<TrackKey> {
        self.track
    }

    pub(super) fn fill(&self) -> SlotFill {
        SlotFill {
            mid: self.mid.clone(),
            track: self.track,
        }
    }

    /// Sends one packet of the slot's track, with the slot's numbers, if it is of the layer that
    /// the slot shows or is about to show. `twofold`: the line has room for sound that is sent
    /// twice.
    pub(super) fn send(
        &mut self,
        egress: &mut Egress,
        packet: &Forwarded,
        twofold: bool,
        now: Instant,
        outputs: &mut Outputs,
    ) -> Written {
        let mut written = Written::default();
        let (Some(most), Some(payload_type)) =
            (self.allowed, self.formats.payload_type(packet.codec))
        else {
            return written;
        };
        let wanted = packet.best.up_to(most);
        if self.layer == Some(packet.layer) {
            // The old layer goes on until the new one has a key frame: no gap is seen.
            written.awaits = (wanted != packet.layer).then_some(wanted);
            if self.at_once && wanted < packet.layer {
                return written;
            }
        } else if packet.layer != wanted {
            return written;
        }
        let (seq, timestamp, numbers, switched) =
            match self.rewriter.rewrite(&packet.incoming, packet.arrival) {
                Rewritten::Send {
                    seq,
                    timestamp,
                    vp8,
                    switched,
                } => (seq, timestamp, vp8, switched),
                Rewritten::NeedsKeyframe => {
                    written.awaits = Some(packet.layer);
                    return written;
                }
                Rewritten::Late => return written,
            };
        self.layer = Some(packet.layer);
        let (payload_type, payload) = match (&packet.twofold, self.formats.red()) {
            (Some(red), Some(red_type)) if twofold && red.blocks == payload_type => {
                (red_type, &red.payload)
            }
            _ => (payload_type, &packet.payload),
        };
        let numbered = Packet {
            payload_type: *payload_type,
            // The first sound packet of a new source is marked as the start of a talk spurt, so
            // that the receiver's jitter buffer may adapt there (RFC 3551, section 4.1).
            marker: packet.marker || (switched && self.kind == TrackKind::Audio),
            seq,
            timestamp,
            arrival: packet.arrival,
            extensions: packet.extensions,
            payload: Arc::clone(payload),
            numbers: packet.vp8.zip(numbers),
        };
        written.sent = egress.send(&mut self.outgoing, numbered, now, outputs);
        written
    }
}

/// The outcome of [`assign`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Whether any slot has another track than before.
    pub(super) changed: bool,
    /// Pictures that got a slot just now: they need a key frame.
    pub(super) new_pictures: Vec<TrackKey>,
    /// Sound and picture slots that would hold all tracks, if those at hand do not.
    pub(super) needed: Option<(u32, u32)>,
}

/// Fills `slots` with the `wanted` tracks, each in its codec. A track that is still wanted keeps
/// its slot; the others take free slots that can show them, in order. A track whose codec no slot
/// of its kind has agreed on gets none, and more slots would not help it.
pub(super) fn assign(slots: &mut [Slot], wanted: &BTreeMap<TrackKey, Codec>) -> Assignment {
    let mut outcome = Assignment::default();
    let can_show = |slot: &Slot, codec| slot.formats.payload_type(codec).is_some();
    let mut unplaced = wanted.clone();
    unplaced.retain(|track, codec| {
        let kind = track.source.kind();
        !slots.iter().any(|slot| slot.kind == kind)
            || slots.iter().any(|slot| can_show(slot, *codec))
    });
    for slot in slots.iter_mut() {
        let keeps = slot.track.is_some_and(|track| {
            unplaced
                .get(&track)
                .is_some_and(|codec| can_show(slot, *codec))
                && unplaced.remove(&track).is_some()
        });
        if !keeps && slot.track.is_some() {
            slot.clear();
            outcome.changed = true;
        }
    }
    let mut left_over = false;
    for (track, codec) in unplaced {
        let kind = track.source.kind();
        let Some(slot) = slots
            .iter_mut()
            .find(|slot| slot.track.is_none() && can_show(slot, codec))
        else {
            left_over = true;
            continue;
        };
        slot.track = Some(track);
        // Until the line has been asked: small is seen sooner, and does not harm the others.
        slot.allowed = Some(Layer::SMALLEST);
        outcome.changed = true;
        if kind == TrackKind::Video {
            outcome.new_pictures.push(track);
        }
    }
    if left_over {
        let count = |kind| {
            let tracks = wanted
                .keys()
                .filter(|track| track.source.kind() == kind)
                .count();
            u32::try_from(tracks).unwrap_or(u32::MAX)
        };
        outcome.needed = Some((count(TrackKind::Audio), count(TrackKind::Video)));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionId, Source};

    fn camera(session: u64) -> TrackKey {
        TrackKey {
            session: SessionId(session),
            source: Source::Camera,
        }
    }

    /// Picture slots that have agreed on these codecs.
    fn slots(agreed: &[&[Codec]]) -> Vec<Slot> {
        (0..)
            .zip(agreed)
            .map(|(index, codecs)| {
                let mid = Mid::new(index.to_string());
                let outgoing = Outgoing::new(index, None, 90_000);
                let mut slot = Slot::new(mid, TrackKind::Video, outgoing);
                slot.formats = (96..)
                    .map(Pt::new_with_value)
                    .zip(codecs.iter().copied())
                    .collect();
                slot
            })
            .collect()
    }

    fn wanted(tracks: &[TrackKey]) -> BTreeMap<TrackKey, Codec> {
        let coded = tracks.iter().map(|track| match track.source.kind() {
            TrackKind::Audio => (*track, Codec::Opus),
            TrackKind::Video => (*track, Codec::Vp8),
        });
        coded.collect()
    }

    fn filled(slots: &[Slot]) -> Vec<Option<TrackKey>> {
        slots.iter().map(Slot::track).collect()
    }

    #[test]
    fn a_track_keeps_its_slot_while_others_come_and_go() {
        let mut slots = slots(&[&[Codec::Vp8], &[Codec::Vp8]]);
        assign(&mut slots, &wanted(&[camera(5), camera(6)]));
        assert_eq!(filled(&slots), [Some(camera(5)), Some(camera(6))]);

        let gone = assign(&mut slots, &wanted(&[camera(6)]));
        assert!(gone.changed);
        assert_eq!(filled(&slots), [None, Some(camera(6))]);

        let came = assign(&mut slots, &wanted(&[camera(1), camera(6)]));
        assert_eq!(came.new_pictures, [camera(1)]);
        assert_eq!(filled(&slots), [Some(camera(1)), Some(camera(6))]);
        assert_eq!(
            assign(&mut slots, &wanted(&[camera(1), camera(6)])),
            Assignment::default()
        );
    }

    #[test]
    fn too_few_slots_say_how_many_are_needed() {
        let mut slots = slots(&[&[Codec::Vp8]]);
        let microphone = TrackKey {
            session: SessionId(1),
            source: Source::Microphone,
        };
        let outcome = assign(
            &mut slots,
            &wanted(&[camera(1), camera(2), camera(3), microphone]),
        );
        assert_eq!(outcome.needed, Some((1, 3)));
        assert_eq!(filled(&slots), [Some(camera(1))]);
    }

    #[test]
    fn a_track_gets_a_slot_only_where_its_codec_was_agreed_on() {
        const BOTH: &[Codec] = &[Codec::Vp8, Codec::H264];
        let mut slots = slots(&[&[Codec::Vp8], BOTH]);
        let mut wanted = BTreeMap::from([(camera(1), Codec::H264)]);
        assign(&mut slots, &wanted);
        assert_eq!(filled(&slots), [None, Some(camera(1))]);

        wanted.insert(camera(2), Codec::H264);
        let more = assign(&mut slots, &wanted);
        assert_eq!(more.needed, Some((0, 2)));

        slots.pop();
        assert_eq!(assign(&mut slots, &wanted), Assignment::default());
        wanted.insert(camera(2), Codec::Vp8);
        assign(&mut slots, &wanted);
        assert_eq!(filled(&slots), [Some(camera(2))]);
        wanted.insert(camera(2), Codec::H264);
        assert!(assign(&mut slots, &wanted).changed);
        assert_eq!(filled(&slots), [None]);
    }
}
