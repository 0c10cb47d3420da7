//! A core and its clients on virtual time, with a seeded network between them.

use crate::allocations;
use crate::client::Client;
use otyrys_media::{
    Command, Core, Datagram, Event, Graph, Input, MediaError, MediaLimits, Mid, Offer, Output,
    PeerAddress, RecordedPacket, RoomId, SessionId, Sink, Source, TrackKey,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Where all clients of a test reach the core.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    5000,
);
/// How long a bottleneck lets datagrams wait before it drops them.
pub(crate) const QUEUE: Duration = Duration::from_millis(300);
/// The room of most tests.
pub(crate) const ROOM: RoomId = RoomId(1);

/// What the network does to a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Of 1,000 datagrams so many are lost.
    pub(crate) loss_permille: u64,
    pub(crate) delay: Duration,
    /// Up to so much more, so that datagrams overtake each other.
    pub(crate) jitter: Duration,
    /// So many are lost in a row when one is lost.
    pub(crate) burst: u32,
    /// Of 1,000 datagrams so many arrive twice.
    pub(crate) twice_permille: u64,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            loss_permille: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            burst: 1,
            twice_permille: 0,
        }
    }
}

/// SplitMix64: a seed gives the same test each time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

struct OnTheWire {
    at: Instant,
    order: u64,
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

/// Everything in a test.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) dice: Dice,
    pub(crate) link: Link,
    /// Where clients join.
    pub(crate) room: RoomId,
    /// What the line to a client carries, in bit/s. It keeps what is too much for [`QUEUE`].
    pub(crate) down_bps: BTreeMap<SessionId, u64>,
    /// Until when the line to an address is busy with what waits for it.
    busy_until: BTreeMap<SocketAddr, Instant>,
    pub(crate) clients: BTreeMap<SessionId, Client>,
    pub(crate) events: Vec<Event>,
    pub(crate) recorded: Vec<RecordedPacket>,
    /// Datagrams that clients sent, before loss: material for forgeries.
    pub(crate) overheard: Vec<(SocketAddr, Vec<u8>)>,
    /// The last answer of the core.
    pub(crate) answer: String,
    /// How often the core has allocated memory since the start.
    pub(crate) allocations: u64,
    /// So many of the next datagrams are lost: a burst.
    lose: u32,
    wire: Vec<OnTheWire>,
    order: u64,
    core_deadline: Instant,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_limits(seed, MediaLimits::default())
    }

    pub(crate) fn with_limits(seed: u64, limits: MediaLimits) -> Self {
        let now = Instant::now();
        Self {
            core: Core::new(now, vec![SERVER], limits),
            now,
            dice: Dice::new(seed),
            link: Link::default(),
            room: ROOM,
            down_bps: BTreeMap::new(),
            busy_until: BTreeMap::new(),
            clients: BTreeMap::new(),
            events: Vec::new(),
            recorded: Vec::new(),
            overheard: Vec::new(),
            answer: String::new(),
            allocations: 0,
            lose: 0,
            wire: Vec::new(),
            order: 0,
            core_deadline: now,
        }
    }

    /// A judge who sends sound and picture, and a clerk who gets both.
    pub(crate) fn hearing(seed: u64) -> (Self, SessionId, SessionId) {
        let mut world = Self::new(seed);
        let sources = [Source::Microphone, Source::Camera];
        let judge = world.join(1, &sources, 0, 0);
        let clerk = world.join(2, &[], 1, 1);
        world.connect(&sources.map(|source| edge(judge, source, clerk)));
        let now = world.now;
        for source in sources {
            world.client(judge).start(source, now);
        }
        (world, judge, clerk)
    }

    /// A client offers its sources and slots, takes the answer and connects.
    pub(crate) fn join(
        &mut self,
        session: u64,
        sources: &[Source],
        audio_slots: usize,
        video_slots: usize,
    ) -> SessionId {
        let client = Client::new(SessionId(session), sources, self.now);
        self.join_as(client, audio_slots, video_slots)
    }

    /// A client whose camera has three layers joins.
    pub(crate) fn join_simulcast(&mut self, session: u64) -> SessionId {
        let sources = [Source::Microphone, Source::Camera];
        let mut client = Client::new(SessionId(session), &sources, self.now);
        client.simulcast();
        self.join_as(client, 0, 0)
    }

    pub(crate) fn join_as(
        &mut self,
        client: Client,
        audio_slots: usize,
        video_slots: usize,
    ) -> SessionId {
        let id = client.session;
        self.clients.insert(id, client);
        self.offer(id, audio_slots, video_slots, false)
            .expect("an answer");
        self.run_ms(500);
        assert!(
            self.events.contains(&Event::Connected { session: id }),
            "{id:?} did not connect: {:?} {} {:?}",
            self.core.counters(),
            self.overheard.len(),
            self.events
        );
        id
    }

    /// A client offers again, with so many more slots.
    pub(crate) fn offer(
        &mut self,
        id: SessionId,
        audio_slots: usize,
        video_slots: usize,
        restart_ice: bool,
    ) -> Result<(), MediaError> {
        let now = self.now;
        let client = self.clients.get_mut(&id).expect("a client");
        let (sdp, pending) = client.make_offer(audio_slots, video_slots, restart_ice);
        let offer = Offer {
            room: self.room,
            session: id,
            sdp,
            sources: client.sources(),
            comes_back: false,
        };
        let answer = self.core.offer(now, offer)?;
        self.clients
            .get_mut(&id)
            .expect("a client")
            .take_answer(pending, &answer, now);
        self.answer = answer;
        self.poll_core();
        self.poll_clients();
        Ok(())
    }

    /// Replaces the graph by these edges.
    pub(crate) fn connect(&mut self, edges: &[(TrackKey, Sink)]) {
        let graph: Graph = edges.iter().copied().collect();
        let room = self.room;
        self.command(Command::SetGraph { room, graph });
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.core
            .handle(Input::Command(self.now, command))
            .expect("driven right");
        self.poll_core();
    }

    /// A datagram reaches the core, whoever sent it.
    pub(crate) fn inject(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.hand_in(source, bytes);
        self.poll_core();
    }

    /// A datagram reaches the core; the network carries nothing of what comes of it, which is
    /// returned instead.
    pub(crate) fn answers_to(&mut self, source: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.hand_in(source, bytes);
        let mut answers = Vec::new();
        loop {
            match self.core.poll_output() {
                Output::Transmit { bytes, .. } => answers.push(bytes.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Recorded(_) => {}
                Output::Deadline(_) => return answers,
            }
        }
    }

    fn hand_in(&mut self, source: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram {
            now: self.now,
            source: PeerAddress::udp(source),
            destination: SERVER,
            bytes,
        };
        let (handled, allocations) =
            allocations::during(|| self.core.handle(Input::Datagram(datagram)));
        handled.expect("what a peer sends is no error");
        self.allocations += allocations;
    }

    /// Lets time pass. Clients send what they have been told to send.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        loop {
            let next = self
                .wire
                .iter()
                .map(|datagram| datagram.at)
                .chain(self.clients.values().map(Client::next_at))
                .chain([self.core_deadline])
                .min()
                .unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.deliver();
            if self.core_deadline <= self.now {
                let (handled, allocations) =
                    allocations::during(|| self.core.handle(Input::Timeout(self.now)));
                handled.expect("driven right");
                self.allocations += allocations;
                self.poll_core();
            }
            for client in self.clients.values_mut() {
                client.time_passed(self.now);
            }
            self.poll_clients();
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let mut due: Vec<OnTheWire> = Vec::new();
        self.wire.retain_mut(|datagram| {
            if datagram.at > now {
                return true;
            }
            due.push(OnTheWire {
                bytes: std::mem::take(&mut datagram.bytes),
                ..*datagram
            });
            false
        });
        due.sort_by_key(|datagram| (datagram.at, datagram.order));
        for datagram in due {
            if datagram.destination == SERVER {
                self.inject(datagram.source, &datagram.bytes);
            } else if let Some(client) = self
                .clients
                .values_mut()
                .find(|client| client.address == datagram.destination)
            {
                client.receive(now, datagram.source, &datagram.bytes);
            }
        }
        self.poll_clients();
    }

    fn poll_core(&mut self) {
        loop {
            let (output, allocations) = allocations::during(|| self.core.poll_output());
            self.allocations += allocations;
            match output {
                Output::Transmit {
                    source,
                    destination,
                    bytes,
                } => {
                    let bytes = bytes.to_vec();
                    self.send(source, destination.socket, bytes);
                }
                Output::Event(event) => self.events.push(event),
                Output::Recorded(packet) => self.recorded.push(packet),
                Output::Deadline(at) => {
                    // A deadline that does not move would stop virtual time.
                    self.core_deadline = at.max(self.now + Duration::from_micros(100));
                    return;
                }
            }
        }
    }

    fn poll_clients(&mut self) {
        let sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)> = self
            .clients
            .values_mut()
            .flat_map(|client| client.poll(self.now))
            .collect();
        for (source, destination, bytes) in sent {
            self.overheard.push((source, bytes.clone()));
            self.send(source, destination, bytes);
        }
    }

    fn send(&mut self, source: SocketAddr, destination: SocketAddr, bytes: Vec<u8>) {
        if self.lose > 0 {
            self.lose -= 1;
            return;
        }
        if self.dice.below(1_000) < self.link.loss_permille {
            self.lose = self.link.burst - 1;
            return;
        }
        if self.dice.below(1_000) < self.link.twice_permille {
            self.carry(source, destination, bytes.clone());
        }
        self.carry(source, destination, bytes);
    }

    fn carry(&mut self, source: SocketAddr, destination: SocketAddr, bytes: Vec<u8>) {
        let jitter =
            Duration::from_micros(self.dice.below(self.link.jitter.as_micros() as u64 + 1));
        let Some(queued) = self.queue(destination, bytes.len()) else {
            return;
        };
        self.order += 1;
        self.wire.push(OnTheWire {
            at: queued + self.link.delay + jitter,
            order: self.order,
            source,
            destination,
            bytes,
        });
    }

    /// When a datagram has gone through the bottleneck on its way; nothing if its queue is full.
    fn queue(&mut self, destination: SocketAddr, bytes: usize) -> Option<Instant> {
        /// IPv4 and UDP.
        const HEADERS: usize = 28;

        let to = self
            .clients
            .values()
            .find(|client| client.address == destination)
            .map(|client| client.session);
        let Some(bps) = to.and_then(|to| self.down_bps.get(&to).copied()) else {
            return Some(self.now);
        };
        let busy = self.busy_until.entry(destination).or_insert(self.now);
        let starts = self.now.max(*busy);
        if starts - self.now > QUEUE {
            return None;
        }
        let bits = (bytes + HEADERS) as u64 * 8;
        *busy = starts + Duration::from_micros(bits * 1_000_000 / bps);
        Some(*busy)
    }

    pub(crate) fn client(&mut self, id: SessionId) -> &mut Client {
        self.clients.get_mut(&id).expect("a client")
    }

    /// What the core last said about the slots of a client.
    pub(crate) fn slots(&self, id: SessionId) -> Vec<(Mid, Option<TrackKey>)> {
        self.events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::SlotsChanged { session, slots } if *session == id => Some(
                    slots
                        .iter()
                        .map(|slot| (slot.mid.clone(), slot.track))
                        .collect(),
                ),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The section on which `track` arrives at a client.
    pub(crate) fn slot_of(&self, id: SessionId, track: TrackKey) -> Mid {
        self.slots(id)
            .into_iter()
            .find_map(|(mid, fill)| (fill == Some(track)).then_some(mid))
            .expect("a slot with the track")
    }
}

pub(crate) fn track(session: SessionId, source: Source) -> TrackKey {
    TrackKey { session, source }
}

/// The edge from a source of one session to another session.
pub(crate) fn edge(from: SessionId, source: Source, to: SessionId) -> (TrackKey, Sink) {
    (track(from, source), Sink::Session(to))
}

/// The edge from a source to the recorder.
pub(crate) fn tape(from: SessionId, source: Source) -> (TrackKey, Sink) {
    (track(from, source), Sink::Recorder)
}
