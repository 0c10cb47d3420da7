//! The state machine of all rooms of one shard.

mod allocate;
mod allowance;
mod bandwidth;
mod checks;
mod connect;
mod demux;
mod egress;
mod encodings;
mod estimator;
mod formats;
mod forward;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod isolation;
mod keyframes;
mod keys;
mod line;
mod loudness;
mod meter;
mod outputs;
mod packet_rate;
mod replay;
mod rewriter;
mod rtcp;
mod sections;
mod session;
mod slot;
mod srtp;
mod stun;
mod tap;
mod track_rate;

use crate::{
    DisconnectReason, Event, Graph, Layer, Load, MAX_LAYERS, MediaError, MediaLimits, Mid,
    PeerAddress, RecordedPacket, RoomId, SessionId, Shown, Source, TrackKey,
};
use bandwidth::Demand;
use demux::Demux;
use egress::Taken;
use forward::Route;
use keyframes::{Encoded, KeyframeRequests};
use loudness::Loudness;
use outputs::Outputs;
use packet_rate::PacketRates;
use session::{Happened, Session, protocol};
use slot::Forwarded;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::SdpOffer;
use str0m::net::Receive;

/// Everything that can happen to a core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram(Datagram<'a>),
    /// The client's end of a connection is gone: what goes there is lost.
    Unreachable(Instant, PeerAddress),
    /// The caller wants something, now.
    Command(Instant, Command),
    /// It is now: the last [`Output::Deadline`], or any moment after the last input.
    Timeout(Instant),
}

/// A UDP datagram, or one packet out of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// When it came.
    pub now: Instant,
    /// From where.
    pub source: PeerAddress,
    /// To which of the advertised addresses.
    pub destination: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// What the caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Replaces the graph of a room. Edges of tracks and sessions that do not exist (yet) count
    /// from the moment they do; edges out of the room never count.
    SetGraph {
        /// Where.
        room: RoomId,
        /// Which track reaches what.
        graph: Graph,
    },
    /// Ends a session: the client is told, its tracks stop.
    CloseSession(SessionId),
    /// Ends all sessions of a room and forgets its graph.
    CloseRoom(RoomId),
    /// Asks the sender of a picture for a key frame, for a recorder that starts a file.
    RequestKeyframe(TrackKey),
    /// What the page of a client does with each picture. Replaces all that was said before; a
    /// picture that is not named is shown large.
    SetShown {
        /// Whose page.
        session: SessionId,
        /// Each picture that is not shown large, or that is pinned.
        shown: HashMap<TrackKey, Shown>,
    },
    /// How busy the thread is that drives the core, which the core cannot know.
    SetLoad(Load),
    /// Panics while the core is at work for a room: a test of what becomes of the others.
    #[cfg(feature = "fuzzing")]
    Break(RoomId),
}

/// A client's offer. A second one on the same session adds or gives up sections or restarts ICE.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where the session is, or is to be.
    pub room: RoomId,
    /// Whose offer.
    pub session: SessionId,
    /// SDP (RFC 8866): `sendonly` sections for tracks, `recvonly` sections for slots.
    pub sdp: String,
    /// What the client's sections carry. A section that is named here but does not send (now) is
    /// no track; one that sends and is not named is received and thrown away.
    pub sources: BTreeMap<Mid, Source>,
    /// Whether the client had a session here before: they are let in again however busy it is.
    pub comes_back: bool,
}

