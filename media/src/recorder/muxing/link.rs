//! The server's end: what waits for the muxing process, and the process itself.

use super::messages::{Answer, FileNumber, Order, Piece};
use crate::recorder::driven::plugin_path;
use crate::recorder::muxer::{Block, Content, WEBMMUX};
use crate::recorder::program::{RecorderProgram, Task};
use crate::recorder::{FeedId, RecorderError, wire};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// Whoever does not answer for so long hangs, and is replaced: before the bench is told that a
/// track is not written (3 s). A block takes microseconds.
const HANGS: Duration = Duration::from_secs(2);
/// A process that is started answers within so long, also on a machine that is busy with all else.
const START: Duration = Duration::from_secs(10);
/// The first process is tried to be started so often.
const FIRST_TRIES: u32 = 3;
/// After a start that failed the next one waits so long, and twice as long each time.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MOST: Duration = Duration::from_secs(1);
/// The threads of the recorder ask at the same moments, each for each of its files: what comes within
/// so long is one message, for being woken costs the process more than most of what it does.
const GATHER: Duration = Duration::from_millis(2);
/// Requests that are taken at once.
const TOGETHER: usize = 1_024;
/// Written to the socket at once.
const WRITE: usize = 256 << 10;
/// So often it is looked whether the process hangs.
const LOOK: Duration = Duration::from_millis(250);
/// What a block costs beside its bytes.
const OVERHEAD: usize = 256;

/// The thread that keeps the process running. It ends when all [`Lane`]s are gone.
#[derive(Debug)]
pub(in crate::recorder) struct Link {
    thread: JoinHandle<()>,
    load: Arc<Load>,
}

/// The way to the process for one thread of the recorder.
#[derive(Debug, Clone)]
pub(in crate::recorder) struct Lane {
    requests: mpsc::UnboundedSender<Request>,
    load: Arc<Load>,
    number: usize,
    /// Of the process that the thread believes to run: what is for one that died goes nowhere.
    generation: u64,
}

/// What a thread of the recorder is told.
#[derive(Debug)]
pub(in crate::recorder) enum Told {
    /// The answer to the oldest blocks or closing of the file that have none.
    Muxed {
        feed: FeedId,
        file: FileNumber,
        bytes: Vec<u8>,
    },
    /// In place of [`Self::Muxed`]: nothing more will come of this file.
    Refused {
        feed: FeedId,
        file: FileNumber,
        error: String,
    },
    /// The process died, and with it what it knew of all files. What it had not answered is to be
    /// given again; but for the oldest block of `culprit`, of which it died.
    Died {
        generation: u64,
        culprit: Option<FeedId>,
    },
}

/// So much waits for the process that no more is taken.
#[derive(Debug)]
pub(in crate::recorder) struct Backlogged;

