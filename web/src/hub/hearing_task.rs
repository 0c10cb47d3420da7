//! The task of one hearing: the only one who changes its state.

use super::{
    Services,
    connection::{Connection, ConnectionId},
    media_link::SessionMap,
};
use crate::{
    edge::error::{hub_code, refusal_code},
    hub::HubError,
    jobs,
    recording::{RecordNotice, Route},
};
use jiff::Timestamp;
use otyrys_media::{self as media, Event as MediaEvent, RoomId, SessionId, TrackKey};
use otyrys_signaling::{
    Actor, Command, Graph, Hearing, HearingEvent, HearingState, Presence, RecordFault, Sink,
    TrackRef, TrackSource, hearing_view, who_receives_what,
    wire::{
        Act, ByeReason, ClientMessage, DraftLine, DraftState, ErrorCode, Offer, PROTOCOL_VERSION,
        ServerMessage, Slot,
    },
};
use otyrys_storage::{
    NewEvent, StorageError,
    ids::{ParticipantId, SegmentId},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
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
}

/// What the recogniser says to a hearing.
#[derive(Debug, Clone)]
pub enum DraftNotice {
    /// A line, stored already.
    Line(DraftLine),
    /// A file of the record has been read to its end.
    SegmentRead(SegmentId),
    /// How it is doing.
    State(DraftState),
}

/// A file of the record that is being written.
#[derive(Debug)]
struct OpenSegment {
    segment: SegmentId,
    starts_ms: u64,
}

/// A hearing with everything that is attached to it while it is alive.
pub(super) struct HearingTask {
    hearing: Hearing,
    room: RoomId,
    services: Arc<Services>,
    /// For work that must tell the hearing its outcome.
    inputs: mpsc::WeakSender<Input>,
    connections: BTreeMap<ConnectionId, Connection>,
    sessions: SessionMap,
    graph: Graph,
    /// Tracks whose packets arrive now.
    flowing: HashSet<TrackKey>,
    /// Tracks that arrive and ought to be written but are not, and since when.
    unwritten: HashMap<TrackRef, Instant>,
    open_segments: HashMap<TrackRef, OpenSegment>,
    draft: DraftState,
}

