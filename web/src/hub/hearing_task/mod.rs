//! The task of one hearing: the only one who changes its state.

mod dictionary;
mod editing;
mod listening;
mod media;

pub(crate) use listening::{Listener, SoundStretch};

use super::{
    Services,
    connection::{Connection, ConnectionId, PeerSession},
    media_link::{EndedPeers, KeptSessions, SessionMap},
    record_watch::RecordWatch,
};
use crate::{
    cli::explain,
    draft::Speech,
    edge::error::{hub_code, refusal_code},
    hub::HubError,
    jobs,
    recording::{RecordNotice, Route},
};
use jiff::Timestamp;
use listening::Listenings;
use otyrys_media::{Event as MediaEvent, RoomId, SessionId, TrackKey};
use otyrys_signaling::{
    Actor, Command, Graph, Hearing, HearingEvent, HearingState, RecordFault, Sink, TrackRef,
    favoured_pictures, hearing_view, who_receives_what,
    wire::{
        Act, ByeReason, ClientMessage, DraftGuess, DraftLine, DraftState, ErrorCode, HearingView,
        LearntCorrection, ListeningId, PROTOCOL_VERSION, ServerMessage,
    },
};
use otyrys_storage::{
    NewEvent, StorageError,
    ids::{ParticipantId, SegmentId},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often the record is checked against what arrives.
const TICK: Duration = Duration::from_millis(500);

/// Where the outcome of an input is awaited.
type Answer<T> = oneshot::Sender<Result<T, HubError>>;

/// Everything that can happen to a hearing.
#[derive(Debug)]
pub(super) enum Input {
    /// A client of a seat said hello.
    Connected(Connection),
    /// A client said something.
    Message(ConnectionId, ClientMessage),
    /// A client is gone.
    Gone(ConnectionId),
    /// A person took a rehearsal participant's seat.
    SeatTaken(ParticipantId),
    /// The media core said something about this hearing.
    Media(MediaEvent),
    /// Something happened to the record.
    Record(RecordNotice),
    /// Packets were dropped before they reached the recorder.
    RecorderBehind,
    /// Something happened to the draft.
    Draft(DraftNotice),
    /// The server started while this hearing was open.
    Restarted,
    /// Somebody wants to see the state.
    Snapshot(oneshot::Sender<Hearing>),
    /// Somebody wants to listen to the record.
    Listen(Listener, Answer<ListeningId>),
    /// Sound of the record is about to be sent to a listener.
    SendingSound(ParticipantId, ListeningId, SoundStretch, Answer<()>),
    /// Somebody has listened enough.
    StopListening(ParticipantId, ListeningId, Answer<()>),
}

/// What the recogniser says to a hearing.
#[derive(Debug, Clone)]
pub enum DraftNotice {
    /// A line, stored already.
    Line(DraftLine),
    /// What somebody is saying; nothing when that is over.
    Guess(ParticipantId, Option<DraftGuess>),
    /// A file of the record has been read to its end.
    SegmentRead(SegmentId),
    /// How it is doing.
    State(DraftState),
}

/// A hearing with everything that is attached to it while it is alive.
pub(super) struct HearingTask {
    hearing: Hearing,
    room: RoomId,
    services: Arc<Services>,
    connections: BTreeMap<ConnectionId, Connection>,
    sessions: SessionMap,
    kept: KeptSessions,
    ended: EndedPeers,
    /// Who has had a media session: they are let in again however busy the server is.
    had_media: BTreeSet<ParticipantId>,
    graph: Graph,
    record: RecordWatch,
    draft: DraftState,
    /// What judge and clerk were told that the dictionary learnt.
    learnt: Vec<LearntCorrection>,
    /// The second copy of the sound cannot be written.
    backup_fault: bool,
    listenings: Listenings,
    /// What happened and could not be stored.
    unstored: Vec<NewEvent>,
}

impl HearingTask {
    pub(super) fn new(hearing: Hearing, room: RoomId, services: Arc<Services>) -> Self {
        let draft = services.draft.state();
        Self {
            hearing,
            room,
            services,
            connections: BTreeMap::new(),
            sessions: SessionMap::default(),
            kept: KeptSessions::default(),
            ended: EndedPeers::default(),
            had_media: BTreeSet::new(),
            graph: Graph::new(),
            record: RecordWatch::default(),
            draft,
            learnt: Vec::new(),
            backup_fault: false,
            listenings: Listenings::default(),
            unstored: Vec::new(),
        }
    }

    /// Runs until the server stops.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Input>, stop: CancellationToken) {
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                input = queue.recv() => match input {
                    Some(input) => self.handle(input).await,
                    None => break,
                },
                _ = tick.tick() => {
                    self.end_kept_sessions();
                    self.end_idle_listenings(Instant::now()).await;
                    self.check_record().await
                }
            };
            if let Err(error) = outcome {
                tracing::error!(hearing.id = %self.hearing.subject().id, error = explain(&error), "an input of a hearing failed");
            }
            self.serve_draft().await;
            self.drop_lost().await;
            if self.hearing.state() == HearingState::Closed {
                self.part();
            }
        }
        self.end_all_listenings().await;
        for connection in self.connections.values() {
            connection.outbox.send(ServerMessage::Bye {
                reason: ByeReason::Restarting,
            });
        }
    }

    async fn handle(&mut self, input: Input) -> Result<(), HubError> {
        match input {
            Input::Connected(connection) => self.connected(connection).await,
            Input::Message(from, message) => self.message(from, message).await,
            Input::Gone(connection) => self.gone(connection).await,
            Input::SeatTaken(participant) => {
                self.part_with(participant, ByeReason::SeatTaken);
                let taken = Command::SeatTaken { participant };
                self.act(Actor::Server, None, &taken).await
            }
            Input::Media(event) => {
                self.media(event);
                Ok(())
            }
            Input::Record(notice) => self.record(notice).await,
            Input::RecorderBehind => self.record_failed(RecordFault::Recorder, None).await,
            Input::Draft(notice) => self.draft_notice(notice).await,
            Input::Restarted => {
                self.act(Actor::Server, None, &Command::ServerRestarted)
                    .await
            }
            Input::Snapshot(answer) => {
                // Whoever asked may have given up.
                let _gone = answer.send(self.hearing.clone());
                Ok(())
            }
            Input::Listen(listener, answer) => {
                let _gone = answer.send(self.listen(listener).await);
                Ok(())
            }
            Input::SendingSound(by, listening, stretch, answer) => {
                let _gone = answer.send(self.sending_sound(by, listening, stretch));
                Ok(())
            }
            Input::StopListening(by, listening, answer) => {
                let _gone = answer.send(self.stop_listening(by, listening).await);
                Ok(())
            }
        }
    }

    // --- people ---------------------------------------------------------------------------

    async fn connected(&mut self, connection: Connection) -> Result<(), HubError> {
        let participant = connection.participant;
        // Their network may have changed before this server saw the old line end.
        if let Some(session) = self.dismiss(participant, ByeReason::Replaced) {
            self.keep_session(participant, session);
        }
        let (present, most) = (self.connections.len() as u64, self.services.participants);
        if !self.hearing.has_room_for(participant, present, most) {
            self.services.people.refused(ErrorCode::HearingFull);
            let error = ErrorCode::HearingFull;
            connection.outbox.send(ServerMessage::Error { error });
            return Ok(());
        }
        if self.hearing.state() != HearingState::Closed {
            let command = Command::Connect {
                rehearsal: connection.rehearsal,
            };
            let actor = Actor::Participant(participant);
            self.decide_and_store(actor, Some(connection.origin), &command)
                .await?;
        }
        connection.outbox.send(ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            you: participant,
            hearing: self.view(participant),
            ice_servers: self
                .services
                .turn
                .ice_servers(self.services.clock.now(), participant),
            resumes_media: self.kept.has(participant),
        });
        self.connections.insert(connection.id(), connection);
        self.refresh();
        Ok(())
    }

    async fn message(
        &mut self,
        from: ConnectionId,
        message: ClientMessage,
    ) -> Result<(), HubError> {
        // A connection that was replaced may still have messages in the queue.
        let Some(connection) = self.connections.get(&from) else {
            return Ok(());
        };
        let (participant, origin) = (connection.participant, connection.origin);
        let command = match message {
            ClientMessage::Hello { .. } => return Ok(()),
            ClientMessage::Ready { microphone, camera } => Command::Ready { microphone, camera },
            ClientMessage::Sending { microphone, camera } => {
                Command::Sending { microphone, camera }
            }
            ClientMessage::Shown { pictures } => {
                self.shown(from, &pictures);
                return Ok(());
            }
            ClientMessage::Perceived(perceived) => {
                self.perceived(from, perceived);
                return Ok(());
            }
            ClientMessage::Leave => Command::Leave,
            ClientMessage::Offer(offer) => return self.offer(from, offer).await,
            ClientMessage::Act { id, act } => {
                return self.act_of(from, participant, origin, id, act).await;
            }
        };
        match self
            .act(Actor::Participant(participant), Some(origin), &command)
            .await
        {
            Err(HubError::Refused(refusal)) => {
                let error = refusal_code(refusal);
                self.tell(from, ServerMessage::Error { error });
                Ok(())
            }
            other => other,
        }
    }

    async fn act_of(
        &mut self,
        from: ConnectionId,
        participant: ParticipantId,
        origin: IpAddr,
        id: u32,
        act: Act,
    ) -> Result<(), HubError> {
        let actor = Actor::Participant(participant);
        let renewed = match &act {
            Act::RenewLink { participant } => Some(*participant),
            _ => None,
        };
        let outcome = match act {
            Act::RenewLink { participant } => {
                let link = self.renew_link(actor, origin, participant).await;
                link.map(Some)
            }
            Act::EditLine { line, text } => {
                let edited = self.edit_line(participant, origin, line, text).await;
                edited.map(|()| None)
            }
            Act::ChooseCorrection(choice) => {
                let chosen = self.choose_correction(participant, origin, choice).await;
                chosen.map(|()| None)
            }
            act => {
                let acted = self.act(actor, Some(origin), &Command::Act(act)).await;
                acted.map(|()| None)
            }
        };
        let (error, link) = match outcome {
            Ok(link) => (None, link),
            Err(error) => (Some(hub_code(&error)), None),
        };
        let done = error.is_none();
        // Before the goodbye: whoever renews their own link must still get it.
        self.tell(from, ServerMessage::Result { id, error, link });
        if let Some(renewed) = renewed.filter(|_| done) {
            self.part_with(renewed, ByeReason::LinkReplaced);
            self.refresh();
        }
        Ok(())
    }

    async fn renew_link(
        &mut self,
        actor: Actor,
        origin: IpAddr,
        participant: ParticipantId,
    ) -> Result<String, HubError> {
        let command = Command::Act(Act::RenewLink { participant });
        // Refused acts make no link; a link that could not be made is no event.
        self.hearing
            .decide(self.services.clock.now(), actor, &command)?;
        let link = self.services.links.renew(participant).await?;
        self.decide_and_store(actor, Some(origin), &command).await?;
        Ok(link)
    }

    async fn gone(&mut self, id: ConnectionId) -> Result<(), HubError> {
        let Some(connection) = self.connections.remove(&id) else {
            return Ok(());
        };
        let participant = connection.participant;
        if let Some(session) = connection.session {
            // Whoever left on purpose does not come back to it.
            match self.hearing.may_offer(participant) {
                true => self.keep_session(participant, session),
                false => self.close_session(session.id),
            }
        }
        let actor = Actor::Participant(participant);
        self.act(actor, Some(connection.origin), &Command::Disconnect)
            .await
    }

    /// Ends whatever connection a seat has, with a reason, and gives its peer connection back. The
    /// hearing is not told: somebody else takes the place at once, or the person was told why.
    #[must_use]
    fn dismiss(&mut self, participant: ParticipantId, reason: ByeReason) -> Option<PeerSession> {
        let mut all = self.connections.iter();
        let old = all
            .find(|(_, c)| c.participant == participant)
            .map(|(id, _)| *id);
        let connection = self.connections.remove(&old?)?;
        connection.outbox.send(ServerMessage::Bye { reason });
        connection.session
    }

    /// Ends whatever a seat has: it is somebody else's from now on.
    fn part_with(&mut self, participant: ParticipantId, reason: ByeReason) {
        let own = self.dismiss(participant, reason);
        let kept = self.kept.take(participant);
        for session in own.into_iter().chain(kept) {
            self.close_session(session.id);
        }
    }

    /// The hearing is over: everybody is told and no media session is left.
    fn part(&mut self) {
        while let Some((_, connection)) = self.connections.pop_first() {
            let reason = ByeReason::HearingClosed;
            connection.outbox.send(ServerMessage::Bye { reason });
            if let Some(session) = connection.session {
                self.close_session(session.id);
            }
        }
        for session in self.kept.drain() {
            self.close_session(session.id);
        }
    }

    /// Ends the connections of clients that missed a message: they come back and see the whole.
    async fn drop_lost(&mut self) {
        loop {
            let lost = self.connections.values().find(|c| c.outbox.is_lost());
            let Some(id) = lost.map(Connection::id) else {
                return;
            };
            if let Err(error) = self.gone(id).await {
                tracing::error!(hearing.id = %self.hearing.subject().id, error = explain(&error), "a lost client was not signed off");
            }
        }
    }

    // --- the record -----------------------------------------------------------------------

    async fn record(&mut self, notice: RecordNotice) -> Result<(), HubError> {
        match notice {
            RecordNotice::Opened {
                track,
                segment,
                starts_ms,
            } => {
                self.record.opened(track, segment, starts_ms);
                let command = Command::SegmentOpened {
                    participant: track.participant,
                    source: track.source,
                    segment,
                    starts_ms,
                };
                self.act(Actor::Server, None, &command).await
            }
            RecordNotice::Closed {
                track,
                segment,
                ends_ms,
            } => {
                self.record.closed(track, segment);
                let command = Command::SegmentClosed { segment, ends_ms };
                let outcome = self.act(Actor::Server, None, &command).await;
                self.services.recording.settled(segment);
                outcome
            }
            RecordNotice::Failed {
                track,
                segment,
                fault,
            } => {
                if let Some(segment) = segment {
                    self.record.closed(track, segment);
                }
                let outcome = self.record_failed(fault, Some(track)).await;
                if let Some(segment) = segment {
                    self.services.recording.settled(segment);
                }
                outcome
            }
            RecordNotice::Behind => self.record_failed(RecordFault::Recorder, None).await,
        }
    }

    async fn record_failed(
        &mut self,
        fault: RecordFault,
        track: Option<TrackRef>,
    ) -> Result<(), HubError> {
        let concerned = self.hearing.on_record() && self.hearing.record_fault().is_none();
        if !concerned || self.hearing.state() == HearingState::Closed {
            return Ok(());
        }
        tracing::error!(hearing.id = %self.hearing.subject().id, ?fault, ?track, "the record cannot be written");
        self.services.people.record_failed(fault);
        self.record.faulted(track, Instant::now());
        self.act(Actor::Server, None, &Command::RecordFailed { fault, track })
            .await
    }

    /// The rule that a session is not on record while a track is not being written, and the way
    /// back: the fault ends when the disk takes bytes again, and what was found in a track is over.
    async fn check_record(&mut self) -> Result<(), HubError> {
        let backup_fault = self.services.recording.backup_fails();
        if backup_fault != self.backup_fault {
            self.backup_fault = backup_fault;
            self.tell_views();
        }
        let now = Instant::now();
        if let Some(fault) = self.hearing.record_fault() {
            if let Some(track) = self.hearing.faulty_track()
                && let sender = self.hearing.participant(track.participant)
                && !sender.is_some_and(|sender| sender.sends(track.source))
            {
                self.record.interrupted(track);
            }
            if self.record.may_mend(fault, now) && self.services.recording.can_write().await {
                return self.act(Actor::Server, None, &Command::RecordMended).await;
            }
            return Ok(());
        }
        if self.services.recording.hangs() {
            return self.record_failed(RecordFault::Disk, None).await;
        }
        let allowed = self.services.recording.fault_after();
        if let Some(track) = self.record.missed(&self.graph, now, allowed) {
            return self
                .record_failed(RecordFault::TrackNotWritten, Some(track))
                .await;
        }
        let written = self.services.recording.fault(self.hearing.subject().id);
        if let Some((fault, track)) = written {
            return self.record_failed(fault, Some(track)).await;
        }
        Ok(())
    }

    // --- the draft ------------------------------------------------------------------------

    async fn draft_notice(&mut self, notice: DraftNotice) -> Result<(), HubError> {
        let mut rewritten = false;
        let message = match notice {
            DraftNotice::Line(line) => {
                rewritten = !line.written.is_empty();
                self.line_message(line)
            }
            DraftNotice::Guess(participant, mut guess) => {
                if let Some(guess) = &mut guess {
                    guess.interprets = self.interprets_from(participant, guess.start_ms);
                }
                ServerMessage::Guess { participant, guess }
            }
            DraftNotice::SegmentRead(segment) => {
                let command = Command::SegmentDrafted { segment };
                let outcome = self.act(Actor::Server, None, &command).await;
                self.services.draft.settled(segment);
                return outcome;
            }
            DraftNotice::State(state) => {
                if self.draft == state {
                    return Ok(());
                }
                self.draft = state.clone();
                ServerMessage::Draft { draft: state }
            }
        };
        for connection in self.connections.values().filter(|c| c.has_draft) {
            connection.outbox.send(message.clone());
        }
        // It may have been by what was learnt elsewhere.
        if rewritten {
            self.tell_dictionary(None).await;
        }
        Ok(())
    }

    /// Sends the draft so far to those who may read it and have not got it: whoever came, came back
    /// or was admitted.
    async fn serve_draft(&mut self) {
        let readers: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|c| !c.has_draft && self.reads_draft(c.participant))
            .map(Connection::id)
            .collect();
        if readers.is_empty() {
            return;
        }
        let hearing = self.hearing.subject().id;
        let lines = match self.services.draft.lines(hearing).await {
            Ok(lines) => lines,
            Err(error) => {
                // Tried again with the next input.
                tracing::error!(hearing.id = %hearing, error = explain(&error), "the draft cannot be read");
                return;
            }
        };
        let messages: Vec<_> = lines
            .into_iter()
            .map(|line| self.line_message(line))
            .collect();
        for id in &readers {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            connection.has_draft = true;
            let draft = self.draft.clone();
            connection.outbox.send(ServerMessage::Draft { draft });
            self.services
                .tasks
                .spawn(connection.outbox.trickle(messages.clone()));
        }
        self.tell_dictionary(Some(&readers)).await;
    }

    /// A line as it is sent: with whom it interprets, which only the hearing knows.
    fn line_message(&self, mut line: DraftLine) -> ServerMessage {
        line.interprets = self.interprets_from(line.participant, line.start_ms);
        ServerMessage::Line { line }
    }

    /// Whom a line or a guess interprets that begins there.
    fn interprets_from(&self, participant: ParticipantId, start_ms: u32) -> Option<ParticipantId> {
        self.hearing.interprets_at(participant, start_ms.into())
    }

    fn reads_draft(&self, participant: ParticipantId) -> bool {
        self.hearing
            .participant(participant)
            .is_some_and(|p| p.person.role.reads_draft() && p.is_admitted())
    }

    // --- state ----------------------------------------------------------------------------

    /// Decides, stores, applies, and brings everybody up to date.
    async fn act(
        &mut self,
        actor: Actor,
        origin: Option<IpAddr>,
        command: &Command,
    ) -> Result<(), HubError> {
        if self.decide_and_store(actor, origin, command).await? {
            self.refresh();
        }
        Ok(())
    }

    /// Whether anything happened. What happened is on disk before it is true.
    async fn decide_and_store(
        &mut self,
        actor: Actor,
        origin: Option<IpAddr>,
        command: &Command,
    ) -> Result<bool, HubError> {
        let now = self.services.clock.now();
        let events = self.hearing.decide(now, actor, command)?;
        if events.is_empty() {
            return Ok(false);
        }
        let id = self.hearing.subject().id;
        let closes = events.contains(&HearingEvent::Closed);
        let unstored = self.to_store(now, actor, origin, &events)?;
        match self.store(unstored.clone(), closes, now).await {
            Ok(()) => self.unstored.clear(),
            // The disk that refuses the record may refuse this as well. That the session is off the
            // record is true all the same; it is stored with whatever is stored next.
            Err(error) if matches!(command, Command::RecordFailed { .. }) => {
                tracing::error!(hearing.id = %id, error = explain(&error), "that the record failed is not stored yet");
                self.unstored = unstored;
            }
            Err(error) => return Err(error.into()),
        }
        self.apply(now, &events);
        let database = &self.services.stores.database;
        if closes && let Err(error) = jobs::attach_when_settled(database, id, now).await {
            // It is asked for again when the server starts.
            tracing::error!(hearing.id = %id, error = explain(&error), "the package of a closed hearing was not asked for");
        }
        Ok(true)
    }

    /// These events as they are stored, behind what could not be stored before.
    fn to_store(
        &self,
        at: Timestamp,
        actor: Actor,
        origin: Option<IpAddr>,
        events: &[HearingEvent],
    ) -> Result<Vec<NewEvent>, StorageError> {
        let actor = match actor {
            Actor::Participant(id) => Some(id.to_string()),
            Actor::Server => None,
        };
        let mut unstored = self.unstored.clone();
        for event in events {
            unstored.push(new_event(at, actor.clone(), origin, event)?);
        }
        Ok(unstored)
    }

    fn apply(&mut self, at: Timestamp, events: &[HearingEvent]) {
        for event in events {
            self.hearing.apply(at, event);
        }
    }

    async fn store(
        &self,
        events: Vec<NewEvent>,
        closes: bool,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let database = &self.services.stores.database;
        let id = self.hearing.subject().id;
        if closes {
            let state = serde_json::json!(HearingState::Closed);
            database
                .append_events_with_state(id, events, &state, Some(now))
                .await?;
        } else {
            database.append_events(id, events).await?;
        }
        Ok(())
    }

    /// Makes the media core, the recorder and everybody's page follow the state.
    fn refresh(&mut self) {
        self.graph = who_receives_what(&self.hearing);
        let media_graph = self
            .sessions
            .media_graph(&self.graph, favoured_pictures(&self.hearing));
        self.services.recording.set_routes(self.room, self.routes());
        if let Err(error) = self.services.shard.set_graph(self.room, media_graph) {
            tracing::error!(hearing.id = %self.hearing.subject().id, %error, "the media core does not take the graph");
        }
        self.tell_views();
    }

    /// Shows everybody the hearing as they may see it.
    fn tell_views(&self) {
        for connection in self.connections.values() {
            let hearing = self.view(connection.participant);
            connection.outbox.send(ServerMessage::Hearing { hearing });
        }
    }

    /// Where recorded packets of this hearing go.
    fn routes(&self) -> HashMap<TrackKey, Route> {
        let Some(epoch) = self.hearing.record_epoch() else {
            return HashMap::new();
        };
        self.graph
            .iter()
            .filter(|(_, sinks)| sinks.contains(&Sink::Recorder))
            .filter_map(|(track, sinks)| {
                let key = self.sessions.track_key(*track)?;
                let recognised = sinks.contains(&Sink::Recogniser);
                let route = Route {
                    hearing: self.hearing.subject().id,
                    track: *track,
                    epoch: self.services.clock.instant(epoch),
                    recognise: recognised.then(|| Speech::of(&self.hearing, track.participant)),
                };
                Some((key, route))
            })
            .collect()
    }

    fn view(&self, viewer: ParticipantId) -> HearingView {
        let now = self.services.clock.now();
        let recorded = self.record.recorded();
        hearing_view(&self.hearing, viewer, &recorded, self.backup_fault, now)
    }

    fn tell(&self, to: ConnectionId, message: ServerMessage) {
        if let Some(connection) = self.connections.get(&to) {
            connection.outbox.send(message);
        }
    }

    fn tell_session(&self, session: SessionId, message: ServerMessage) {
        let mut all = self.connections.values();
        if let Some(connection) = all.find(|c| c.has_session(session)) {
            connection.outbox.send(message);
        }
    }
}

/// An event as it is stored.
pub(crate) fn new_event(
    at: Timestamp,
    actor: Option<String>,
    origin: Option<IpAddr>,
    event: &HearingEvent,
) -> Result<NewEvent, StorageError> {
    let corrupt = |reason: String| StorageError::Corrupt {
        what: "an event".to_owned(),
        reason,
    };
    let tagged = serde_json::to_value(event).map_err(|error| corrupt(error.to_string()))?;
    let serde_json::Value::Object(mut tagged) = tagged else {
        return Err(corrupt("it is not an object".to_owned()));
    };
    let Some(serde_json::Value::String(kind)) = tagged.remove("kind") else {
        return Err(corrupt("it has no kind".to_owned()));
    };
    Ok(NewEvent {
        at,
        kind,
        actor,
        origin: origin.map(|address| address.to_string()),
        data: tagged.remove("data").unwrap_or(serde_json::Value::Null),
    })
}
