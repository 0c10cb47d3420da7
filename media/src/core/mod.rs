//! The state machine of all rooms of one shard.

mod allocate;
mod allowance;
mod bandwidth;
mod checks;
mod connect;
mod demux;
mod drive;
mod egress;
mod encodings;
mod ending;
mod estimator;
mod formats;
mod forward;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod interface;
mod isolation;
mod keyframes;
mod keys;
mod line;
mod loudness;
mod meter;
mod offers;
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
mod transport_numbers;

pub use interface::{Command, Counters, Datagram, Input, Offer, Output};

use crate::{
    DisconnectReason, Event, Graph, Layer, Load, MAX_LAYERS, MediaError, MediaLimits, PeerAddress,
    RoomId, SessionId, TrackKey,
};
use bandwidth::Demand;
use demux::Demux;
use forward::Route;
use keyframes::{Encoded, KeyframeRequests};
use loudness::Loudness;
use outputs::Outputs;
use packet_rate::PacketRates;
use session::{Happened, Session, Track};
use slot::Forwarded;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

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

    fn tell(&mut self, event: Event) {
        self.outputs.tell(event);
    }

    fn is_in_room(&self, room: RoomId, session: SessionId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|room| room.sessions.contains(&session))
    }
}

/// The state of a track, by itself: whoever needs more of the core may hold it.
fn track_of(sessions: &HashMap<SessionId, Session>, track: TrackKey) -> Option<&Track> {
    sessions.get(&track.session)?.tracks.get(&track.source)
}

/// [`track_of`], to change it.
fn track_mut(sessions: &mut HashMap<SessionId, Session>, track: TrackKey) -> Option<&mut Track> {
    let session = sessions.get_mut(&track.session)?;
    session.tracks.get_mut(&track.source)
}
