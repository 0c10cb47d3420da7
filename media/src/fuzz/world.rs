//! A core and its peers on virtual time, over a network without delay, and what must always hold.

use super::open_srtp;
use super::peer::{Mark, Peer};
use crate::{
    Command, Core, Datagram, Event, Graph, Input, MediaError, MediaLimits, Offer, Output,
    PeerAddress, RoomId, SessionId, Sink, Source, TrackKey,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(super) const SERVER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    5_000,
);

/// Outputs of one input, or of one burst. A key frame of 1,000 bytes to four peers, its repairs
/// and its reports are far below; a core that answers itself is above.
const MOST_OUTPUTS: usize = 4_000;
/// Time-outs of one moment: a core that wants more of them never sleeps.
const MOST_TIMEOUTS: usize = 64;
/// Datagrams that go to and fro at one moment.
const MOST_ROUNDS: usize = 256;

pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Instant,
    /// By the place at which they sit.
    pub(super) peers: BTreeMap<u8, Peer>,
    /// The room of each session that exists.
    pub(super) live: BTreeMap<SessionId, RoomId>,
    /// What peers sent, for replays.
    pub(super) overheard: Vec<(SocketAddr, Vec<u8>)>,
    /// Marked packets that peers got.
    pub(super) received: u64,
    /// So many datagrams that come next are lost.
    pub(super) lose: u32,
    limits: MediaLimits,
    graphs: BTreeMap<RoomId, Graph>,
    tracks: BTreeSet<TrackKey>,
    /// The last step in which an edge was there.
    edges: HashMap<(TrackKey, Sink), u64>,
    /// The step in which a packet was sent.
    sent_at: HashMap<(TrackKey, u64), u64>,
    step: u64,
    deadline: Instant,
}

impl World {
    pub(super) fn new(limits: MediaLimits) -> Self {
        open_srtp::install();
        let now = Instant::now();
        Self {
            core: Core::new(now, vec![SERVER], limits.clone()),
            now,
            peers: BTreeMap::new(),
            live: BTreeMap::new(),
            overheard: Vec::new(),
            received: 0,
            lose: 0,
            limits,
            graphs: BTreeMap::new(),
            tracks: BTreeSet::new(),
            edges: HashMap::new(),
            sent_at: HashMap::new(),
            step: 0,
            deadline: now,
        }
    }

    /// A peer offers what it has and more, and takes the answer. A refusal must be for a reason.
    pub(super) fn offer(
        &mut self,
        place: u8,
        room: RoomId,
        sources: &[Source],
        slots: (u8, u8),
        restart_ice: bool,
    ) {
        let Some(peer) = self.peers.get_mut(&place) else {
            return;
        };
        let Some((sdp, pending)) = peer.make_offer(sources, slots.0, slots.1, restart_ice) else {
            return;
        };
        let session = peer.session;
        let offer = Offer {
            room,
            session,
            sdp,
            sources: peer.sources(),
            comes_back: false,
        };
        let elsewhere = self.live.get(&session).is_some_and(|held| *held != room);
        let full = !self.live.contains_key(&session) && self.live.len() >= self.limits.sessions;
        match self.core.offer(self.now, offer) {
            Ok(answer) => {
                assert!(!elsewhere && !full, "a limit was passed");
                self.live.insert(session, room);
                if let Some(peer) = self.peers.get_mut(&place) {
                    peer.take_answer(pending, &answer, self.now);
                }
            }
            Err(error) => {
                let expected = match error {
                    MediaError::WrongRoom { .. } => elsewhere,
                    MediaError::TooManySessions { .. } => full,
                    MediaError::TooManySections { .. } => true,
                    _ => false,
                };
                assert!(expected, "refused: {error}");
                if let Some(peer) = self.peers.get_mut(&place) {
                    peer.take_refusal(pending);
                }
            }
        }
        self.settle();
    }

    pub(super) fn set_graph(&mut self, room: RoomId, graph: Graph) {
        self.note_edges();
        self.step += 1;
        self.graphs.insert(room, graph.clone());
        self.command(Command::SetGraph { room, graph });
    }

    pub(super) fn command(&mut self, command: Command) {
        let closed = match &command {
            Command::CloseRoom(room) => Some(*room),
            _ => None,
        };
        match &command {
            Command::CloseSession(session) => {
                self.live.remove(session);
            }
            Command::CloseRoom(room) => {
                self.live.retain(|_, held| held != room);
            }
            _ => {}
        }
        self.core
            .handle(Input::Command(self.now, command))
            .expect("the contract is kept");
        // While a room closes, its sessions are told one after another what is left.
        self.settle();
        if let Some(room) = closed {
            self.step += 1;
            self.graphs.remove(&room);
        }
    }

    /// A peer sends a packet; see [`Peer::write`].
    pub(super) fn send(
        &mut self,
        place: u8,
        source: Source,
        seq: i16,
        timestamp: i32,
        marker: bool,
        payload: &[u8],
    ) {
        let now = self.now;
        let sent = self
            .peers
            .get_mut(&place)
            .and_then(|peer| peer.write(source, seq, timestamp, marker, payload, now));
        if let Some(mark) = sent {
            self.sent_at.insert((track(mark), mark.number), self.step);
        }
        self.settle();
    }

    /// A datagram from anywhere.
    pub(super) fn inject(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.core
            .handle(Input::Datagram(Datagram {
                now: self.now,
                source: PeerAddress::udp(source),
                destination: SERVER,
                bytes,
            }))
            .expect("what a peer sends is no error");
        self.settle();
    }