#[derive(Debug)]
struct Load {
    waiting_bytes: AtomicUsize,
    most_bytes: usize,
    next_file: AtomicU64,
    restarts: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Request {
    lane: usize,
    feed: FeedId,
    generation: u64,
    ask: Ask,
}

#[derive(Debug)]
enum Ask {
    Open(FileNumber, Content),
    Blocks {
        file: FileNumber,
        blocks: Vec<Block<Bytes>>,
        /// A process that died may have died of it: it is one block.
        suspect: bool,
    },
    Close(FileNumber),
}

impl Link {
    /// Starts the process. `tell` takes what the threads of the recorder are to know, by their
    /// numbers, and may not block.
    ///
    /// # Errors
    /// [`RecorderError::Muxing`] when the process does not start or cannot mux.
    pub(in crate::recorder) fn start(
        program: RecorderProgram,
        most_bytes: usize,
        tell: impl Fn(usize, Told) + Send + 'static,
        lanes: usize,
    ) -> Result<(Self, Vec<Lane>), RecorderError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by the bytes of all blocks that wait, `most_bytes`"
        )]
        let (requests, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(Load {
            waiting_bytes: AtomicUsize::new(0),
            most_bytes,
            // Nought is asked for when a process is started.
            next_file: AtomicU64::new(1),
            restarts: Arc::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(RecorderError::Thread)?;
        let (started, is_started) = sync_channel(1);
        let keeper = Keeper {
            program,
            inbox,
            tell: Box::new(tell),
            lanes,
            load: Arc::clone(&load),
            generation: 0,
            queue: VecDeque::new(),
            sent: VecDeque::new(),
        };
        let thread = std::thread::Builder::new()
            .name("recorder-link".to_owned())
            .spawn(move || runtime.block_on(keeper.run(started)))
            .map_err(RecorderError::Thread)?;
        match is_started.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(RecorderError::Muxing(error)),
            Err(_) => return Err(RecorderError::Muxing(io::ErrorKind::BrokenPipe.into())),
        }
        let lane = |number| Lane {
            requests: requests.clone(),
            load: Arc::clone(&load),
            number,
            generation: 0,
        };
        let all = (0..lanes).map(lane).collect();
        Ok((Self { thread, load }, all))
    }

    /// Counts how often the process was started anew.
    pub(in crate::recorder) fn restarts(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.load.restarts)
    }

    pub(in crate::recorder) fn join(self) {
        // A panic has been printed by the thread itself.
        let _ = self.thread.join();
    }
}

impl Lane {
    /// Begins a file.
    pub(in crate::recorder) fn open(&self, feed: FeedId, content: Content) -> FileNumber {
        let file = FileNumber(self.load.next_file.fetch_add(1, Ordering::Relaxed));
        self.ask(feed, Ask::Open(file, content));
        file
    }

    /// Gives the next blocks of a file, which are answered together.
    ///
    /// # Errors
    /// [`Backlogged`]: they were not taken.
    pub(in crate::recorder) fn blocks(
        &self,
        feed: FeedId,
        file: FileNumber,
        blocks: Vec<Block<Bytes>>,
    ) -> Result<(), Backlogged> {
        if self.load.waiting_bytes.load(Ordering::Relaxed) >= self.load.most_bytes {
            return Err(Backlogged);
        }
        self.give(feed, file, blocks, false);
        Ok(())
    }

    /// Gives a block that a process which died did not answer.
    pub(in crate::recorder) fn suspect(&self, feed: FeedId, file: FileNumber, block: Block<Bytes>) {
        self.give(feed, file, vec![block], true);
    }

    /// Ends a file, which is answered once more.
    pub(in crate::recorder) fn close(&self, feed: FeedId, file: FileNumber) {
        self.ask(feed, Ask::Close(file));
    }

    /// What is asked from now on is for the process behind the one that died.
    pub(in crate::recorder) fn died(&mut self, generation: u64) {
        self.generation = generation;
    }

    fn give(&self, feed: FeedId, file: FileNumber, blocks: Vec<Block<Bytes>>, suspect: bool) {
        let waiting = &self.load.waiting_bytes;
        waiting.fetch_add(weight(&blocks), Ordering::Relaxed);
        let ask = Ask::Blocks {
            file,
            blocks,
            suspect,
        };
        self.ask(feed, ask);
    }

    fn ask(&self, feed: FeedId, ask: Ask) {
        let request = Request {
            lane: self.number,
            feed,
            generation: self.generation,
            ask,
        };
        // The link outlives its lanes, but for a panic, which ends the record anyway.
        let _ = self.requests.send(request);
    }
}

fn weight(blocks: &[Block<Bytes>]) -> usize {
    blocks.iter().map(|block| block.data.len() + OVERHEAD).sum()
}

/// What the process has and has not answered.
#[derive(Debug)]
struct Sent {
    lane: usize,
    feed: FeedId,
    file: FileNumber,
    bytes: usize,
    suspect: bool,
    at: Instant,
}

struct Keeper {
    program: RecorderProgram,
    inbox: mpsc::UnboundedReceiver<Request>,
    tell: Box<dyn Fn(usize, Told) + Send>,
    lanes: usize,
    load: Arc<Load>,
    generation: u64,
    queue: VecDeque<Request>,
    sent: VecDeque<Sent>,
}

