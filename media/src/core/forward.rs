//! From a track to its sinks: the only place where packets of one session reach another.

use super::keyframes::Encoded;
use super::rewriter::{Incoming, PictureNumbers};
use super::session::Stream;
use super::slot::{self, Forwarded, Twofold};
use super::tap::Tapped;
use super::track_rate::{self, Passage};
use super::{Core, Output};
use crate::{
    Codec, Event, Layer, MAX_LAYERS, RecordedPacket, RoomId, SenderReport, SessionId, Sink, Source,
    TrackKey, TrackKind, h264, red::Red,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use str0m::media::{ExtensionValues, Pt};
use str0m::rtp::{RtpPacket, Vp8Descriptor};

/// The sinks of one track, worked out when the graph or the slots change, not for each packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    receivers: Vec<(SessionId, usize)>,
    recorded: bool,
}

impl Core {
    /// Sends one packet of `track` along the edges of the graph, and nowhere else.
    pub(super) fn forward(&mut self, track: TrackKey, mut stream: Stream, packet: RtpPacket) {
        self.flowing(track, true);
        let layer = stream.layer;
        let kind = track.source.kind();
        let Some((codec, wraps)) = self.format_of(track, packet.header.payload_type) else {
            return;
        };
        let whole = Arc::clone(&packet.payload);
        let red = wraps.and_then(|payload_type| {
            Red::parse(&whole).filter(|red| {
                let primary = red.primary();
                primary.payload_type == *payload_type && !primary.payload.is_empty()
            })
        });
        if wraps.is_some() && red.is_none() {
            self.counters.garbage += 1;
            return;
        }
        let (descriptor, starts_keyframe) = match codec {
            Codec::Opus => (None, false),
            Codec::Vp8 => {
                let Ok(descriptor) = Vp8Descriptor::parse(&packet.payload) else {
                    self.counters.garbage += 1;
                    return;
                };
                (
                    Some(descriptor),
                    descriptor.starts_keyframe(&packet.payload),
                )
            }
            Codec::H264 => (None, h264::starts_keyframe(&packet.payload)),
        };
        if starts_keyframe {
            self.keyframes.satisfied((track, layer));
        }
        let now = self.now;
        let Some(from) = self.sessions.get_mut(&track.session) else {
            return;
        };
        let room = from.room;
        let Some(state) = from.tracks.get_mut(&track.source) else {
            return;
        };
        let (picture, rate_bps) = match kind {
            TrackKind::Audio => (None, self.limits.sound_bps),
            TrackKind::Video => (
                Some((packet.header.timestamp, starts_keyframe)),
                self.limits.picture_bps,
            ),
        };
        let arrival = track_rate::Arrival {
            layer,
            picture,
            cost: track_rate::cost(packet.payload.len(), rate_bps),
        };
        let passage = state.rate.take(arrival, now);
        if matches!(passage, Passage::Dropped | Passage::Awaits) {
            from.meter.over_bitrate += 1;
            self.counters.over_bitrate += 1;
            if passage == Passage::Awaits {
                self.want_keyframe(track, layer);
            }
            return;
        }
        if passage == Passage::PassesAgain {
            stream = from.begin_anew(stream);
        }
        let Some(state) = from.tracks.get_mut(&track.source) else {
            return;
        };
        state.encodings.received(layer, packet.payload.len(), now);
        let best = state.encodings.best(now);
        let Some(route) = self.routes.get(&track) else {
            return;
        };
        let mut awaited = [false; MAX_LAYERS];
        let tapped = if route.recorded {
            state.tap.take(kind, stream, best, starts_keyframe)
        } else {
            Tapped::default()
        };
        if track.source == Source::Microphone
            && let Some(level) = packet.header.ext_vals.audio_level
            && let Some(room) = self.rooms.get_mut(&room)
        {
            room.loudness
                .heard(track.session, level.unsigned_abs(), now);
            let due = room.loudness.deadline();
            self.levels_at = self.levels_at.into_iter().chain(due).min();
        }
        if let Some(layer) = tapped.awaits {
            awaited[layer.index()] = true;
        }
        if let Some(number) = tapped.recorded {
            let (seq, timestamp) = (*packet.seq_no, packet.time.numer());
            let bytes = Bytes::from_owner(Arc::clone(&whole));
            let recorded = RecordedPacket {
                track,
                kind,
                codec,
                stream: number,
                seq,
                timestamp,
                clock_rate_hz: codec.clock_rate_hz(),
                arrival: packet.timestamp,
                marker: packet.header.marker,
                payload: match &red {
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
            if let Some(red) = &red {
                for (seq, timestamp, payload) in state.tap.recover(timestamp, red) {
                    self.counters.recorded += 1;
                    self.outputs.push_back(Output::Recorded(RecordedPacket {
                        seq,
                        timestamp,
                        marker: false,
                        payload: bytes.slice_ref(payload),
                        ..recorded.clone()
                    }));
                }
            }
            if is_new {
                self.counters.recorded += 1;
                self.outputs.push_back(Output::Recorded(recorded));
            }
        }
        let forwarded = Forwarded {
            codec,
            layer,
            best,
            incoming: Incoming {
                origin: (track, stream.number),
                kind,
                seq: *packet.seq_no,
                timestamp: packet.header.timestamp,
                starts_keyframe,
                vp8: descriptor.and_then(|vp8| picture_numbers(&vp8, &packet.payload)),
                clock_rate_hz: codec.clock_rate_hz(),
            },
            arrival: packet.timestamp,
            marker: packet.header.marker,
            extensions: ExtensionValues {
                audio_level: packet.header.ext_vals.audio_level,
                voice_activity: packet.header.ext_vals.voice_activity,
                video_orientation: packet.header.ext_vals.video_orientation,
                ..ExtensionValues::default()
            },
            descriptor,
            payload: match &red {
                Some(red) => Arc::from(red.primary().payload),
                None => packet.payload,
            },
            twofold: red.as_ref().map(|red| Twofold {
                blocks: red.primary().payload_type.into(),
                payload: Arc::clone(&whole),
            }),
        };
        for (receiver, slot) in &route.receivers {
            let Some(session) = self.sessions.get_mut(receiver) else {
                continue;
            };
            if !session.connected {
                continue;
            }
            let written = session.write(*slot, &forwarded);
            if let Some(layer) = written.awaits {
                awaited[layer.index()] = true;
            }
            if written.queued {
                self.counters.forwarded += 1;
                if !session.dirty {
                    session.dirty = true;
                    self.dirty.push(*receiver);
                }
            }
        }
        for layer in Layer::ALL {
            if awaited[layer.index()] {
                self.want_keyframe(track, layer);
            }
        }
    }

    /// How a packet of a track is encoded; if it is in RED, what its blocks must be.
    fn format_of(&self, track: TrackKey, payload_type: Pt) -> Option<(Codec, Option<Pt>)> {
        let from = self.sessions.get(&track.session)?;
        let state = from.tracks.get(&track.source)?;
        let formats = &state.formats;
        let in_red = formats.red() == Some(payload_type);
        let wraps = formats.payload_type(state.codec).filter(|_| in_red);
        Some((state.codec, wraps))
    }

    /// Notes that a layer of a track stays away.
    pub(super) fn paused(&mut self, track: TrackKey, layer: Layer) {
        let all = self
            .sessions
            .get_mut(&track.session)
            .and_then(|from| from.tracks.get_mut(&track.source))
            .is_some_and(|state| state.encodings.paused(layer));
        if all {
            self.flowing(track, false);
        }
    }

    /// Notes that packets of a track come or stay away.
    pub(super) fn flowing(&mut self, track: TrackKey, flowing: bool) {
        let state = self
            .sessions
            .get_mut(&track.session)
            .and_then(|from| from.tracks.get_mut(&track.source));
        if let Some(state) = state
            && state.flowing != flowing
        {
            state.flowing = flowing;
            self.tell(Event::TrackFlowing { track, flowing });
        }
    }

    /// Wants a key frame of one layer from the sender of `track`, now or when it may be asked again.
    pub(super) fn want_keyframe(&mut self, track: TrackKey, layer: Layer) {
        let exists = self
            .sessions
            .get(&track.session)
            .is_some_and(|from| from.tracks.contains_key(&track.source));
        if exists
            && track.source.kind() == TrackKind::Video
            && self.keyframes.want((track, layer), self.now)
        {
            self.ask_keyframe((track, layer));
        }
    }

    /// The layer of `track` that somebody gets who may have up to `most`.
    pub(super) fn layer_for(&self, track: TrackKey, most: Layer) -> Layer {
        self.sessions
            .get(&track.session)
            .and_then(|from| from.tracks.get(&track.source))
            .map(|state| state.encodings.best(self.now).up_to(most))
            .unwrap_or_default()
    }

    pub(super) fn ask_keyframe(&mut self, (track, layer): Encoded) {
        let Some(session) = self.sessions.get_mut(&track.session) else {
            return;
        };
        self.at_work = Some(session.room);
        if session.ask_keyframe(track.source, layer) && !session.dirty {
            session.dirty = true;
            self.dirty.push(track.session);
        }
    }

    /// Works out slots and routes of a room anew, after its graph, sessions or tracks changed.
    pub(super) fn connect_tracks(&mut self, id: RoomId) {
        self.at_work = Some(id);
        let Some(room) = self.rooms.get(&id) else {
            return;
        };
        let tracks: Vec<(TrackKey, Codec)> = room
            .sessions
            .iter()
            .filter_map(|session| Some((session, self.sessions.get(session)?)))
            .flat_map(|(session, state)| {
                state.tracks.iter().map(|(source, state)| {
                    let track = TrackKey {
                        session: *session,
                        source: *source,
                    };
                    (track, state.codec)
                })
            })
            .collect();
        let mut routes: BTreeMap<TrackKey, Route> = BTreeMap::new();
        let mut wanted: BTreeMap<SessionId, BTreeMap<TrackKey, Codec>> = room
            .sessions
            .iter()
            .map(|session| (*session, BTreeMap::new()))
            .collect();
        for (track, codec) in tracks {
            let route = routes.entry(track).or_default();
            for sink in room.graph.sinks(track) {
                match sink {
                    Sink::Recorder => route.recorded = true,
                    // A session that is not in the room has no entry, so that it gets nothing.
                    Sink::Session(receiver) => {
                        if let Some(wanted) = wanted.get_mut(receiver) {
                            wanted.insert(track, codec);
                        }
                    }
                }
            }
        }
        let mut new_pictures = Vec::new();
        let mut told = Vec::new();
        for (receiver, wanted) in &wanted {
            let Some(session) = self.sessions.get_mut(receiver) else {
                continue;
            };
            let assignment = slot::assign(&mut session.slots, wanted);
            new_pictures.extend(assignment.new_pictures);
            for (index, slot) in session.slots.iter().enumerate() {
                if let Some(route) = slot.track().and_then(|track| routes.get_mut(&track)) {
                    route.receivers.push((*receiver, index));
                }
            }
            if assignment.changed {
                told.push(*receiver);
            }
            if let Some((audio, video)) = assignment.needed
                && session.told_needed != assignment.needed
            {
                session.told_needed = assignment.needed;
                self.outputs.push_back(Output::Event(Event::SlotsNeeded {
                    session: *receiver,
                    audio,
                    video,
                }));
            }
        }
        for (track, route) in routes {
            // A voice that lost its last sink is heard by nobody, and must not be shown as heard.
            if route == Route::default() {
                if self.routes.remove(&track).is_some() {
                    self.unheard(id, track);
                }
            } else {
                self.routes.insert(track, route);
            }
        }
        for receiver in told {
            self.tell_slots(receiver);
        }
        self.allocate_room(id);
        for track in new_pictures {
            self.want_keyframe(track, self.layer_for(track, Layer::SMALLEST));
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

    /// Tells what fills the slots of a session.
    pub(super) fn tell_slots(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(&id) {
            let slots = session.slots.iter().map(slot::Slot::fill).collect();
            self.tell(Event::SlotsChanged { session: id, slots });
        }
    }

    /// The pictures of a room that the recorder gets.
    pub(super) fn recorded_pictures(&self, room: RoomId) -> BTreeSet<TrackKey> {
        let Some(room) = self.rooms.get(&room) else {
            return BTreeSet::new();
        };
        room.graph
            .edges()
            .filter(|(track, sinks)| {
                track.source.kind() == TrackKind::Video && sinks.contains(&Sink::Recorder)
            })
            .map(|(track, _)| track)
            .collect()
    }
}

/// The numbers that a slot must make continuous; nothing if the sender writes none.
fn picture_numbers(descriptor: &Vp8Descriptor, payload: &[u8]) -> Option<PictureNumbers> {
    /// The M bit of the picture id, which follows the extension octet (RFC 7741, section 4.2).
    const WIDE: u8 = 0x80;

    let picture_id = descriptor.picture_id()?;
    let wide = payload.get(2).is_some_and(|octet| octet & WIDE != 0);
    Some(PictureNumbers {
        picture_id,
        picture_id_mask: if wide { 0x7fff } else { 0x7f },
        tl0_pic_idx: descriptor.tl0_pic_idx(),
    })
}
