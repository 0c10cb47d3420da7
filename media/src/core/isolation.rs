//! A bug of ours ends one hearing, not all of a shard.

use super::Core;
use super::loudness::Loudness;
use crate::{DisconnectReason, Event, RoomId, SessionId};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl Core {
    /// Does `work`. Nothing comes back if it panicked: the room that it was at work for has ended
    /// then. Rooms share no state but the maps that name them, and these are purged of it.
    ///
    /// A panic for no room in particular is passed on; it ends the shard.
    pub(super) fn isolated<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.at_work = None;
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(done) => Some(done),
            Err(panic) => {
                let Some(room) = self.at_work.take() else {
                    resume_unwind(panic);
                };
                self.abandon(room);
                None
            }
        }
    }

    /// Ends all sessions of a room, whatever state it is in. Its clients come back with new ones.
    fn abandon(&mut self, id: RoomId) {
        self.counters.failed_rooms += 1;
        let sessions: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.room == id)
            .map(|(session, _)| *session)
            .collect();
        for session in sessions {
            self.forget_session(session, Some(DisconnectReason::Failed));
        }
        if let Some(room) = self.rooms.get_mut(&id) {
            // One that was being answered is in nobody's hands any more.
            for session in std::mem::take(&mut room.sessions) {
                self.outputs.tell(Event::Disconnected {
                    session,
                    reason: DisconnectReason::Failed,
                });
            }
            room.loudness = Loudness::default();
        }
        let sessions = &self.sessions;
        self.demux.retain(|session| sessions.contains_key(&session));
        self.deadlines
            .retain(|(_, session)| sessions.contains_key(session));
        self.routes
            .retain(|track, _| sessions.contains_key(&track.session));
        self.drop_empty_room(id);
        self.tell(Event::RoomFailed { room: id });
    }
}