/// The running process and what is on its way to it and back.
struct Process {
    child: Child,
    socket: UnixStream,
    output: BytesMut,
    input: BytesMut,
}

/// Everything that can happen while a process runs.
enum Turn {
    Moved(io::Result<()>),
    /// So many have asked; none: nobody can any more.
    Asked(usize),
    /// Time to look whether it hangs.
    Looked,
}

impl Keeper {
    async fn run(mut self, started: SyncSender<io::Result<()>>) {
        let mut tries = 1;
        let mut process = loop {
            match Process::start(&self.program).await {
                Ok(process) => break process,
                // Whatever kept it from starting may pass; a server that stays away does not.
                Err(_) if tries < FIRST_TRIES => tries += 1,
                Err(error) => {
                    // Whoever asked for the start is told, or gone.
                    let _ = started.send(Err(error));
                    return;
                }
            }
            tokio::time::sleep(AGAIN).await;
        };
        let _ = started.send(Ok(()));
        loop {
            let Err(error) = self.serve(&mut process).await else {
                return process.end().await;
            };
            let status = process.kill().await;
            self.died(&error, status);
            process = self.start_again().await;
        }
    }

    /// Ends well when nobody can ask any more, and otherwise with the process.
    async fn serve(&mut self, process: &mut Process) -> io::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = Vec::new();
        loop {
            let turn = tokio::select! {
                biased;
                moved = process.move_bytes() => Turn::Moved(moved),
                number = self.inbox.recv_many(&mut asked, TOGETHER) => Turn::Asked(number),
                _ = look.tick() => Turn::Looked,
            };
            match turn {
                Turn::Moved(moved) => {
                    moved?;
                    self.take_answers(process)?;
                }
                Turn::Asked(0) => return Ok(()),
                Turn::Asked(_) => {
                    if process.output.is_empty() {
                        tokio::time::sleep(GATHER).await;
                        asked.extend(std::iter::from_fn(|| self.inbox.try_recv().ok()));
                    }
                    for request in asked.drain(..) {
                        self.take(request);
                    }
                }
                Turn::Looked => {
                    let oldest = self.sent.front();
                    if oldest.is_some_and(|sent| sent.at.elapsed() >= HANGS) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
            self.fill(process)?;
        }
    }

    fn take(&mut self, request: Request) {
        if request.generation == self.generation {
            self.queue.push_back(request);
        } else {
            self.left(&request);
        }
    }

    /// Writes what waits, as much as goes at once. Whatever is suspected goes alone.
    fn fill(&mut self, process: &mut Process) -> io::Result<()> {
        while process.output.len() < WRITE
            && let Some(next) = self.queue.front()
        {
            let suspect = matches!(next.ask, Ask::Blocks { suspect: true, .. });
            let alone = suspect || self.sent.back().is_some_and(|sent| sent.suspect);
            if alone && !self.sent.is_empty() {
                return Ok(());
            }
            let (file, bytes, order) = match &next.ask {
                Ask::Open(file, content) => {
                    let content = content.clone();
                    (
                        *file,
                        None,
                        Order::Open {
                            file: *file,
                            content,
                        },
                    )
                }
                Ask::Blocks { file, blocks, .. } => {
                    let order = Order::Blocks {
                        file: *file,
                        blocks: blocks.iter().map(Piece::from).collect(),
                    };
                    (*file, Some(weight(blocks)), order)
                }
                Ask::Close(file) => (*file, Some(0), Order::Close { file: *file }),
            };
            process.say(&order)?;
            if let Some(bytes) = bytes {
                self.sent.push_back(Sent {
                    lane: next.lane,
                    feed: next.feed,
                    file,
                    bytes,
                    suspect,
                    at: Instant::now(),
                });
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    fn take_answers(&mut self, process: &mut Process) -> io::Result<()> {
        while let Some((answer, length)) = wire::read::<Answer<'_>>(&process.input)? {
            let Some(sent) = self.sent.pop_front() else {
                return Err(io::Error::other("it answers what was not asked"));
            };
            self.load
                .waiting_bytes
                .fetch_sub(sent.bytes, Ordering::Relaxed);
            if answer.file() != sent.file {
                return Err(io::Error::other("it answers for another file"));
            }
            let (feed, file) = (sent.feed, sent.file);
            let told = match answer {
                Answer::Muxed { bytes, .. } => Told::Muxed {
                    feed,
                    file,
                    bytes: bytes.to_vec(),
                },
                Answer::Refused { error, .. } => Told::Refused { feed, file, error },
            };
            (self.tell)(sent.lane, told);
            process.input.advance(length);
        }
        Ok(())
    }

    fn died(&mut self, error: &io::Error, status: io::Result<ExitStatus>) {
        self.generation += 1;
        self.load.restarts.fetch_add(1, Ordering::Relaxed);
        let culprit = match self.sent.make_contiguous() {
            [alone] if alone.suspect => Some(alone.feed),
            _ => None,
        };
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        tracing::error!(
            %error, process.status = %status, blocks.unanswered = self.sent.len(),
            block.is_known = culprit.is_some(), "the muxing process died; another one goes on"
        );
        for sent in std::mem::take(&mut self.sent) {
            self.load
                .waiting_bytes
                .fetch_sub(sent.bytes, Ordering::Relaxed);
        }
        for request in std::mem::take(&mut self.queue) {
            self.left(&request);
        }
        for lane in 0..self.lanes {
            let told = Told::Died {
                generation: self.generation,
                culprit,
            };
            (self.tell)(lane, told);
        }
    }

    /// Notes that a request is for a process that died: its feed gives it again.
    fn left(&self, request: &Request) {
        if let Ask::Blocks { blocks, .. } = &request.ask {
            let waiting = &self.load.waiting_bytes;
            waiting.fetch_sub(weight(blocks), Ordering::Relaxed);
        }
    }

    async fn start_again(&self) -> Process {
        let mut pause = AGAIN;
        loop {
            match Process::start(&self.program).await {
                Ok(process) => return process,
                Err(error) => tracing::error!(%error, "the muxing process does not start"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
    }
}

impl Process {
    async fn start(program: &RecorderProgram) -> io::Result<Self> {
        let (child, socket) = program.start(Task::Muxing, &[plugin_path(WEBMMUX)?])?;
        let mut process = Self {
            child,
            socket,
            output: BytesMut::new(),
            input: BytesMut::new(),
        };
        match tokio::time::timeout(START, process.greet()).await {
            Ok(greeted) => greeted.map(|()| process),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits for the first answer.
    async fn greet(&mut self) -> io::Result<()> {
        let file = FileNumber(0);
        self.say(&Order::Close { file })?;
        loop {
            self.move_bytes().await?;
            if let Some((_, length)) = wire::read::<Answer<'_>>(&self.input)? {
                self.input.advance(length);
                return Ok(());
            }
        }
    }

    fn say(&mut self, order: &Order<'_>) -> io::Result<()> {
        wire::write(order, &mut self.output)
    }

    /// Reads or writes some bytes. Nothing is lost when it is dropped before that.
    async fn move_bytes(&mut self) -> io::Result<()> {
        let (mut from, mut to) = self.socket.split();
        tokio::select! {
            biased;
            read = from.read_buf(&mut self.input) => match read? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            },
            written = to.write_buf(&mut self.output), if !self.output.is_empty() => {
                written.map(|_| ())
            }
        }
    }

    async fn kill(mut self) -> io::Result<ExitStatus> {
        // Mostly it is dead already.
        let _ = self.child.start_kill();
        self.child.wait().await
    }

    /// Lets the process end by itself.
    async fn end(self) {
        let Self {
            mut child, socket, ..
        } = self;
        drop(socket);
        // Else it is killed when it is dropped.
        let _ = tokio::time::timeout(HANGS, child.wait()).await;
    }
}
