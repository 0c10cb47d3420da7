//! The loop of a shard's thread.

use super::figures::Figures;
use super::load::LoadMeter;
use super::outbox::Outbox;
use super::socket::{BatchedSocket, MediaSocket};
use super::tcp::{Connections, MediaListener, TcpWake};
use crate::{
    Command, Core, Datagram, Event, Input, MediaError, MediaLimits, Offer, Output, PeerAddress,
    RecordedPacket, Transport,
};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What a handle asks of its shard.
#[derive(Debug)]
pub(super) enum Request {
    Offer {
        offer: Offer,
        answer: oneshot::Sender<Result<String, MediaError>>,
    },
    Command(Command),
    Adopt(TcpStream),
    Shutdown,
}

/// Everything that wakes the thread.
enum Wake {
    Readable,
    Tcp(TcpWake),
    Request(Option<Request>),
    Deadline,
    EventsTaken,
}

/// The thread's ends of what connects it with the rest of the program.
pub(super) struct Ends {
    pub(super) inbox: mpsc::Receiver<Request>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) recorded: mpsc::Sender<RecordedPacket>,
    pub(super) figures: Arc<Figures>,
}

/// A core with its socket and queues.
pub(super) struct Driver {
    core: Core,
    socket: BatchedSocket,
    tcp: Connections,
    candidates: Vec<SocketAddr>,
    inbox: mpsc::Receiver<Request>,
    events: mpsc::Sender<Event>,
    recorded: mpsc::Sender<RecordedPacket>,
    /// Events for which there was no room, in order.
    waiting: VecDeque<Event>,
    outbox: Outbox,
    unrecorded: u64,
    behind_told: Option<Instant>,
    unsent_told: Told,
    over_rate_told: Told,
    over_bitrate_told: Told,
    figures: Arc<Figures>,
    /// When the thread took the first packet of the present batch, and how many packets had been
    /// forwarded before it.
    batch: Option<(Instant, u64)>,
    load: LoadMeter,
}

/// A count when it was last told, and when that was.
#[derive(Debug, Default)]
struct Told(Option<(u64, Instant)>);

impl Told {
    /// By how much the count has grown, if it is time to tell again.
    fn news(&mut self, count: u64) -> Option<u64> {
        const TELL_AGAIN: Duration = Duration::from_secs(10);

        let before = self.0.map_or(0, |(before, _)| before);
        let due = self.0.is_none_or(|(_, told)| told.elapsed() >= TELL_AGAIN);
        (count > before && due).then(|| {
            self.0 = Some((count, Instant::now()));
            count - before
        })
    }
}

impl Driver {
    pub(super) fn new(
        socket: MediaSocket,
        listener: Option<MediaListener>,
        candidates: Vec<SocketAddr>,
        limits: MediaLimits,
        ends: Ends,
    ) -> Result<Self, MediaError> {
        let Ends {
            inbox,
            events,
            recorded,
            figures,
        } = ends;
        Ok(Self {
            core: Core::new(
                Instant::now().into_std(),
                candidates.clone(),
                limits.clone(),
            ),
            socket: socket.into_batched().map_err(MediaError::Start)?,
            tcp: Connections::new(listener, limits).map_err(MediaError::Start)?,
            candidates,
            inbox,
            events,
            recorded,
            waiting: VecDeque::new(),
            outbox: Outbox::default(),
            unrecorded: 0,
            behind_told: None,
            unsent_told: Told::default(),
            over_rate_told: Told::default(),
            over_bitrate_told: Told::default(),
            figures,
            batch: None,
            load: LoadMeter::new(Instant::now()),
        })
    }

