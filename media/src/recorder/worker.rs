//! The recorder's threads and the way in and out of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::driven::require_element;
use super::feed::{Feed, FeedError, Surroundings};
use super::muxer::{MATROSKAMUX, WEBMMUX};
use super::muxing::{self, Link, Told};
use super::{ChunkSink, FeedId, FeedInfo, RecorderConfig, RecorderError, RecorderEvent};
use crate::RecordedPacket;

/// How often a thread looks for what came and what is due, all threads at the same moments: being
/// woken costs more than most of what there is to do, and nobody waits for the record.
const BEAT: Duration = Duration::from_millis(100);

/// When the recorder ends, files whose last blocks are not muxed in so long end without them.
const LAST_BLOCKS: Duration = Duration::from_secs(10);

/// What is told by the recorder, in order for each feed. Ends when the recorder has ended.
pub type RecorderEvents = mpsc::Receiver<RecorderEvent>;

/// The recorder's threads and the muxing process. [`Self::shutdown`] ends and joins them.
#[derive(Debug)]
pub struct Recorder {
    handle: RecorderHandle,
    threads: Vec<JoinHandle<()>>,
    link: Link,
}

/// The way into the recorder: cheap to clone, safe to use from any thread, never blocks.
#[derive(Debug, Clone)]
pub struct RecorderHandle {
    lanes: Arc<[Lane]>,
    restarts: Arc<AtomicU64>,
}

/// The way into one thread.
#[derive(Debug)]
struct Lane {
    /// Not bounded by itself: packets are counted, and so is what the muxing process answers.
    commands: Sender<Command>,
    thread: Thread,
    load: Arc<Load>,
    max_packets: usize,
}

/// What a thread and its callers know of each other.
#[derive(Debug)]
struct Load {
    base: Instant,
    queued_packets: AtomicUsize,
    refused_packets: AtomicU64,
    /// Milliseconds after `base`, plus one, at which the thread took up what it is doing;
    /// 0 while it waits for work.
    busy_since: AtomicU64,
}

#[derive(Debug)]
enum Command {
    Start(FeedId, FeedInfo),
    Packet(FeedId, RecordedPacket),
    Stop(FeedId),
    Muxing(Told),
    Shutdown,
}

impl Recorder {
    /// Starts the threads and the muxing process.
    ///
    /// # Errors
    /// [`RecorderError::GStreamer`], [`RecorderError::MissingElement`] or
    /// [`RecorderError::Muxing`] if this machine cannot record, [`RecorderError::Thread`] if it
    /// has no thread left.
    pub fn spawn(
        config: RecorderConfig,
        sink: Arc<dyn ChunkSink>,
    ) -> Result<(Self, RecorderEvents), RecorderError> {
        require_element(WEBMMUX)?;
        require_element(MATROSKAMUX)?;
        let (events, receiver) = mpsc::channel(config.queue_events.max(1));
        let config = Arc::new(config);
        #[expect(
            clippy::disallowed_methods,
            reason = "packets are counted, and answers of the muxing process by what was asked"
        )]
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..config.threads.max(1)).map(|_| channel()).unzip();
        let told = senders.clone();
        let tell = move |lane: usize, what| {
            // A thread that has ended need not know.
            let _ = told[lane].send(Command::Muxing(what));
        };
        let program = config.program.clone();
        let (link, muxing) = Link::start(program, config.backlog_bytes, tell, senders.len())?;
        let (mut lanes, mut threads) = (Vec::new(), Vec::new());
        let base = Instant::now();
        for (number, ((commands, inbox), muxing)) in
            senders.into_iter().zip(inboxes).zip(muxing).enumerate()
        {
            let load = Arc::new(Load {
                base,
                queued_packets: AtomicUsize::new(0),
                refused_packets: AtomicU64::new(0),
                busy_since: AtomicU64::new(0),
            });
            let worker = Worker {
                config: Arc::clone(&config),
                sink: Arc::clone(&sink),
                muxing,
                load: Arc::clone(&load),
                feeds: HashMap::new(),
                events: events.clone(),
                told: Vec::new(),
                refused_blocks: 0,
                clock: Instant::now(),
                ticked: Instant::now(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("recorder-{number}"))
                .spawn(move || worker.run(&inbox))
                .map_err(RecorderError::Thread)?;
            lanes.push(Lane {
                commands,
                thread: thread.thread().clone(),
                load,
                max_packets: config.queue_packets,
            });
            threads.push(thread);
        }
        let handle = RecorderHandle {
            lanes: lanes.into(),
            restarts: link.restarts(),
        };
        let recorder = Self {
            handle,
            threads,
            link,
        };
        Ok((recorder, receiver))
    }

    /// A way in.
    pub fn handle(&self) -> RecorderHandle {
        self.handle.clone()
    }

    /// Writes everything that has come, closes all files and joins the threads. Blocks;
    /// **the events must be read meanwhile** (in async code: `spawn_blocking`).
    pub fn shutdown(self) {
        for lane in self.handle.lanes.iter() {
            // A thread that has ended needs no telling.
            let _ = lane.commands.send(Command::Shutdown);
        }
        for thread in self.threads {
            // A panic has been printed by the thread itself.
            let _ = thread.join();
        }
        self.link.join();
    }
}

