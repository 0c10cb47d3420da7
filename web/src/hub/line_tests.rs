//! Line tests: people without a hearing, who hear and see each other to try their line.
//!
//! A test is a room of its own. Its graph joins every track to everybody else in the test, or to
//! its own sender while that one is alone: an echo. Nobody of a hearing is ever in such a room,
//! nothing of it is recorded, and nothing is stored.

use super::{
    Services,
    media_link::{source, track_source},
};
use crate::{edge::error::offer_code, secrets::Secret};
use otyrys_media::{self as media, Event, Graph, RoomId, SessionId, Sink, Source, TrackKey};
use otyrys_signaling::{
    TrackRef,
    wire::{ErrorCode, Offer, ServerMessage, Slot},
};
use otyrys_storage::ids::ParticipantId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Messages that wait for a slow client; one that does not fit is dropped, and the test shows a
/// bad line.
const OUTBOX: usize = 64;
/// How long an opened test may stay empty.
const EMPTY: Duration = Duration::from_secs(30);

/// How much of the server line tests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTestLimits {
    /// Sessions in all tests together.
    pub(crate) sessions: usize,
    /// How long a test lasts at most.
    pub(crate) duration: Duration,
}

/// Names a test; whoever knows it may enter, so that it cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LineTestId(String);

impl From<String> for LineTestId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl LineTestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A place in a test.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) session: SessionId,
    /// What the client is to be told.
    pub(crate) messages: mpsc::Receiver<ServerMessage>,
    /// When the test is over.
    pub(crate) ends: Instant,
}

/// All line tests of this process.
pub(crate) struct LineTests {
    services: Arc<Services>,
    limits: LineTestLimits,
    rooms: Mutex<HashMap<LineTestId, Room>>,
}

struct Room {
    room: RoomId,
    opened: Instant,
    members: BTreeMap<SessionId, Member>,
}

struct Member {
    participant: ParticipantId,
    outbox: mpsc::Sender<ServerMessage>,
}

impl LineTests {
    pub(super) fn new(services: Arc<Services>, limits: LineTestLimits) -> Self {
        Self {
            services,
            limits,
            rooms: Mutex::default(),
        }
    }

    /// Opens a test.
    ///
    /// # Errors
    /// [`ErrorCode::LimitReached`] while there are as many sessions as there may be,
    /// [`ErrorCode::NotAllowed`] where tests are switched off.
    pub(crate) fn open(&self) -> Result<LineTestId, ErrorCode> {
        if self.limits.sessions == 0 {
            return Err(ErrorCode::NotAllowed);
        }
        let mut rooms = self.lock();
        rooms.retain(|_, room| !room.members.is_empty() || room.opened.elapsed() < EMPTY);
        // An empty one counts, too, so that opening is bounded.
        let taken: usize = rooms.values().map(|room| room.members.len().max(1)).sum();
        if taken >= self.limits.sessions {
            return Err(ErrorCode::LimitReached);
        }
        let id = LineTestId(Secret::generate().reveal().to_owned());
        let room = Room {
            room: self.services.new_room(),
            opened: Instant::now(),
            members: BTreeMap::new(),
        };
        rooms.insert(id.clone(), room);
        Ok(id)
    }

    /// Takes a place in a test.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] for a test that is over or never was,
    /// [`ErrorCode::LimitReached`].
    pub(crate) fn enter(&self, id: &LineTestId) -> Result<Entered, ErrorCode> {
        let mut rooms = self.lock();
        let taken: usize = rooms.values().map(|room| room.members.len()).sum();
        let room = rooms.get_mut(id).ok_or(ErrorCode::NotFound)?;
        let ends = room.opened + self.limits.duration;
        if ends <= Instant::now() {
            return Err(ErrorCode::NotFound);
        }
        if taken >= self.limits.sessions {
            return Err(ErrorCode::LimitReached);
        }
        let session = self.services.sessions.number();
        let (outbox, messages) = mpsc::channel(OUTBOX);
        let member = Member {
            participant: ParticipantId::generate(),
            outbox,
        };
        room.members.insert(session, member);
        Ok(Entered {
            session,
            messages,
            ends,
        })
    }