    /// Runs until told to stop, or until every handle is gone.
    pub(super) async fn run(mut self) -> Result<(), MediaError> {
        /// So late only a machine that was paused is, or one that is hopelessly overloaded.
        const STALLED: Duration = Duration::from_secs(1);

        let mut woken = Instant::now();
        let mut due = woken;
        loop {
            let mut deadline = self.drain().await;
            self.show_figures();
            if self.load.round(due, woken, Instant::now()) {
                self.take_load()?;
                deadline = self.drain().await;
            }
            let wake = tokio::select! {
                request = self.inbox.recv() => Wake::Request(request),
                readable = self.socket.readable() => {
                    readable.map_err(MediaError::Start)?;
                    Wake::Readable
                }
                wake = self.tcp.wake() => Wake::Tcp(wake),
                () = tokio::time::sleep_until(deadline) => Wake::Deadline,
                room = self.events.reserve(), if !self.waiting.is_empty() => {
                    if let (Ok(room), Some(event)) = (room, self.waiting.pop_front()) {
                        room.send(event);
                    }
                    Wake::EventsTaken
                }
            };
            woken = Instant::now();
            due = match wake {
                Wake::Deadline => deadline,
                _ => woken,
            };
            match wake {
                Wake::Readable => {
                    self.batch = Some((woken, self.core.counters().forwarded));
                    self.receive()?;
                }
                Wake::Tcp(wake) => self.tcp.take(wake, &mut self.core, &self.candidates)?,
                Wake::Request(Some(Request::Offer { offer, answer })) => {
                    let answered = self.core.offer(Instant::now().into_std(), offer);
                    // The caller may have gone away meanwhile: its session will never connect.
                    let _ = answer.send(answered);
                }
                Wake::Request(Some(Request::Command(command))) => {
                    self.core
                        .handle(Input::Command(Instant::now().into_std(), command))?;
                }
                Wake::Request(Some(Request::Adopt(stream))) => self.tcp.adopt(stream),
                Wake::Request(Some(Request::Shutdown) | None) => return self.close().await,
                Wake::Deadline => {
                    if deadline.elapsed() >= STALLED {
                        self.catch_up(deadline.elapsed()).await?;
                    }
                    self.core
                        .handle(Input::Timeout(Instant::now().into_std()))?;
                }
                Wake::EventsTaken => {}
            }
        }
    }

    /// Shows operators what was done.
    fn show_figures(&mut self) {
        let counters = self.core.counters();
        let tcp = self.tcp.counters();
        self.figures.count(counters, self.core.session_count());
        let set = |figure: &AtomicU64, value| figure.store(value, Ordering::Relaxed);
        self.figures.strained(self.load.load(), self.load.strain());
        set(&self.figures.unsent, self.outbox.lost());
        set(&self.figures.tcp_refused, tcp.refused);
        set(&self.figures.tcp_dropped, tcp.dropped);
        if let Some((since, before)) = self.batch.take()
            && counters.forwarded > before
        {
            self.figures
                .forwarded_within(since.elapsed(), counters.forwarded - before);
        }
    }

    /// Lets the core do what so busy a thread must.
    fn take_load(&mut self) -> Result<(), MediaError> {
        let (load, strain) = (self.load.load(), self.load.strain());
        tracing::warn!(
            media.load = ?load,
            media.busy_percent = (strain.busy * 100.0).round(),
            media.wait_ms = u64::try_from(strain.wait.as_millis()).unwrap_or(u64::MAX),
            "the media shard is as busy as this from now on"
        );
        let command = Command::SetLoad(load);
        let now = Instant::now().into_std();
        self.core.handle(Input::Command(now, command))
    }

    /// After a stall: whoever was heard meanwhile must not be taken for silent, so that what waits
    /// in the socket comes before the time-outs that are due.
    async fn catch_up(&mut self, late: Duration) -> Result<(), MediaError> {
        /// Of four batches each: more than the kernel's buffer holds.
        const ROUNDS: usize = 256;

        tracing::warn!(
            media.stalled_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
            "media shard stood still"
        );
        for _ in 0..ROUNDS {
            if !self.receive()? {
                break;
            }
            self.drain().await;
        }
        Ok(())
    }