/// What comes out of a core.
#[derive(Debug)]
pub enum Output<'a> {
    /// A datagram to send.
    Transmit {
        /// From which of the advertised addresses.
        source: SocketAddr,
        /// Where to.
        destination: PeerAddress,
        /// What.
        bytes: &'a [u8],
    },
    /// Something to know.
    Event(Event),
    /// A packet of a track that the graph connects to the recorder.
    Recorded(RecordedPacket),
    /// There is no more: give [`Input::Timeout`] at this moment if nothing comes before.
    Deadline(Instant),
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams given to the core.
    pub datagrams: u64,
    /// Of these: too long, no packet of any protocol in use, or from nobody known.
    pub garbage: u64,
    /// Of these: from an address that sends more than [`MediaLimits::packets_per_second`].
    pub over_rate: u64,
    /// RTP packets of tracks that have more bits than [`MediaLimits::sound_bps`] or
    /// [`MediaLimits::picture_bps`].
    pub over_bitrate: u64,
    /// RTP packets written to receivers.
    pub forwarded: u64,
    /// RTP packets handed to the recorder.
    pub recorded: u64,
    /// Sessions that the WebRTC stack gave up.
    pub failed_sessions: u64,
    /// Rooms that were ended because of a bug of ours.
    pub failed_rooms: u64,
}

/// All rooms and sessions of one shard. A state machine: it has no socket, no clock, no thread.
///
/// **The contract for driving it:**
/// 1. **After each [`offer`](Self::offer), and after each [`handle`](Self::handle) or a burst of
///    them, call [`poll_output`](Self::poll_output) until it returns [`Output::Deadline`].** A
///    burst that was received together should be handled together: it is then written to each
///    receiver in one go. A driver that never polls gets [`MediaError::OutputPending`].
/// 2. **Give [`Input::Timeout`] when the deadline has come.** Input before it moves the deadline.
/// 3. **`now` never goes backwards**, or the input is refused with [`MediaError::TimeReversed`].
///
/// What a peer sends is never an error of [`handle`](Self::handle): garbage is counted and dropped,
/// and a session whose stack fails ends with [`Event::Disconnected`], alone. A panic in the core
/// ends all sessions of the room that it was at work for, and no others.
pub struct Core {
    limits: MediaLimits,
    candidates: Vec<SocketAddr>,
    now: Instant,
    sessions: HashMap<SessionId, Session>,
    rooms: HashMap<RoomId, Room>,
    routes: HashMap<TrackKey, Route>,
    demux: Demux,
    packet_rates: PacketRates,
    keyframes: KeyframeRequests,
    deadlines: BTreeSet<(Instant, SessionId)>,
    load: Load,
    levels_at: Option<Instant>,
    allocate_at: Option<Instant>,
    dirty: Vec<SessionId>,
    outputs: Outputs,
    /// Packets that were received together, to be sent together.
    burst: Vec<Forwarded>,
    /// Key frames that are to be asked for.
    awaited: Vec<Encoded>,
    /// What a client is to get, while that is worked out.
    demand: Demand,
    happened: Vec<Happened>,
    counters: Counters,
    /// For which room the present entry is at work: a panic ends that one.
    at_work: Option<RoomId>,
}

#[derive(Debug, Default)]
struct Room {
    graph: Graph,
    sessions: BTreeSet<SessionId>,
    loudness: Loudness,
}

