//! The hearings that are alive in this process: one task each, which owns its state.

mod checkpoints;
mod connection;
mod hearing_task;
mod line_quality;
mod line_tests;
mod media_link;
mod record_watch;
mod stretches;

pub use connection::{Connection, ConnectionId, Outbox};
pub use hearing_task::DraftNotice;
pub(crate) use hearing_task::{Listener, SoundStretch, new_event};
pub(crate) use line_tests::{Entered, LineTestId, LineTestLimits, LineTests};

use crate::{
    attesting::Witnesses,
    cli::explain,
    draft::Draft,
    links::Links,
    metrics::PeopleFigures,
    recording::{RecordNotice, Recording},
    steady_clock::SteadyClock,
    stores::Stores,
    turn::Turn,
};
use hearing_task::{HearingTask, Input};
use jiff::Timestamp;
use otyrys_media::{Event, RoomId, SessionId, ShardHandle};
use otyrys_signaling::{
    Hearing, HearingEvent, HearingState, HearingSubject, Person, Refusal,
    wire::{ClientMessage, ListeningId},
};
use otyrys_storage::{
    Database, StorageError,
    ids::{HearingId, ParticipantId},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Inputs that wait for a hearing. Fifty people who all act at once stay far below it.
const INPUTS: usize = 1024;

/// Why the hub could not.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The hearing refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What is to stand in place of a line says nothing, or too much.
    #[error("this cannot stand in place of a line")]
    LineText,
    /// There is no such hearing.
    #[error("no such hearing")]
    UnknownHearing,
    /// The server is shutting down, or the hearing's task has ended.
    #[error("the hearing is not running")]
    Stopping,
    /// The database or the disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What every hearing's task needs of the server.
pub(crate) struct Services {
    pub(crate) stores: Stores,
    pub(crate) shard: ShardHandle,
    pub(crate) recording: Recording,
    pub(crate) draft: Draft,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) links: Links,
    pub(crate) turn: Turn,
    pub(crate) clock: SteadyClock,
    pub(crate) people: PeopleFigures,
    /// Most people of one hearing who are connected at once.
    participants: u64,
    /// Small errands of hearings, which end with the client that they are for.
    tasks: TaskTracker,
    sessions: Sessions,
    next_room: AtomicU64,
}

/// Which hearing a media session belongs to.
#[derive(Debug, Default)]
struct Sessions {
    next: AtomicU64,
    owners: Mutex<HashMap<SessionId, HearingId>>,
}

impl Services {
    fn new_room(&self) -> RoomId {
        RoomId(self.next_room.fetch_add(1, Ordering::Relaxed))
    }
}