    /// Takes in what has come: at most so much that what goes out does not wait long. False when
    /// nothing is left.
    fn receive(&mut self) -> Result<bool, MediaError> {
        /// Of up to 32 datagrams each, so that at 10 µs for a packet and its copies, sending waits
        /// for no more than a few milliseconds.
        const BATCHES: usize = 4;

        for _ in 0..BATCHES {
            let Self {
                core,
                socket,
                candidates,
                outbox,
                ..
            } = self;
            let now = Instant::now().into_std();
            let mut broken = None;
            let more = socket.receive(|origin, bytes| {
                if let Some(ip) = origin.local_ip {
                    outbox.learn_local(ip);
                }
                let destination = super::advertised_for(candidates, origin.local_ip, origin.source);
                let Some(destination) = destination else {
                    return;
                };
                let source = PeerAddress::udp(origin.source);
                let datagram = Datagram {
                    now,
                    source,
                    destination,
                    bytes,
                };
                if let Err(error) = core.handle(Input::Datagram(datagram)) {
                    broken = Some(error);
                }
            });
            if let Some(error) = broken {
                return Err(error);
            }
            if !more.map_err(MediaError::Start)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Carries out what the core puts out, up to its next deadline.
    async fn drain(&mut self) -> Instant {
        loop {
            match self.core.poll_output() {
                Output::Transmit {
                    source,
                    destination,
                    bytes,
                } => match destination.transport {
                    Transport::Udp => {
                        self.outbox
                            .push(&self.socket, source, destination.socket, bytes)
                            .await;
                    }
                    Transport::Tcp => self.tcp.push(destination, bytes.to_vec()),
                },
                Output::Event(event) => self.tell(event),
                Output::Recorded(packet) => self.record(packet),
                Output::Deadline(at) => {
                    self.outbox.flush(&self.socket).await;
                    self.tcp.flush();
                    self.warn();
                    return Instant::from_std(at);
                }
            }
        }
    }

    /// What is lost here operators must see. A link or a network card that takes no more
    /// (`ENOBUFS`, a full socket) loses what was to be sent, as any network may.
    fn warn(&mut self) {
        let counters = self.core.counters();
        if let Some(unsent) = self.unsent_told.news(self.outbox.lost()) {
            tracing::warn!(media.unsent = unsent, "datagrams were not sent");
        }
        if let Some(dropped) = self.over_rate_told.news(counters.over_rate) {
            tracing::warn!(
                media.dropped = dropped,
                "an address sends too many datagrams"
            );
        }
        if let Some(dropped) = self.over_bitrate_told.news(counters.over_bitrate) {
            tracing::warn!(media.dropped = dropped, "a track has too many bits");
        }
    }

    /// Events keep their order. When nobody reads them, levels and reports are dropped, which are
    /// old in a moment; all others are few: they come from commands and from sessions that come and go.
    fn tell(&mut self, event: Event) {
        if self.waiting.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
            }
        } else if !matches!(event, Event::Levels { .. } | Event::Line(_)) {
            self.waiting.push_back(event);
        }
    }

    fn record(&mut self, packet: RecordedPacket) {
        /// A recorder that is behind is told of once a second, well within the 3 s in which the
        /// bench must see it.
        const TELL_AGAIN: Duration = Duration::from_secs(1);

        if self.recorded.try_send(packet).is_err() {
            self.unrecorded += 1;
            self.figures.unrecorded.fetch_add(1, Ordering::Relaxed);
        }
        if self.unrecorded > 0
            && self
                .behind_told
                .is_none_or(|told| told.elapsed() >= TELL_AGAIN)
        {
            self.behind_told = Some(Instant::now());
            let dropped = std::mem::take(&mut self.unrecorded);
            self.tell(Event::RecorderBehind { dropped });
        }
    }

    async fn close(mut self) -> Result<(), MediaError> {
        let now = Instant::now().into_std();
        for room in self.core.rooms() {
            self.core
                .handle(Input::Command(now, Command::CloseRoom(room)))?;
        }
        self.drain().await;
        let counters = self.core.counters();
        let tcp = self.tcp.counters();
        tracing::info!(
            media.datagrams = counters.datagrams,
            media.garbage = counters.garbage,
            media.over_rate = counters.over_rate,
            media.over_bitrate = counters.over_bitrate,
            media.forwarded = counters.forwarded,
            media.recorded = counters.recorded,
            media.failed_sessions = counters.failed_sessions,
            media.failed_rooms = counters.failed_rooms,
            media.unsent = self.outbox.lost(),
            media.tcp.accepted = tcp.accepted,
            media.tcp.refused = tcp.refused,
            media.tcp.expelled = tcp.expelled,
            media.tcp.dropped = tcp.dropped,
            "media shard ended"
        );
        Ok(())
    }
}