impl Core {
    /// A core without rooms, at `now`. `candidates` are the addresses at which clients reach it, as written
    /// into answers and as given in [`Datagram::destination`].
    #[must_use]
    pub fn new(now: Instant, candidates: Vec<SocketAddr>, limits: MediaLimits) -> Self {
        Self {
            keyframes: KeyframeRequests::new(limits.keyframe_interval),
            packet_rates: PacketRates::new(limits.packets_per_second),
            limits,
            candidates,
            now,
            sessions: HashMap::new(),
            rooms: HashMap::new(),
            routes: HashMap::new(),
            demux: Demux::default(),
            deadlines: BTreeSet::new(),
            load: Load::Normal,
            levels_at: None,
            allocate_at: None,
            dirty: Vec::new(),
            outputs: Outputs::default(),
            burst: Vec::new(),
            awaited: Vec::new(),
            demand: Demand::default(),
            happened: Vec::new(),
            counters: Counters::default(),
            at_work: None,
        }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The rooms that have a session or a graph.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomId> {
        self.rooms.keys().copied().collect()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether an address is one of a session: STUN has proved it, and it was not given up since.
    #[must_use]
    pub fn is_known(&self, address: PeerAddress) -> bool {
        self.demux.session_at(address).is_some()
    }

    /// Answers an offer with SDP that holds all candidates. Makes the session if it is new.
    ///
    /// # Errors
    /// If the offer is over a limit, cannot be answered, or is for a session of another room. A new
    /// session is then not made; an existing one goes on as it was.
    pub fn offer(&mut self, now: Instant, offer: Offer) -> Result<String, MediaError> {
        self.isolated(|core| core.answer(now, offer))
            .unwrap_or_else(|| {
                Err(MediaError::OfferRejected {
                    reason: "the media core failed on it".to_owned(),
                })
            })
    }

    fn answer(&mut self, now: Instant, offer: Offer) -> Result<String, MediaError> {
        self.advance(now)?;
        self.at_work = Some(offer.room);
        let sections = sections::sections(&offer.sdp, &self.limits)?;
        for (mid, source) in &offer.sources {
            let fits = sections
                .iter()
                .any(|section| section.mid == *mid && section.kind == source.kind());
            let unique = offer
                .sources
                .values()
                .filter(|other| *other == source)
                .count()
                == 1;
            if !fits || !unique {
                return Err(MediaError::WrongSection { mid: mid.clone() });
            }
        }
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).map_err(|_| MediaError::OfferRejected {
            reason: "not SDP".to_owned(),
        })?;

        let id = offer.session;
        let mut session = match self.sessions.remove(&id) {
            Some(session) if session.room == offer.room => session,
            Some(elsewhere) => {
                self.sessions.insert(id, elsewhere);
                return Err(MediaError::WrongRoom {
                    session: id,
                    room: offer.room,
                });
            }
            None if self.sessions.len() >= self.limits.sessions => {
                return Err(MediaError::TooManySessions {
                    limit: self.limits.sessions,
                });
            }
            None if self.load == Load::Overload && !offer.comes_back => {
                return Err(MediaError::Overloaded);
            }
            None => Session::new(offer.room, &self.candidates, &self.limits, now),
        };
        let is_new = !self.is_in_room(offer.room, id);
        let fragment = session.fragment();
        let answer = match session.accept(sdp) {
            Ok(answer) => answer,
            Err(error) => {
                if !is_new {
                    let alive = session.is_alive();
                    self.sessions.insert(id, session);
                    if !alive {
                        self.end_session(id, Some(DisconnectReason::Failed));
                    }
                }
                return Err(error);
            }
        };
        let new_fragment = session.fragment();
        if !is_new && fragment != new_fragment {
            self.demux.forget_fragment(&fragment);
        }
        let unique = self.demux.learn_fragment(&new_fragment, id);
        let known: BTreeSet<Source> = session.tracks.keys().copied().collect();
        let changes = session.negotiate(&sections, &offer.sources);
        let answer = sections::with_bandwidth(&answer, &offer.sources, self.limits.picture_bps);
        session.told_needed = None;
        self.sessions.insert(id, session);
        self.rooms
            .entry(offer.room)
            .or_default()
            .sessions
            .insert(id);
        if !unique {
            // 16 random letters that two sessions share: the second cannot be told from the first.
            self.end_session(id, Some(DisconnectReason::Failed));
            return Err(MediaError::OfferRejected {
                reason: "user fragment taken".to_owned(),
            });
        }
        for source in changes.stopped {
            self.track_stopped(
                offer.room,
                TrackKey {
                    session: id,
                    source,
                },
            );
        }
        for source in changes.started {
            if !known.contains(&source) {
                self.tell(Event::TrackStarted {
                    track: TrackKey {
                        session: id,
                        source,
                    },
                });
            }
        }
        self.drive(id, str0m::Input::Timeout(now));
        self.connect_tracks(offer.room);
        self.tell_slots(id);
        Ok(answer)
    }

    /// Takes one input.
    ///
    /// # Errors
    /// Only if the contract for driving the core was broken.
    pub fn handle(&mut self, input: Input<'_>) -> Result<(), MediaError> {
        self.isolated(|core| core.take(input)).unwrap_or(Ok(()))
    }

    fn take(&mut self, input: Input<'_>) -> Result<(), MediaError> {
        match input {
            Input::Datagram(datagram) => {
                self.advance(datagram.now)?;
                self.counters.datagrams += 1;
                let source = datagram.source.socket.ip();
                if !self.packet_rates.takes(source, datagram.now) {
                    self.counters.over_rate += 1;
                } else if !self.receive(datagram) {
                    self.counters.garbage += 1;
                }
            }
            Input::Unreachable(now, address) => {
                self.advance(now)?;
                self.lose_address(address);
            }
            Input::Command(now, command) => {
                self.advance(now)?;
                self.command(command);
            }
            Input::Timeout(now) => {
                self.advance(now)?;
                self.time_passed(now);
            }
        }
        Ok(())
    }

    /// The next output; see the contract.
    pub fn poll_output(&mut self) -> Output<'_> {
        /// For a core without anything to wait for.
        const IDLE: Duration = Duration::from_secs(3_600);

        while self.outputs.is_empty() {
            let Some(id) = self.dirty.pop() else {
                self.burst.clear();
                break;
            };
            self.isolated(|core| core.attend(id));
        }
        let deadline = [
            self.deadlines.first().map(|(at, _)| *at),
            self.keyframes.deadline(),
            self.levels_at,
            self.allocate_at,
        ]
        .into_iter()
        .flatten()
        .min();
        let deadline = Output::Deadline(deadline.unwrap_or(self.now + IDLE));
        self.outputs.next().unwrap_or(deadline)
    }