impl Sessions {
    /// A number that no other session has.
    fn number(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn open(&self, hearing: HearingId) -> SessionId {
        let session = self.number();
        self.lock().insert(session, hearing);
        session
    }

    fn owner(&self, session: SessionId) -> Option<HearingId> {
        self.lock().get(&session).copied()
    }

    fn forget(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, HearingId>> {
        // A panic elsewhere cannot leave the map half-changed: each access is one call.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All hearings of this process.
#[derive(Clone)]
pub struct Hub {
    services: Arc<Services>,
    hearings: Arc<tokio::sync::Mutex<HashMap<HearingId, Running>>>,
    line_tests: Arc<LineTests>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Running {
    handle: HearingHandle,
    room: RoomId,
}

impl Hub {
    /// A hub without a hearing; they are loaded when somebody comes.
    #[must_use]
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of the server that hearings use, each once"
    )]
    pub(crate) fn new(
        stores: Stores,
        shard: ShardHandle,
        recording: Recording,
        draft: Draft,
        witnesses: Arc<Witnesses>,
        links: Links,
        turn: Turn,
        line_tests: LineTestLimits,
        participants: u64,
        people: PeopleFigures,
        stop: CancellationToken,
    ) -> Self {
        let tasks = TaskTracker::new();
        let services = Services {
            stores,
            shard,
            recording,
            draft,
            witnesses,
            links,
            turn,
            clock: SteadyClock::start(),
            people,
            participants,
            tasks: tasks.clone(),
            sessions: Sessions::default(),
            next_room: AtomicU64::new(0),
        };
        let services = Arc::new(services);
        Self {
            line_tests: Arc::new(LineTests::new(services.clone(), line_tests)),
            services,
            hearings: Arc::default(),
            tasks,
            stop,
        }
    }

    /// The hearing, loaded from its events if it is not running yet.
    ///
    /// # Errors
    /// [`HubError::UnknownHearing`], [`HubError::Storage`].
    pub async fn hearing(&self, id: HearingId) -> Result<HearingHandle, HubError> {
        let mut hearings = self.hearings.lock().await;
        if let Some(running) = hearings
            .get(&id)
            .filter(|running| !running.handle.inputs.is_closed())
        {
            return Ok(running.handle.clone());
        }
        if self.stop.is_cancelled() {
            return Err(HubError::Stopping);
        }
        let stores = &self.services.stores;
        let hearing = load(&stores.database, id).await?;
        // Nothing may be recorded that could not be read again.
        match stores.spool.keys().ensure(&stores.database, id).await {
            Ok(()) | Err(StorageError::KeyDestroyed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if hearing.state() != HearingState::Closed {
            stores.ensure_backup_key(id).await;
        }
        let room = self.services.new_room();
        let (inputs, queue) = mpsc::channel(INPUTS);
        let handle = HearingHandle { inputs };
        let task = HearingTask::new(hearing, room, Arc::clone(&self.services));
        self.tasks.spawn(task.run(queue, self.stop.clone()));
        self.tasks.spawn(checkpoints::sign_while_open(
            self.services.stores.clone(),
            id,
            checkpoints::EACH,
            Arc::clone(&self.services.witnesses),
            self.stop.clone(),
        ));
        hearings.insert(
            id,
            Running {
                handle: handle.clone(),
                room,
            },
        );
        Ok(handle)
    }

    /// Loads a hearing that was open when the server stopped, so that people who come back find it
    /// and what was left of its record is finished.
    ///
    /// # Errors
    /// [`HubError::Storage`].
    pub(crate) async fn resume(&self, id: HearingId) -> Result<(), HubError> {
        self.hearing(id).await?.put(Input::Restarted).await
    }

    /// Cancelled when the server stops.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The line tests of this process.
    pub(crate) fn line_tests(&self) -> &Arc<LineTests> {
        &self.line_tests
    }

    /// Passes on what the media core says, to the hearing or the line test that it concerns.
    pub(crate) async fn media_event(&self, event: Event) {
        if self.line_tests.media_event(&event) {
            return;
        }
        let hearing = match &event {
            Event::Connected { session }
            | Event::Disconnected { session, .. }
            | Event::SlotsChanged { session, .. }
            | Event::SlotsNeeded { session, .. }
            | Event::SoundOnly { session, .. } => self.services.sessions.owner(*session),
            Event::TrackStarted { track, .. }
            | Event::TrackStopped { track }
            | Event::TrackFlowing { track, .. }
            | Event::LayersWatched { track, .. } => self.services.sessions.owner(track.session),
            Event::Line(report) => self.services.sessions.owner(report.session),
            Event::Levels { room, .. } | Event::RoomFailed { room } => self.hearing_of(*room).await,
            Event::RecorderBehind { dropped } => {
                tracing::error!(packets.dropped = dropped, "the recorder does not keep up");
                return self.everywhere(|| Input::RecorderBehind).await;
            }
        };
        if let Some(hearing) = hearing {
            self.put(hearing, Input::Media(event)).await;
        }
    }

    /// Passes on what happened to the record.
    pub(crate) async fn record_notice(&self, hearing: HearingId, notice: RecordNotice) {
        self.put(hearing, Input::Record(notice)).await;
    }

    /// Passes on what happened to the draft of one hearing, or of all.
    pub(crate) async fn draft_notice(&self, hearing: Option<HearingId>, notice: DraftNotice) {
        match hearing {
            Some(hearing) => self.put(hearing, Input::Draft(notice)).await,
            None => self.everywhere(|| Input::Draft(notice.clone())).await,
        }
    }

    /// Waits until every hearing's task has said goodbye. The stop token must be cancelled first.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn hearing_of(&self, room: RoomId) -> Option<HearingId> {
        let hearings = self.hearings.lock().await;
        hearings
            .iter()
            .find(|(_, running)| running.room == room)
            .map(|(id, _)| *id)
    }

    /// Loads the hearing if need be: what the record and the draft say is stored also when nobody
    /// is there.
    async fn put(&self, hearing: HearingId, input: Input) {
        let told = match self.hearing(hearing).await {
            Ok(handle) => handle.put(input).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(()) | Err(HubError::Stopping) => {}
            Err(error) => {
                tracing::error!(hearing.id = %hearing, error = explain(&error), "a hearing cannot be told what happened");
            }
        }
    }

    async fn everywhere(&self, input: impl Fn() -> Input) {
        let handles: Vec<_> = self
            .hearings
            .lock()
            .await
            .values()
            .map(|r| r.handle.clone())
            .collect();
        for handle in handles {
            let _ended = handle.put(input()).await;
        }
    }
}

/// The way to one hearing.
#[derive(Debug, Clone)]
pub struct HearingHandle {
    inputs: mpsc::Sender<Input>,
}

impl HearingHandle {
    /// A client of a seat is here.
    ///
    /// # Errors
    /// [`HubError::Stopping`].
    pub async fn connect(&self, connection: Connection) -> Result<(), HubError> {
        self.put(Input::Connected(connection)).await
    }

    /// A client said something.
    ///
    /// # Errors
    /// [`HubError::Stopping`].
    pub async fn message(
        &self,
        from: ConnectionId,
        message: ClientMessage,
    ) -> Result<(), HubError> {
        self.put(Input::Message(from, message)).await
    }

    /// A client is gone without a word.
    pub async fn gone(&self, connection: ConnectionId) {
        let _ended = self.put(Input::Gone(connection)).await;
    }

    /// A person took the seat of a rehearsal participant.
    ///
    /// # Errors
    /// [`HubError::Stopping`].
    pub async fn seat_taken(&self, participant: ParticipantId) -> Result<(), HubError> {
        self.put(Input::SeatTaken(participant)).await
    }

    /// A person begins to listen to the record. That they do is stored when this returns.
    ///
    /// # Errors
    /// [`HubError::Refused`] if they may not.
    pub(crate) async fn listen(&self, listener: Listener) -> Result<ListeningId, HubError> {
        self.ask(|answer| Input::Listen(listener, answer)).await?
    }

    /// A stretch of a track is about to be sent to a listener.
    ///
    /// # Errors
    /// [`HubError::Refused`] if they do not listen to this track, or may not any more: then it must
    /// not be sent.
    pub(crate) async fn sending_sound(
        &self,
        by: ParticipantId,
        listening: ListeningId,
        stretch: SoundStretch,
    ) -> Result<(), HubError> {
        self.ask(|answer| Input::SendingSound(by, listening, stretch, answer))
            .await?
    }

    /// A person has listened enough. What was sent is stored when this returns; nothing happens if
    /// the listening has ended before.
    ///
    /// # Errors
    /// [`HubError::Storage`].
    pub(crate) async fn stop_listening(
        &self,
        by: ParticipantId,
        listening: ListeningId,
    ) -> Result<(), HubError> {
        self.ask(|answer| Input::StopListening(by, listening, answer))
            .await?
    }

    /// The hearing as it stands.
    ///
    /// # Errors
    /// [`HubError::Stopping`].
    pub async fn snapshot(&self) -> Result<Hearing, HubError> {
        self.ask(Input::Snapshot).await
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, HubError> {
        let (answer, receive) = oneshot::channel();
        self.put(input(answer)).await?;
        receive.await.map_err(|_| HubError::Stopping)
    }

    async fn put(&self, input: Input) -> Result<(), HubError> {
        self.inputs
            .send(input)
            .await
            .map_err(|_| HubError::Stopping)
    }
}

/// Builds a hearing from what is stored: its subject, then all its events.
///
/// # Errors
/// [`HubError::UnknownHearing`], [`HubError::Storage`].
pub async fn load(database: &Database, id: HearingId) -> Result<Hearing, HubError> {
    replay(database, id, |_, _, _| {}).await
}

/// [`load`], with a look at the hearing after each of its events.
///
/// # Errors
/// As [`load`].
pub(crate) async fn replay(
    database: &Database,
    id: HearingId,
    mut after: impl FnMut(&Hearing, Timestamp, &HearingEvent),
) -> Result<Hearing, HubError> {
    let row = database.hearing(id).await.map_err(|error| match error {
        StorageError::NotFound(_) => HubError::UnknownHearing,
        other => HubError::Storage(other),
    })?;
    let mut people = Vec::new();
    for row in database.participants(id).await? {
        people.push(Person {
            id: row.id,
            name: row.name,
            role: parse(&row.role)?,
            place: parse(&row.place)?,
            language: parse(&row.language)?,
        });
    }
    let mut hearing = Hearing::new(HearingSubject {
        id,
        case_number: row.case_number,
        case_title: row.case_title,
        court: row.court_name,
        courtroom: row.courtroom,
        language: parse(&row.language)?,
        scheduled_at: row.scheduled_at,
        people,
    });
    for stored in database.events(id).await? {
        let event = event_of(&stored.kind, stored.data)?;
        hearing.apply(stored.at, &event);
        after(&hearing, stored.at, &event);
    }
    Ok(hearing)
}

fn event_of(kind: &str, data: serde_json::Value) -> Result<HearingEvent, StorageError> {
    let mut tagged = serde_json::Map::from_iter([("kind".to_owned(), kind.into())]);
    if !data.is_null() {
        tagged.insert("data".to_owned(), data);
    }
    serde_json::from_value(tagged.into()).map_err(|error| StorageError::Corrupt {
        what: format!("an event of kind {kind}"),
        reason: error.to_string(),
    })
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_value(text.into()).map_err(|error| StorageError::Corrupt {
        what: format!("the stored word {text:?}"),
        reason: error.to_string(),
    })
}