impl RecorderHandle {
    /// Starts a feed.
    ///
    /// # Errors
    /// [`RecorderError::Stopped`]: the feed has not been started.
    pub fn start(&self, feed: FeedId, info: FeedInfo) -> Result<(), RecorderError> {
        let lane = self.lane(feed);
        lane.send(Command::Start(feed, info))?;
        // A picture is missing until its key frame is asked for.
        lane.thread.unpark();
        Ok(())
    }

    /// Hands over a packet, in the order of arrival. Packets of a feed that does not run are
    /// ignored.
    ///
    /// # Errors
    /// [`RecorderError::Behind`] or [`RecorderError::Stopped`]: the packet is lost.
    pub fn packet(&self, feed: FeedId, packet: RecordedPacket) -> Result<(), RecorderError> {
        let lane = self.lane(feed);
        if lane.load.queued_packets.fetch_add(1, Ordering::Relaxed) >= lane.max_packets {
            lane.load.queued_packets.fetch_sub(1, Ordering::Relaxed);
            lane.load.refused_packets.fetch_add(1, Ordering::Relaxed);
            return Err(RecorderError::Behind);
        }
        let sent = lane.send(Command::Packet(feed, packet));
        if sent.is_err() {
            lane.load.queued_packets.fetch_sub(1, Ordering::Relaxed);
            lane.load.refused_packets.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Writes what has come for a feed and closes its file. Packets handed over before are in it.
    ///
    /// # Errors
    /// [`RecorderError::Stopped`].
    pub fn stop(&self, feed: FeedId) -> Result<(), RecorderError> {
        self.lane(feed).send(Command::Stop(feed))
    }

    /// How long the slowest thread has been at what it is doing: more than a second means
    /// that the disk hangs and nothing reaches the record.
    pub fn stalled_for(&self) -> Duration {
        let longest = self.lanes.iter().map(|lane| lane.load.busy_for()).max();
        longest.unwrap_or_default()
    }

    /// How often the muxing process died and was started anew.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn lane(&self, feed: FeedId) -> &Lane {
        // `spawn` makes at least one lane.
        &self.lanes[(feed.0 % self.lanes.len() as u64) as usize]
    }
}

impl Lane {
    fn send(&self, command: Command) -> Result<(), RecorderError> {
        self.commands
            .send(command)
            .map_err(|_| RecorderError::Stopped)
    }
}

impl Load {
    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn busy_for(&self) -> Duration {
        match self.busy_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }
}

/// One thread's share of the feeds.
struct Worker {
    config: Arc<RecorderConfig>,
    sink: Arc<dyn ChunkSink>,
    muxing: muxing::Lane,
    load: Arc<Load>,
    feeds: HashMap<FeedId, Feed>,
    events: mpsc::Sender<RecorderEvent>,
    told: Vec<RecorderEvent>,
    refused_blocks: u64,
    /// Arrival of the latest packet, or the time at which the queue was last found empty. A
    /// gap is never given up for want of a packet that waits in the queue.
    clock: Instant,
    ticked: Instant,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        loop {
            let received = inbox.try_recv();
            let received_nothing = received.is_err();
            self.load
                .busy_since
                .store(self.load.now(), Ordering::Relaxed);
            match received {
                Ok(Command::Start(id, info)) => self.start(id, info),
                Ok(Command::Packet(id, packet)) => self.packet(id, packet),
                Ok(Command::Stop(id)) => self.with_feed(id, Feed::stop),
                Ok(Command::Muxing(told)) => self.muxing(told),
                Ok(Command::Shutdown) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.clock = self.clock.max(Instant::now());
                }
            }
            if received_nothing || self.clock.saturating_duration_since(self.ticked) >= BEAT {
                self.tick();
            }
            self.tell();
            self.load.busy_since.store(0, Ordering::Relaxed);
            if received_nothing {
                std::thread::park_timeout(self.until_next_beat());
            }
        }
        self.end(inbox);
        self.load.busy_since.store(0, Ordering::Relaxed);
    }

    fn until_next_beat(&self) -> Duration {
        let passed = self.load.base.elapsed().as_nanos() % BEAT.as_nanos();
        BEAT.saturating_sub(Duration::from_nanos(u64::try_from(passed).unwrap_or(0)))
    }

    /// Closes all files.
    fn end(&mut self, inbox: &Receiver<Command>) {
        for id in self.running() {
            self.with_feed(id, Feed::stop);
        }
        let until = Instant::now() + LAST_BLOCKS;
        while !self.feeds.is_empty() {
            self.tell();
            let left = until.saturating_duration_since(Instant::now());
            match inbox.recv_timeout(left) {
                Ok(Command::Muxing(told)) => self.muxing(told),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        for id in self.running() {
            self.with_feed(id, |feed, around| feed.abandon(around).map(|()| true));
        }
        self.tell();
    }

    fn running(&self) -> Vec<FeedId> {
        let mut running: Vec<_> = self.feeds.keys().copied().collect();
        running.sort_unstable();
        running
    }

    fn start(&mut self, id: FeedId, info: FeedInfo) {
        let feed = Feed::new(id, info, &self.config);
        self.feeds.insert(id, feed);
        // A picture's key frame is asked for at once.
        let now = self.clock;
        self.with_feed(id, |feed, around| feed.tick(now, around).map(|()| false));
    }

    fn packet(&mut self, id: FeedId, packet: RecordedPacket) {
        self.load.queued_packets.fetch_sub(1, Ordering::Relaxed);
        self.clock = self.clock.max(packet.arrival);
        self.with_feed(id, |feed, around| {
            feed.packet(packet, around);
            Ok(false)
        });
    }

    fn muxing(&mut self, told: Told) {
        match told {
            Told::Muxed { feed, file, bytes } => {
                self.with_feed(feed, |feed, around| feed.muxed(file, &bytes, around));
            }
            Told::Refused { feed, file, error } => {
                self.with_feed(feed, |feed, _| feed.refused(file, error));
            }
            Told::Died {
                generation,
                culprit,
            } => {
                self.muxing.died(generation);
                for id in self.running() {
                    let of_its_block = culprit == Some(id);
                    self.with_feed(id, |feed, around| feed.muxing_died(of_its_block, around));
                }
            }
        }
    }

    fn tick(&mut self) {
        self.ticked = self.clock;
        let now = self.clock;
        for id in self.running() {
            self.with_feed(id, |feed, around| feed.tick(now, around).map(|()| false));
        }
        let refused_packets = self.load.refused_packets.swap(0, Ordering::Relaxed)
            + std::mem::take(&mut self.refused_blocks);
        if refused_packets > 0 {
            self.told.push(RecorderEvent::Behind { refused_packets });
        }
    }

    /// Does something with a feed that runs; true ends it, an error ends it and no other.
    fn with_feed(
        &mut self,
        id: FeedId,
        act: impl FnOnce(&mut Feed, &mut Surroundings<'_>) -> Result<bool, FeedError>,
    ) {
        let Some(feed) = self.feeds.get_mut(&id) else {
            return;
        };
        let mut around = Surroundings {
            config: &self.config,
            sink: &*self.sink,
            muxing: &self.muxing,
            events: &mut self.told,
            refused: &mut self.refused_blocks,
        };
        let is_over = match act(feed, &mut around) {
            Ok(is_over) => is_over,
            Err(FeedError { kind, error }) => {
                let segment = feed.segment();
                self.told.push(RecorderEvent::Failed {
                    feed: id,
                    segment,
                    kind,
                    error,
                });
                true
            }
        };
        if is_over {
            self.feeds.remove(&id);
        }
    }

    /// Sends what there is to tell. Nobody listens any more: then nobody is told.
    fn tell(&mut self) {
        for event in self.told.drain(..) {
            if matches!(event, RecorderEvent::Written { .. }) {
                let _ = self.events.try_send(event);
            } else {
                let _ = self.events.blocking_send(event);
            }
        }
    }
}