    /// Answers a client's offer, and lets its tracks flow.
    pub(crate) async fn offer(&self, id: &LineTestId, session: SessionId, offer: Offer) {
        let Some(room) = self.lock().get(id).map(|room| room.room) else {
            return;
        };
        let sources = offer
            .sources
            .into_iter()
            .map(|(mid, of)| (mid.into(), source(of)))
            .collect();
        let answer = self.services.shard.offer(media::Offer {
            room,
            session,
            sdp: offer.sdp,
            sources,
            comes_back: false,
        });
        let message = match answer.await {
            Ok(sdp) => ServerMessage::Answer { id: offer.id, sdp },
            Err(error) => {
                tracing::info!(%error, "an offer of a line test was refused");
                ServerMessage::Error {
                    error: offer_code(&error),
                }
            }
        };
        self.tell(session, message);
        self.connect(id);
    }

    /// Ends a place; the test ends with its last one.
    pub(crate) fn leave(&self, id: &LineTestId, session: SessionId) {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(id) else {
            return;
        };
        room.members.remove(&session);
        let over = room.members.is_empty().then_some(room.room);
        let ended = match over {
            Some(room) => {
                rooms.remove(id);
                self.services.shard.close_room(room)
            }
            None => self.services.shard.close_session(session),
        };
        drop(rooms);
        if let Err(error) = ended {
            tracing::warn!(%error, "a session of a line test was not closed");
        }
        self.connect(id);
    }

    /// Passes on what the media core says about a session, if it is one of a test.
    pub(super) fn media_event(&self, event: &Event) -> bool {
        let (session, message) = match event {
            Event::SlotsChanged { session, slots } => {
                let slots = slots
                    .iter()
                    .map(|slot| Slot {
                        mid: slot.mid.as_str().to_owned(),
                        track: slot.track.and_then(|track| self.track_ref(track)),
                    })
                    .collect();
                (*session, ServerMessage::Slots { slots })
            }
            Event::SlotsNeeded {
                session,
                audio,
                video,
            } => (
                *session,
                ServerMessage::SlotsNeeded {
                    audio: *audio,
                    video: *video,
                },
            ),
            _ => return false,
        };
        self.tell(session, message)
    }

    /// Everybody's tracks to everybody else; to oneself when alone.
    fn connect(&self, id: &LineTestId) {
        let rooms = self.lock();
        let Some(room) = rooms.get(id) else { return };
        let alone = room.members.len() == 1;
        let everybody = || room.members.keys().copied();
        let graph: Graph = everybody()
            .flat_map(|from| everybody().map(move |to| (from, to)))
            .filter(|(from, to)| alone || from != to)
            .flat_map(|(session, to)| {
                [Source::Microphone, Source::Camera]
                    .map(|source| (TrackKey { session, source }, Sink::Session(to)))
            })
            .collect();
        if let Err(error) = self.services.shard.set_graph(room.room, graph) {
            tracing::warn!(%error, "the graph of a line test was not set");
        }
    }

    fn tell(&self, session: SessionId, message: ServerMessage) -> bool {
        let rooms = self.lock();
        let member = rooms.values().find_map(|room| room.members.get(&session));
        if let Some(member) = member {
            // See `OUTBOX`.
            let _ = member.outbox.try_send(message);
        }
        member.is_some()
    }

    fn track_ref(&self, track: TrackKey) -> Option<TrackRef> {
        let rooms = self.lock();
        let mut members = rooms.values().map(|room| &room.members);
        let member = members.find_map(|members| members.get(&track.session))?;
        Some(TrackRef {
            participant: member.participant,
            source: track_source(track.source),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LineTestId, Room>> {
        // Each access leaves the map whole.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
