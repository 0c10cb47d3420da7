//! From a track to its sinks: the only place where packets of one session reach another.

use super::egress::Extensions;
use super::keyframes::Encoded;
use super::rewriter::{Incoming, PictureNumbers};
use super::session::Stream;
use super::slot::{Forwarded, Twofold};
use super::track_rate::{self, Passage};
use super::{Core, track_mut, track_of};
use crate::red::Red;
use crate::vp8::Descriptor;
use crate::{
    Codec, Event, Layer, RecordedPacket, RoomId, SenderReport, SessionId, Source, TrackKey,
    TrackKind, h264,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use str0m::rtp::RtpPacket;

/// The sinks of one track, worked out when the graph or the slots change, not for each packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) receivers: Vec<(SessionId, usize)>,
    pub(super) recorded: bool,
}

impl Route {
    pub(super) fn is_empty(&self) -> bool {
        self.receivers.is_empty() && !self.recorded
    }
}

/// What a packet turns out to hold.
struct Content<'a> {
    codec: Codec,
    /// If the sound is in RED.
    red: Option<Red<'a>>,
    vp8: Option<Descriptor>,
    starts_keyframe: bool,
}

impl Core {
    /// Sends one packet of `track` along the edges of the graph, and nowhere else.
    pub(super) fn forward(&mut self, track: TrackKey, stream: Stream, packet: RtpPacket) {
        self.flowing(track, true);
        let whole = Arc::clone(&packet.payload);
        let Some(content) = self.content(track, &packet, &whole) else {
            self.counters.garbage += 1;
            return;
        };
        if content.starts_keyframe {
            self.keyframes.satisfied((track, stream.layer));
        }
        let Some(stream) = self.within_rate(track, stream, &packet, &content) else {
            return;
        };
        let now = self.now;
        let Some(state) = track_mut(&mut self.sessions, track) else {
            return;
        };
        state.encodings.received(stream.layer, whole.len(), now);
        if !self.routes.contains_key(&track) {
            return;
        }
        self.hear(track, &packet);
        self.record(track, stream, &packet, &content);
        self.pass_on(track, stream, packet, &content);
    }