    fn advance(&mut self, now: Instant) -> Result<(), MediaError> {
        let pending = self.outputs.len() + self.burst.len();
        if pending > self.limits.outputs {
            return Err(MediaError::OutputPending { pending });
        }
        if now < self.now {
            return Err(MediaError::TimeReversed);
        }
        self.now = now;
        Ok(())
    }

    /// False: nobody's.
    fn receive(&mut self, datagram: Datagram<'_>) -> bool {
        let Datagram {
            now,
            source,
            destination,
            bytes,
        } = datagram;
        if bytes.len() > self.limits.datagram_bytes {
            return false;
        }
        let Some(id) = self.demux.session_of(source, bytes) else {
            return false;
        };
        let Ok(received) = Receive::new(protocol(source), source.socket, destination, bytes) else {
            return false;
        };
        let known = self.demux.knows(source, id);
        let check = stun::transaction_id(bytes);
        if let Some(check) = check
            && !known
            && self
                .sessions
                .get(&id)
                .is_some_and(|session| session.answered_checks.contains(check))
        {
            return false;
        }
        if rtcp::is_rtcp(bytes) {
            match self.take_rtcp(id, bytes) {
                Taken::Refused => return false,
                Taken::Whole => return true,
                Taken::ForTheStack => {}
            }
        }
        let before = self.outputs.len();
        self.drive(id, str0m::Input::Receive(now, received));
        let Some(session) = self.sessions.get_mut(&id) else {
            return true;
        };
        if let Some(check) = check
            && let Some((answered, _)) = self
                .outputs
                .datagrams_since(before)
                .find(|(_, answer)| stun::answers(answer, check))
        {
            session.answered_checks.insert(check);
            if stun::nominates(bytes) {
                session.egress.path = Some(answered);
            }
        }
        if !known {
            // Only now has the stack checked the integrity of the STUN request: whoever merely
            // names our fragment does not get the address.
            if !session.is_reached_at(source, destination, now) {
                return true;
            }
            session.addresses.push_back(source);
            let forgotten = if session.addresses.len() > self.limits.addresses {
                session.addresses.pop_front()
            } else {
                None
            };
            if let Some(address) = forgotten {
                self.demux.forget_address(address, id);
            }
            let before = self.demux.learn_address(source, id);
            if let Some(other) = before.and_then(|other| self.sessions.get_mut(&other)) {
                other.addresses.retain(|address| *address != source);
            }
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.last_heard = now;
        }
        true
    }

