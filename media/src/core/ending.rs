//! The ends of tracks, sessions and rooms.

use super::Core;
use crate::{DisconnectReason, Event, RoomId, SessionId, TrackKey};

impl Core {
    pub(super) fn track_stopped(&mut self, room: RoomId, track: TrackKey) {
        self.routes.remove(&track);
        self.keyframes.forget(track);
        self.unheard(room, track);
        self.tell(Event::TrackStopped { track });
    }

    pub(super) fn close_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.close(self.now, &mut self.outputs);
            self.end_session(id, None);
        }
    }

    pub(super) fn end_session(&mut self, id: SessionId, reason: Option<DisconnectReason>) {
        if let Some(room) = self.forget_session(id, reason) {
            self.connect_tracks(room);
            self.drop_empty_room(room);
        }
    }

    /// Ends a session without a look at the others of its room, which is returned.
    pub(super) fn forget_session(
        &mut self,
        id: SessionId,
        reason: Option<DisconnectReason>,
    ) -> Option<RoomId> {
        let mut session = self.sessions.remove(&id)?;
        self.demux.forget_fragment(&session.fragment());
        for address in &session.addresses {
            self.demux.forget_address(*address, id);
        }
        if let Some(scheduled) = session.scheduled {
            self.deadlines.remove(&(scheduled, id));
        }
        for source in session.tracks.keys() {
            let track = TrackKey {
                session: id,
                source: *source,
            };
            self.track_stopped(session.room, track);
        }
        if let Some(reason) = reason {
            self.counters.failed_sessions += u64::from(reason == DisconnectReason::Failed);
            self.tell(Event::Disconnected {
                session: id,
                reason,
            });
        }
        if let Some(room) = self.rooms.get_mut(&session.room) {
            room.sessions.remove(&id);
        }
        Some(session.room)
    }

    pub(super) fn drop_empty_room(&mut self, room: RoomId) {
        if self
            .rooms
            .get(&room)
            .is_some_and(|room| room.sessions.is_empty() && room.graph.edges().next().is_none())
        {
            self.rooms.remove(&room);
        }
    }
}