    /// What a packet holds. Nothing if it is not what its payload type says.
    fn content<'a>(
        &self,
        track: TrackKey,
        packet: &RtpPacket,
        payload: &'a [u8],
    ) -> Option<Content<'a>> {
        let state = track_of(&self.sessions, track)?;
        let codec = state.codec;
        let mut content = Content {
            codec,
            red: None,
            vp8: None,
            starts_keyframe: false,
        };
        match codec {
            Codec::Opus if state.formats.red() == Some(packet.header.payload_type) => {
                let wraps = state.formats.payload_type(codec)?;
                let red = Red::parse(payload)?;
                let primary = red.primary();
                if primary.payload_type != *wraps || primary.payload.is_empty() {
                    return None;
                }
                content.red = Some(red);
            }
            Codec::Opus => {}
            Codec::Vp8 => {
                let descriptor = Descriptor::parse(payload)?;
                content.starts_keyframe = descriptor.starts_keyframe(payload);
                content.vp8 = Some(descriptor);
            }
            Codec::H264 => content.starts_keyframe = h264::starts_keyframe(payload),
        }
        Some(content)
    }

    /// Holds a track to its bitrate. What comes back is the stream that the packet belongs to;
    /// nothing if it is dropped.
    fn within_rate(
        &mut self,
        track: TrackKey,
        stream: Stream,
        packet: &RtpPacket,
        content: &Content<'_>,
    ) -> Option<Stream> {
        let from = self.sessions.get_mut(&track.session)?;
        let state = from.tracks.get_mut(&track.source)?;
        let (picture, rate_bps) = match track.source.kind() {
            TrackKind::Audio => (None, self.limits.sound_bps),
            TrackKind::Video => (
                Some((packet.header.timestamp, content.starts_keyframe)),
                self.limits.picture_bps,
            ),
        };
        let arrival = track_rate::Arrival {
            layer: stream.layer,
            picture,
            cost: track_rate::cost(packet.payload.len(), rate_bps),
        };
        let passage = state.rate.take(arrival, self.now);
        match passage {
            Passage::Dropped | Passage::Awaits => {
                from.meter.over_bitrate += 1;
                self.counters.over_bitrate += 1;
                if passage == Passage::Awaits {
                    self.want_keyframe(track, stream.layer);
                }
                None
            }
            Passage::PassesAgain => Some(from.begin_anew(stream)),
            Passage::Passes => Some(stream),
        }
    }

    /// Notes how loud a voice is.
    fn hear(&mut self, track: TrackKey, packet: &RtpPacket) {
        let room = self.sessions.get(&track.session).map(|from| from.room);
        if track.source == Source::Microphone
            && let Some(level) = packet.header.ext_vals.audio_level
            && let Some(room) = room.and_then(|room| self.rooms.get_mut(&room))
        {
            room.loudness
                .heard(track.session, level.unsigned_abs(), self.now);
            let due = room.loudness.deadline();
            self.levels_at = self.levels_at.into_iter().chain(due).min();
        }
    }

    /// Hands a packet to the recorder if it is to be in the record, and what it repeats of packets
    /// that were lost.
    fn record(
        &mut self,
        track: TrackKey,
        stream: Stream,
        packet: &RtpPacket,
        content: &Content<'_>,
    ) {
        let (now, kind) = (self.now, track.source.kind());
        if !self.routes.get(&track).is_some_and(|route| route.recorded) {
            return;
        }
        let Some(state) = track_mut(&mut self.sessions, track) else {
            return;
        };
        let best = state.encodings.best(now);
        let tapped = state.tap.take(kind, stream, best, content.starts_keyframe);
        if let Some(number) = tapped.recorded {
            let (seq, timestamp) = (*packet.seq_no, packet.time.numer());
            let bytes = Bytes::from_owner(Arc::clone(&packet.payload));
            let recorded = RecordedPacket {
                track,
                kind,
                codec: content.codec,
                stream: number,
                seq,
                timestamp,
                clock_rate_hz: content.codec.clock_rate_hz(),
                arrival: packet.timestamp,
                marker: packet.header.marker,
                level: packet.header.ext_vals.audio_level.map(i8::unsigned_abs),
                payload: match &content.red {
                    Some(red) => bytes.slice_ref(red.primary().payload),
                    None => bytes.clone(),
                },
                sender_report: packet.last_sender_info.and_then(|info| {
                    Some(SenderReport {
                        ntp: info.ntp_time.duration_since(UNIX_EPOCH).ok()?,
                        // The stack may extend the stamp: its low 32 bits are the report's.
                        timestamp: info.rtp_time.numer() as u32,
                    })
                }),
            };
            let is_new = kind == TrackKind::Video || state.tap.note(seq, timestamp);
            if let Some(red) = &content.red {
                for (seq, timestamp, payload) in state.tap.recover(timestamp, red) {
                    self.counters.recorded += 1;
                    self.outputs.record(RecordedPacket {
                        seq,
                        timestamp,
                        marker: false,
                        level: None,
                        payload: bytes.slice_ref(payload),
                        ..recorded.clone()
                    });
                }
            }
            if is_new {
                self.counters.recorded += 1;
                self.outputs.record(recorded);
            }
        }
        if let Some(layer) = tapped.awaits {
            self.want_keyframe(track, layer);
        }
    }

    /// Puts a packet into the present burst, for each of its receivers.
    fn pass_on(
        &mut self,
        track: TrackKey,
        stream: Stream,
        packet: RtpPacket,
        content: &Content<'_>,
    ) {
        let Some(route) = self.routes.get(&track) else {
            return;
        };
        let Some(state) = track_of(&self.sessions, track) else {
            return;
        };
        let codec = content.codec;
        let best = state.encodings.best(self.now);
        let place = self.burst.len();
        for (receiver, slot) in &route.receivers {
            let Some(session) = self.sessions.get_mut(receiver) else {
                continue;
            };
            if session.connected {
                session.waiting.push((*slot, place));
                if !session.dirty {
                    session.dirty = true;
                    self.dirty.push(*receiver);
                }
            }
        }
        self.burst.push(Forwarded {
            codec,
            layer: stream.layer,
            best,
            incoming: Incoming {
                origin: (track, stream.number),
                kind: track.source.kind(),
                seq: *packet.seq_no,
                timestamp: packet.header.timestamp,
                starts_keyframe: content.starts_keyframe,
                vp8: content.vp8.and_then(picture_numbers),
                clock_rate_hz: codec.clock_rate_hz(),
            },
            arrival: packet.timestamp,
            marker: packet.header.marker,
            extensions: Extensions::from(&packet.header.ext_vals),
            vp8: content.vp8,
            payload: match &content.red {
                Some(red) => Arc::from(red.primary().payload),
                None => Arc::clone(&packet.payload),
            },
            twofold: content.red.as_ref().map(|red| Twofold {
                blocks: red.primary().payload_type.into(),
                payload: packet.payload,
            }),
        });
    }

    /// Sends a client what of the present burst waits for it, end to end.
    pub(super) fn send_waiting(&mut self, id: SessionId) {
        let Self {
            sessions,
            outputs,
            burst,
            awaited,
            counters,
            now,
            ..
        } = self;
        let Some(session) = sessions.get_mut(&id) else {
            return;
        };
        self.at_work = Some(session.room);
        counters.forwarded += session.send_waiting(burst, *now, outputs, awaited);
        while let Some((track, layer)) = self.awaited.pop() {
            self.want_keyframe(track, layer);
        }
    }

    /// Notes that a layer of a track stays away.
    pub(super) fn paused(&mut self, track: TrackKey, layer: Layer) {
        let all =
            track_mut(&mut self.sessions, track).is_some_and(|state| state.encodings.paused(layer));
        if all {
            self.flowing(track, false);
        }
    }

    /// Notes that packets of a track come or stay away.
    pub(super) fn flowing(&mut self, track: TrackKey, flowing: bool) {
        if let Some(state) = track_mut(&mut self.sessions, track)
            && state.flowing != flowing
        {
            state.flowing = flowing;
            self.tell(Event::TrackFlowing { track, flowing });
        }
    }

    /// Wants a key frame of one layer from the sender of `track`, now or when it may be asked again.
    pub(super) fn want_keyframe(&mut self, track: TrackKey, layer: Layer) {
        if track_of(&self.sessions, track).is_some()
            && track.source.kind() == TrackKind::Video
            && self.keyframes.want((track, layer), self.now)
        {
            self.ask_keyframe((track, layer));
        }
    }

    /// The layer of `track` that somebody gets who may have up to `most`.
    pub(super) fn layer_for(&self, track: TrackKey, most: Layer) -> Layer {
        track_of(&self.sessions, track)
            .map(|state| state.encodings.best(self.now).up_to(most))
            .unwrap_or_default()
    }

    pub(super) fn ask_keyframe(&mut self, (track, layer): Encoded) {
        let Some(session) = self.sessions.get_mut(&track.session) else {
            return;
        };
        self.at_work = Some(session.room);
        if session.ask_keyframe(track.source, layer) {
            session.stack_waits = true;
            if !session.dirty {
                session.dirty = true;
                self.dirty.push(track.session);
            }
        }
    }

    /// Takes a track out of the levels of its room.
    pub(super) fn unheard(&mut self, room: RoomId, track: TrackKey) {
        if track.source == Source::Microphone
            && let Some(room) = self.rooms.get_mut(&room)
        {
            room.loudness.forget(track.session, self.now);
            let due = room.loudness.deadline();
            self.levels_at = self.levels_at.into_iter().chain(due).min();
        }
    }
}

/// The numbers that a slot must make continuous; nothing if the sender writes none.
fn picture_numbers(descriptor: Descriptor) -> Option<PictureNumbers> {
    let id = descriptor.picture_id?;
    Some(PictureNumbers {
        picture_id: id.number,
        picture_id_mask: if id.wide { 0x7fff } else { 0x7f },
        tl0_pic_idx: descriptor.tl0_pic_idx.map(|(_, index)| index),
    })
}