    fn lose_address(&mut self, address: PeerAddress) {
        let Some(id) = self.demux.session_at(address) else {
            return;
        };
        self.demux.forget_address(address, id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.lose_address(address);
            self.drive(id, str0m::Input::Timeout(self.now));
        }
    }

    fn command(&mut self, command: Command) {
        /// The recorder gets the best that there is.
        const LARGEST: Layer = Layer::ALL[MAX_LAYERS - 1];

        match command {
            Command::SetGraph { room, graph } => {
                self.at_work = Some(room);
                let recorded_before = self.recorded_pictures(room);
                self.rooms.entry(room).or_default().graph = graph;
                self.connect_tracks(room);
                for track in self.recorded_pictures(room).difference(&recorded_before) {
                    self.want_keyframe(*track, self.layer_for(*track, LARGEST));
                }
                self.drop_empty_room(room);
            }
            Command::CloseSession(id) => self.close_session(id),
            Command::CloseRoom(room) => {
                let sessions = self
                    .rooms
                    .get(&room)
                    .map(|room| room.sessions.clone())
                    .unwrap_or_default();
                for id in sessions {
                    self.close_session(id);
                }
                self.rooms.remove(&room);
            }
            Command::RequestKeyframe(track) => {
                self.want_keyframe(track, self.layer_for(track, LARGEST));
            }
            Command::SetShown { session, shown } => self.set_shown(session, shown),
            Command::SetLoad(load) => {
                self.load = load;
                for room in self.rooms() {
                    self.allocate_room(room);
                }
            }
            #[cfg(feature = "fuzzing")]
            Command::Break(room) => {
                self.at_work = Some(room);
                panic!("told to");
            }
        }
    }