    /// Lets time pass, in at most 64 steps.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let step = (time / 64).max(Duration::from_millis(1));
        loop {
            let next = self
                .peers
                .values()
                .filter(|peer| peer.is_alive())
                .map(|peer| peer.deadline)
                .chain([self.deadline])
                .min()
                .unwrap_or(end);
            if next > end {
                break;
            }
            // Peers may want time-outs at once, over and over: time goes on for them.
            self.now = self.now.max(next) + step;
            self.settle();
        }
        self.now = self.now.max(end);
        self.settle();
    }

    /// Carries datagrams to and fro until nobody has anything to say at this moment.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        for _ in 0..MOST_ROUNDS {
            self.poll_core();
            let mut timeouts = 0;
            while self.deadline <= now {
                self.core
                    .handle(Input::Timeout(now))
                    .expect("the contract is kept");
                self.poll_core();
                timeouts += 1;
                assert!(timeouts < MOST_TIMEOUTS, "the deadline does not move");
            }
            let mut sent = Vec::new();
            for peer in self.peers.values_mut() {
                if peer.is_alive() && peer.deadline <= now {
                    peer.time_passed(now);
                }
                let address = peer.address;
                sent.extend(peer.sent.drain(..).map(|(_, bytes)| (address, bytes)));
            }
            self.check_reception();
            if sent.is_empty() {
                self.check_counts();
                return;
            }
            for (source, bytes) in sent {
                if self.lose > 0 {
                    self.lose -= 1;
                } else {
                    self.core
                        .handle(Input::Datagram(Datagram {
                            now,
                            source: PeerAddress::udp(source),
                            destination: SERVER,
                            bytes: &bytes,
                        }))
                        .expect("what a peer sends is no error");
                }
                self.overheard.push((source, bytes));
            }
        }
        panic!("core and peers talk without end");
    }

    fn poll_core(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            match self.core.poll_output() {
                Output::Transmit {
                    source,
                    destination,
                    bytes,
                } => {
                    assert_eq!(source, SERVER);
                    if self.lose > 0 {
                        self.lose -= 1;
                        continue;
                    }
                    let to = self.peers.values_mut().find(|peer| {
                        PeerAddress::udp(peer.address) == destination && peer.is_alive()
                    });
                    if let Some(peer) = to {
                        peer.receive(source, bytes, self.now);
                    }
                }
                Output::Event(event) => self.note(&event),
                Output::Recorded(packet) => {
                    assert!(
                        self.is_edge(packet.track, Sink::Recorder),
                        "recorded without an edge"
                    );
                }
                Output::Deadline(at) => {
                    self.deadline = at;
                    return;
                }
            }
        }
        panic!("more outputs than inputs can explain");
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Disconnected { session, .. } => {
                assert!(self.live.remove(session).is_some(), "ended twice");
            }
            Event::TrackStarted { track, .. } => {
                assert!(self.tracks.insert(*track), "started twice");
            }
            Event::TrackStopped { track } => {
                assert!(self.tracks.remove(track), "stopped without a start");
            }
            Event::SlotsChanged { session, slots } => {
                for track in slots.iter().filter_map(|slot| slot.track) {
                    assert!(
                        self.is_edge(track, Sink::Session(*session)),
                        "a slot is filled without an edge"
                    );
                }
            }
            Event::Levels { room, loudest } => {
                assert!(
                    loudest
                        .iter()
                        .all(|session| self.live.get(session).is_none_or(|held| held == room))
                );
            }
            // A panic that the core survived is a fault all the same.
            Event::RoomFailed { room } => panic!("{room:?} failed"),
            _ => {}
        }
    }

    /// Every packet that a peer got was sent while, or before, an edge led there.
    fn check_reception(&mut self) {
        self.note_edges();
        for peer in self.peers.values_mut() {
            let receiver = peer.session;
            // What is not marked was written by the fuzzer, byte by byte.
            for mark in peer.got.drain(..).flatten() {
                self.received += 1;
                let Some(sent_at) = self.sent_at.get(&(track(mark), mark.number)) else {
                    continue;
                };
                let edge = self.edges.get(&(track(mark), Sink::Session(receiver)));
                assert!(
                    edge.is_some_and(|seen| seen >= sent_at),
                    "{receiver:?} got {mark:?} without an edge"
                );
            }
        }
    }

    fn check_counts(&self) {
        assert_eq!(
            self.core.session_count(),
            self.live.len(),
            "{:?}",
            self.live
        );
        assert!(self.live.len() <= self.limits.sessions);
        assert!(
            self.tracks
                .iter()
                .all(|track| self.live.contains_key(&track.session)),
            "a track outlives its session"
        );
    }

    /// Remembers which edges are there now.
    fn note_edges(&mut self) {
        for (room, graph) in &self.graphs {
            for (track, sinks) in graph.edges() {
                if self.live.get(&track.session) != Some(room) {
                    continue;
                }
                for sink in sinks {
                    let inside = match sink {
                        Sink::Recorder => true,
                        Sink::Session(receiver) => self.live.get(receiver) == Some(room),
                    };
                    if inside {
                        self.edges.insert((track, *sink), self.step);
                    }
                }
            }
        }
    }

    fn is_edge(&self, track: TrackKey, sink: Sink) -> bool {
        self.graphs.values().any(|graph| graph.has(track, sink))
    }
}

fn track(mark: Mark) -> TrackKey {
    TrackKey {
        session: mark.session,
        source: mark.source,
    }
}
