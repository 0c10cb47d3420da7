//! From the graph of a room to slots and routes.

use super::forward::Route;
use super::{Core, slot};
use crate::{Codec, Event, Layer, RoomId, SessionId, Sink, TrackKey, TrackKind};
use std::collections::{BTreeMap, BTreeSet};

impl Core {
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
            let new = assignment.new_pictures.into_iter();
            new_pictures.extend(new.map(|track| (*receiver, track)));
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
                self.outputs.tell(Event::SlotsNeeded {
                    session: *receiver,
                    audio,
                    video,
                });
            }
        }
        for (track, route) in routes {
            // A voice that lost its last sink is heard by nobody, and must not be shown as heard.
            if route.is_empty() {
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
        for (receiver, track) in new_pictures {
            let allowed = self.sessions.get(&receiver).is_some_and(|session| {
                let mut slots = session.slots.iter();
                slots.any(|slot| slot.track() == Some(track) && slot.allowed().is_some())
            });
            // One that came before the line is found to carry the picture would be of no use, and
            // hold up the one after it.
            if !allowed {
                continue;
            }
            self.want_keyframe(track, self.layer_for(track, Layer::SMALLEST));
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