    fn time_passed(&mut self, now: Instant) {
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(session) = self.sessions.get_mut(&id) else {
                continue;
            };
            session.scheduled = None;
            if session.quiet_since() + self.patience(id) <= now {
                let reason = match self.sessions.get(&id) {
                    Some(session) if session.connected => DisconnectReason::Silent,
                    _ => DisconnectReason::NeverConnected,
                };
                self.end_session(id, Some(reason));
            } else {
                self.session_due(id);
            }
        }
        for track in self.keyframes.due(now) {
            self.ask_keyframe(track);
        }
        self.allocate_due(now);
        if self.levels_at.is_some_and(|at| at <= now) {
            for (room, state) in &mut self.rooms {
                self.at_work = Some(*room);
                if let Some(loudest) = state.loudness.changed(now) {
                    self.outputs.tell(Event::Levels {
                        room: *room,
                        loudest,
                    });
                }
            }
            self.levels_at = self
                .rooms
                .values()
                .filter_map(|room| room.loudness.deadline())
                .min();
        }
    }

    fn patience(&self, id: SessionId) -> Duration {
        match self.sessions.get(&id) {
            Some(session) if session.connected => self.limits.silence,
            _ => self.limits.connect,
        }
    }

    /// Does what waits in a session.
    fn attend(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.dirty = false;
        let stack_waits = std::mem::take(&mut session.stack_waits);
        self.send_waiting(id);
        if stack_waits {
            self.drive(id, str0m::Input::Timeout(self.now));
        } else {
            self.schedule(id);
        }
    }

    /// Does what is due in a session.
    fn session_due(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.at_work = Some(session.room);
        session.time_passed(self.now, &mut self.outputs);
        if session.stack_at <= self.now {
            self.drive(id, str0m::Input::Timeout(self.now));
        } else {
            self.schedule(id);
        }
    }

    /// Takes RTCP of a client: most of it is about what is sent to it, and not for the stack.
    fn take_rtcp(&mut self, id: SessionId, packet: &[u8]) -> Taken {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Taken::Refused;
        };
        self.at_work = Some(session.room);
        let mut happened = std::mem::take(&mut self.happened);
        let before = session.egress.estimate_bps();
        let taken = session.take_rtcp(packet, self.now, &mut self.outputs, &mut happened);
        let found_more = session.found_more(before);
        let room = session.room;
        if taken == Taken::Whole {
            session.last_heard = self.now;
        }
        self.take_up(id, &mut happened);
        self.happened = happened;
        if found_more {
            // Whoever waits for a picture need not wait for the next look at all lines.
            self.allocate_room(room);
        }
        self.schedule(id);
        taken
    }

    /// Drives one session's stack and takes up everything that comes of it.
    fn drive(&mut self, id: SessionId, input: str0m::Input<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.at_work = Some(session.room);
        let mut happened = std::mem::take(&mut self.happened);
        let outcome = session.drive(input, &mut self.outputs, &mut happened);
        self.take_up(id, &mut happened);
        self.happened = happened;
        match outcome {
            Ok(()) => self.schedule(id),
            Err(reason) => self.end_session(id, Some(reason)),
        }
    }

    fn take_up(&mut self, id: SessionId, happened: &mut Vec<Happened>) {
        for happened in happened.drain(..) {
            match happened {
                Happened::Connected => self.outputs.tell(Event::Connected { session: id }),
                Happened::CodecChanged => {
                    if let Some(room) = self.sessions.get(&id).map(|session| session.room) {
                        self.connect_tracks(room);
                    }
                }
                Happened::Packet { stream, packet } => {
                    let track = TrackKey {
                        session: id,
                        source: stream.source,
                    };
                    self.forward(track, stream, packet);
                }
                Happened::Paused { stream } => {
                    let track = TrackKey {
                        session: id,
                        source: stream.source,
                    };
                    self.paused(track, stream.layer);
                }
                Happened::Measured => self.report(id),
                Happened::KeyframeWanted { slot } => {
                    let shown = self.sessions.get(&id).and_then(|session| {
                        let slot = session.slots.get(slot)?;
                        Some((slot.track()?, slot.layer()?))
                    });
                    if let Some((track, layer)) = shown {
                        self.want_keyframe(track, layer);
                    }
                }
            }
        }
    }

    /// A deadline that moved later is left where it stands: waking up too early is harmless and
    /// far cheaper than moving it for each packet.
    pub(super) fn schedule(&mut self, id: SessionId) {
        /// Probes of a line are no finer.
        const SOONEST: Duration = Duration::from_micros(500);

        let patience = self.patience(id);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        // A stack that wants to be asked again at once would keep `time_passed` in its loop for
        // good (found by the fuzz target `commands`).
        let deadline = session
            .deadline()
            .min(session.quiet_since() + patience)
            .max(self.now + SOONEST);
        if let Some(scheduled) = session.scheduled {
            if scheduled <= deadline {
                return;
            }
            self.deadlines.remove(&(scheduled, id));
        }
        session.scheduled = Some(deadline);
        self.deadlines.insert((deadline, id));
    }

    fn tell(&mut self, event: Event) {
        self.outputs.tell(event);
    }

    fn is_in_room(&self, room: RoomId, session: SessionId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|room| room.sessions.contains(&session))
    }

    fn track_stopped(&mut self, room: RoomId, track: TrackKey) {
        self.routes.remove(&track);
        self.keyframes.forget(track);
        self.unheard(room, track);
        self.tell(Event::TrackStopped { track });
    }

    fn close_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.close(self.now, &mut self.outputs);
            self.end_session(id, None);
        }
    }

    fn end_session(&mut self, id: SessionId, reason: Option<DisconnectReason>) {
        if let Some(room) = self.forget_session(id, reason) {
            self.connect_tracks(room);
            self.drop_empty_room(room);
        }
    }

    /// Ends a session without a look at the others of its room, which is returned.
    fn forget_session(
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

    fn drop_empty_room(&mut self, room: RoomId) {
        if self
            .rooms
            .get(&room)
            .is_some_and(|room| room.sessions.is_empty() && room.graph.edges().next().is_none())
        {
            self.rooms.remove(&room);
        }
    }
}