impl HearingTask {
    pub(super) fn new(
        hearing: Hearing,
        room: RoomId,
        services: Arc<Services>,
        inputs: mpsc::WeakSender<Input>,
    ) -> Self {
        let draft = services.draft.state();
        Self {
            hearing,
            room,
            services,
            inputs,
            connections: BTreeMap::new(),
            sessions: SessionMap::default(),
            graph: Graph::new(),
            flowing: HashSet::new(),
            unwritten: HashMap::new(),
            open_segments: HashMap::new(),
            draft,
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
                _ = tick.tick() => self.check_record().await,
            };
            if let Err(error) = outcome {
                tracing::error!(hearing.id = %self.hearing.subject().id, %error, "an input of a hearing failed");
            }
        }
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
                self.dismiss(participant, ByeReason::SeatTaken);
                let taken = Command::SeatTaken { participant };
                self.act(Actor::Server, None, &taken).await
            }
            Input::Media(event) => self.media(event).await,
            Input::Record(notice) => self.record(notice).await,
            Input::RecorderBehind => self.record_failed(RecordFault::Recorder).await,
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
        }
    }

    // --- people ---------------------------------------------------------------------------

    async fn connected(&mut self, connection: Connection) -> Result<(), HubError> {
        let participant = connection.participant;
        let closed = self.hearing.state() == HearingState::Closed;
        self.dismiss(participant, ByeReason::Replaced);
        if !closed {
            let command = Command::Connect {
                rehearsal: connection.rehearsal,
            };
            let actor = Actor::Participant(participant);
            self.decide_and_store(actor, Some(connection.origin), &command)
                .await?;
        }
        let outbox = connection.outbox.clone();
        self.connections.insert(connection.id(), connection);
        outbox.send(ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            you: participant,
            hearing: self.view(participant),
        });
        if self.reads_draft(participant) {
            outbox.send(ServerMessage::Draft {
                draft: self.draft.clone(),
            });
            for line in self.services.draft.lines(self.hearing.subject().id).await? {
                outbox.send(ServerMessage::Line { line });
            }
        }
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
            ClientMessage::Leave => Command::Leave,
            ClientMessage::Offer(offer) => return self.offer(from, offer).await,
            ClientMessage::Act { id, act } => {
                return self.act_of(from, participant, origin, id, act).await;
            }
        };
        let readied = matches!(command, Command::Ready { .. });
        match self
            .act(Actor::Participant(participant), Some(origin), &command)
            .await
        {
            Err(HubError::Refused(refusal)) => {
                self.tell(
                    from,
                    ServerMessage::Error {
                        error: refusal_code(refusal),
                    },
                );
                Ok(())
            }
            Ok(()) if readied && self.reads_draft(participant) => {
                self.tell(
                    from,
                    ServerMessage::Draft {
                        draft: self.draft.clone(),
                    },
                );
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
        let renewed = match &act {
            Act::RenewLink { participant } => Some(*participant),
            _ => None,
        };
        let outcome = self
            .act(
                Actor::Participant(participant),
                Some(origin),
                &Command::Act(act),
            )
            .await;
        let (error, link) = match (outcome, renewed) {
            (Ok(()), Some(renewed)) => match self.services.links.renew(renewed).await {
                Ok(link) => {
                    self.dismiss(renewed, ByeReason::LinkReplaced);
                    self.refresh();
                    (None, Some(link))
                }
                Err(error) => (Some(hub_code(&error.into())), None),
            },
            (Ok(()), None) => (None, None),
            (Err(error), _) => (Some(hub_code(&error)), None),
        };
        self.tell(from, ServerMessage::Result { id, error, link });
        Ok(())
    }

    async fn gone(&mut self, id: ConnectionId) -> Result<(), HubError> {
        let Some(connection) = self.connections.remove(&id) else {
            return Ok(());
        };
        self.end_session(&connection);
        let participant = connection.participant;
        self.act(
            Actor::Participant(participant),
            Some(connection.origin),
            &Command::Disconnect,
        )
        .await
    }

    /// Ends whatever connection a seat has, with a reason. The hearing is not told: somebody else
    /// takes the place at once, or the person was told why.
    fn dismiss(&mut self, participant: ParticipantId, reason: ByeReason) {
        let old = self
            .connections
            .iter()
            .find(|(_, c)| c.participant == participant);
        if let Some(id) = old.map(|(id, _)| *id)
            && let Some(connection) = self.connections.remove(&id)
        {
            connection.outbox.send(ServerMessage::Bye { reason });
            self.end_session(&connection);
        }
    }

    // --- media ----------------------------------------------------------------------------

    async fn offer(&mut self, from: ConnectionId, offer: Offer) -> Result<(), HubError> {
        let Some(connection) = self.connections.get_mut(&from) else {
            return Ok(());
        };
        let participant = connection.participant;
        // Whoever waits may already have a connection, so that admission is instant; the graph gives
        // it nothing before.
        let expected = self
            .hearing
            .participant(participant)
            .is_some_and(|p| matches!(p.presence(), Presence::Waiting | Presence::Admitted));
        if !expected || self.hearing.state() == HearingState::Closed {
            self.tell(
                from,
                ServerMessage::Error {
                    error: ErrorCode::WrongState,
                },
            );
            return Ok(());
        }
        let session = *connection
            .session
            .get_or_insert_with(|| self.services.sessions.open(self.hearing.subject().id));
        self.sessions.insert(participant, session);
        let sources = offer
            .sources
            .into_iter()
            .map(|(mid, s)| (mid.into(), super::media_link::source(s)));
        let answer = self.services.shard.offer(media::Offer {
            room: self.room,
            session,
            sdp: offer.sdp,
            sources: sources.collect(),
        });
        match answer.await {
            Ok(sdp) => {
                self.tell(from, ServerMessage::Answer { id: offer.id, sdp });
                self.refresh();
            }
            Err(error) => {
                tracing::warn!(hearing.id = %self.hearing.subject().id, participant.id = %participant, %error, "an offer was refused");
                self.tell(
                    from,
                    ServerMessage::Error {
                        error: ErrorCode::BadOffer,
                    },
                );
            }
        }
        Ok(())
    }

    async fn media(&mut self, event: MediaEvent) -> Result<(), HubError> {
        match event {
            MediaEvent::Connected { session } => {
                tracing::info!(hearing.id = %self.hearing.subject().id, participant.id = ?self.sessions.participant(session), "media is connected");
            }
            MediaEvent::Disconnected { session, reason } => {
                tracing::info!(hearing.id = %self.hearing.subject().id, participant.id = ?self.sessions.participant(session), ?reason, "media is gone");
                self.media_gone(session).await?;
            }
            MediaEvent::TrackStarted { .. } => self.refresh(),
            MediaEvent::TrackStopped { track } => {
                self.flowing.remove(&track);
                self.services.recording.stop(track);
            }
            MediaEvent::TrackFlowing { track, flowing } => {
                if flowing {
                    self.flowing.insert(track);
                } else {
                    self.flowing.remove(&track);
                }
            }
            MediaEvent::SlotsChanged { session, slots } => {
                let slots = slots
                    .into_iter()
                    .map(|fill| Slot {
                        mid: fill.mid.to_string(),
                        track: fill.track.and_then(|key| self.sessions.track_ref(key)),
                    })
                    .collect();
                self.tell_session(session, ServerMessage::Slots { slots });
            }
            MediaEvent::SlotsNeeded {
                session,
                audio,
                video,
            } => {
                self.tell_session(session, ServerMessage::SlotsNeeded { audio, video });
            }
            MediaEvent::Levels { loudest, .. } => {
                let speaking: Vec<ParticipantId> = loudest
                    .iter()
                    .filter_map(|s| self.sessions.participant(*s))
                    .collect();
                for connection in self.connections.values().filter(|c| c.session.is_some()) {
                    connection.outbox.send(ServerMessage::Speaking {
                        participants: speaking.clone(),
                    });
                }
            }
            MediaEvent::RecorderBehind { .. } => {}
        }
        Ok(())
    }

    /// The media session died while the signalling still stands: the client is told by its own
    /// peer connection and offers anew; until then nothing can be sent to it.
    async fn media_gone(&mut self, session: SessionId) -> Result<(), HubError> {
        self.sessions.remove(session);
        self.services.sessions.forget(session);
        self.forget_tracks(session);
        if let Some(connection) = self
            .connections
            .values_mut()
            .find(|c| c.session == Some(session))
        {
            connection.session = None;
        }
        self.refresh();
        Ok(())
    }

    fn end_session(&mut self, connection: &Connection) {
        if let Some(session) = connection.session {
            if let Err(error) = self.services.shard.close_session(session) {
                tracing::error!(%error, "the media core does not end a session");
            }
            self.sessions.remove(session);
            self.services.sessions.forget(session);
            self.forget_tracks(session);
        }
    }

    fn forget_tracks(&mut self, session: SessionId) {
        self.flowing.retain(|track| track.session != session);
        self.services.recording.stop_session(session);
    }

    // --- the record -----------------------------------------------------------------------

    async fn record(&mut self, notice: RecordNotice) -> Result<(), HubError> {
        match notice {
            RecordNotice::Opened {
                track,
                segment,
                starts_ms,
            } => {
                self.open_segments
                    .insert(track, OpenSegment { segment, starts_ms });
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
                duration_ms,
            } => {
                let ends_ms = self.close_segment(track, segment).unwrap_or(0) + duration_ms;
                self.act(
                    Actor::Server,
                    None,
                    &Command::SegmentClosed { segment, ends_ms },
                )
                .await
            }
            RecordNotice::Failed {
                track,
                segment,
                fault,
            } => {
                self.close_segment(track, segment);
                self.record_failed(fault).await
            }
            RecordNotice::Behind => self.record_failed(RecordFault::Recorder).await,
        }
    }

    /// Forgets an open file; says where it began.
    fn close_segment(&mut self, track: TrackRef, segment: SegmentId) -> Option<u64> {
        if self
            .open_segments
            .get(&track)
            .is_some_and(|open| open.segment == segment)
        {
            return self.open_segments.remove(&track).map(|open| open.starts_ms);
        }
        None
    }

    async fn record_failed(&mut self, fault: RecordFault) -> Result<(), HubError> {
        if self.hearing.state() == HearingState::Closed || self.hearing.record_fault().is_some() {
            return Ok(());
        }
        tracing::error!(hearing.id = %self.hearing.subject().id, ?fault, "the record cannot be written");
        self.act(Actor::Server, None, &Command::RecordFailed(fault))
            .await
    }

    /// The rule that a session is not on record while a track is not being written, and the way
    /// back: the fault ends when the disk takes bytes again.
    async fn check_record(&mut self) -> Result<(), HubError> {
        if self.hearing.record_fault().is_some() {
            if self.services.recording.can_write().await {
                return self.act(Actor::Server, None, &Command::RecordMended).await;
            }
            return Ok(());
        }
        if self.services.recording.hangs() && self.hearing.on_record() {
            return self.record_failed(RecordFault::Disk).await;
        }
        let now = Instant::now();
        let missing: HashSet<TrackRef> = self
            .graph
            .keys()
            .filter(|track| self.lacks_a_file(**track))
            .copied()
            .collect();
        self.unwritten.retain(|track, _| missing.contains(track));
        for track in missing {
            self.unwritten.entry(track).or_insert(now);
        }
        let allowed = self.services.recording.fault_after();
        if self
            .unwritten
            .values()
            .any(|since| now.duration_since(*since) > allowed)
        {
            self.unwritten.clear();
            return self.record_failed(RecordFault::TrackNotWritten).await;
        }
        Ok(())
    }

    /// Whether a track arrives, is to be recorded, and has no file.
    fn lacks_a_file(&self, track: TrackRef) -> bool {
        self.graph
            .get(&track)
            .is_some_and(|sinks| sinks.contains(&Sink::Recorder))
            && !self.open_segments.contains_key(&track)
            && self
                .sessions
                .track_key(track)
                .is_some_and(|key| self.flowing.contains(&key))
    }

    // --- the draft ------------------------------------------------------------------------

    async fn draft_notice(&mut self, notice: DraftNotice) -> Result<(), HubError> {
        let message = match notice {
            DraftNotice::Line(line) => ServerMessage::Line { line },
            DraftNotice::SegmentRead(segment) => {
                let command = Command::SegmentDrafted { segment };
                return self.act(Actor::Server, None, &command).await;
            }
            DraftNotice::State(state) => {
                if self.draft == state {
                    return Ok(());
                }
                self.draft = state.clone();
                ServerMessage::Draft { draft: state }
            }
        };
        for connection in self.connections.values() {
            if self.reads_draft(connection.participant) {
                connection.outbox.send(message.clone());
            }
        }
        Ok(())
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
        let now = Timestamp::now();
        let events = self.hearing.decide(now, actor, command)?;
        if events.is_empty() {
            return Ok(false);
        }
        let id = self.hearing.subject().id;
        let closes = events.contains(&HearingEvent::Closed);
        let stored = events
            .iter()
            .map(|event| new_event(now, actor, origin, event))
            .collect::<Result<Vec<_>, _>>()?;
        if closes {
            let state = serde_json::json!(HearingState::Closed);
            self.services
                .stores
                .database
                .append_events_with_state(id, stored, &state, Some(now))
                .await?;
        } else {
            self.services
                .stores
                .database
                .append_events(id, stored)
                .await?;
        }
        for event in &events {
            self.hearing.apply(now, event);
        }
        if closes {
            jobs::attach_when_settled(&self.services.stores.database, id, now).await?;
        }
        Ok(true)
    }

    /// Makes the media core, the recorder and everybody's page follow the state.
    fn refresh(&mut self) {
        self.graph = who_receives_what(&self.hearing);
        let media_graph = self.sessions.media_graph(&self.graph);
        self.services.recording.set_routes(self.room, self.routes());
        if let Err(error) = self.services.shard.set_graph(self.room, media_graph) {
            tracing::error!(hearing.id = %self.hearing.subject().id, %error, "the media core does not take the graph");
        }
        let lagging: Vec<ConnectionId> = self
            .connections
            .values()
            .filter(|c| {
                !c.outbox.send(ServerMessage::Hearing {
                    hearing: self.view(c.participant),
                })
            })
            .map(Connection::id)
            .collect();
        for id in lagging {
            // Its socket ends when the queue's sender is gone; the client comes back by itself.
            if let Some(weak) = self.inputs.upgrade() {
                let _full = weak.try_send(Input::Gone(id));
            }
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
                let person = &self.hearing.participant(track.participant)?.person;
                let route = Route {
                    hearing: self.hearing.subject().id,
                    track: *track,
                    epoch,
                    recognise: (sinks.contains(&Sink::Recogniser)
                        && track.source == TrackSource::Microphone)
                        .then_some(person.language),
                };
                Some((key, route))
            })
            .collect()
    }

    fn view(&self, viewer: ParticipantId) -> otyrys_signaling::wire::HearingView {
        let recorded: BTreeSet<ParticipantId> = self
            .open_segments
            .keys()
            .map(|track| track.participant)
            .collect();
        hearing_view(&self.hearing, viewer, &recorded, Timestamp::now())
    }

    fn tell(&self, to: ConnectionId, message: ServerMessage) {
        if let Some(connection) = self.connections.get(&to) {
            connection.outbox.send(message);
        }
    }

    fn tell_session(&self, session: SessionId, message: ServerMessage) {
        if let Some(connection) = self
            .connections
            .values()
            .find(|c| c.session == Some(session))
        {
            connection.outbox.send(message);
        }
    }
}

fn new_event(
    at: Timestamp,
    actor: Actor,
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
        actor: match actor {
            Actor::Participant(id) => Some(id.to_string()),
            Actor::Server => None,
        },
        origin: origin.map(|address| address.to_string()),
        data: tagged.remove("data").unwrap_or(serde_json::Value::Null),
    })
}
