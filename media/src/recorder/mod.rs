//! From recorded packets to files that play: one streamable file for each segment, WebM, or
//! Matroska for H.264.
//!
//! Packets are put in order, placed on the record clock, taken out of
//! their RTP payloads and muxed by GStreamer in a process of its own; the bytes go to a
//! [`ChunkSink`] at least each [`RecorderConfig::chunk`], cut between blocks, so that what has
//! been appended at any moment is a file that plays. Nothing is decoded or encoded on the way.
//!
//! - [`Recorder`] owns a fixed number of threads, whatever the number of feeds;
//!   [`RecorderHandle`] is what the media threads push packets into and never blocks;
//!   [`RecorderEvents`] tells what has become of them.
//! - [`run_recorder_process`] is what the muxing process does. When it dies, each feed goes on in a
//!   new segment: no sound is missing, pictures come back with the next key frame.
//! - [`Checker`] listens to and looks at samples of what was written, in another such process.
//! - [`mix_sound`] makes one file to listen to of many.
//! - [`make_seekable`] makes the copy of a finished (or torn) file that a browser can seek in.
//!
//! **Each feed that was started ends in exactly one [`RecorderEvent::Stopped`] or
//! [`RecorderEvent::Failed`], and each file that was opened in one [`RecorderEvent::Closed`] or
//! with its feed, as long as the events are read.**

mod blocks;
mod checking;
mod driven;
mod error;
mod feed;
mod frames;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod h264;
mod mixing;
mod muxer;
mod muxing;
mod opus;
mod playback;
mod program;
mod reorder;
pub(crate) mod sandbox;
mod sender_clock;
mod sink;
mod sps;
mod timeline;
mod vp8;
pub(crate) mod wire;
mod worker;

use std::time::{Duration, Instant};

pub use checking::{CheckError, Checker, Heard, Seen};
pub(crate) use driven::{plugin_path, require_element};
pub use error::RecorderError;
pub use mixing::mix_sound;
pub use playback::{SeekableInfo, make_seekable};
pub use program::{RecorderProgram, run_recorder_process};
pub use sender_clock::SenderClock;
pub use sink::{ChunkSink, ChunkWriter};
pub use worker::{Recorder, RecorderEvents, RecorderHandle};

use crate::Codec;

/// A feed: one run of packets into one file, or more than one when the muxing process dies. The
/// caller's own number, used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedId(pub u64);

/// The archive's id of a segment, a UUID as a number; the [`ChunkSink`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentKey(pub u128);

/// What is recorded in a feed.
#[derive(Debug, Clone)]
pub struct FeedInfo {
    /// Packets of another codec are dropped.
    pub codec: Codec,
    /// The zero of the record clock; packets from before it are placed on it.
    pub epoch: Instant,
    /// Of the sender.
    pub clock: SenderClock,
}

/// How the recorder runs.
#[derive(Debug, Clone)]
pub struct RecorderConfig {
    /// What to start as the muxing process.
    pub program: RecorderProgram,
    /// Sound and pictures that wait for the muxing process, in bytes. Default 256 MiB: 10 s of
    /// 100 pictures at 2 Mbit/s, for a process that dies is replaced within a second. Above it
    /// the record has a hole.
    pub backlog_bytes: usize,
    /// Threads; each serves its share of the feeds, writing to disk included. Default 4, at
    /// least 1: while one waits for the disk the others go on.
    pub threads: usize,
    /// Packets that wait for one thread. Default 16,384: 10 s of eight tracks at 200 packets
    /// a second, 20 MB. When it is full packets are refused and the record has a hole.
    pub queue_packets: usize,
    /// A chunk is written when its oldest byte is so old; it is looked for that each 100 ms.
    /// Default 500 ms, so that with the write less than a second is at stake on a machine that is
    /// busy, too; less means more fsyncs.
    pub chunk: Duration,
    /// A chunk is cut early above so many bytes. Default 1 MiB.
    pub chunk_bytes: usize,
    /// How long a missing packet is waited for. Default 400 ms: two rounds of
    /// retransmission on a bad cellular link. More delays what the recogniser hears; above
    /// [`Self::chunk`] it adds to what a crash costs.
    pub max_wait: Duration,
    /// Packets held behind a missing one, for each feed. Default 1,024; above it the missing
    /// one is given up at once.
    pub max_held: usize,
    /// Events that wait for their reader. Default 4,096. When it is full,
    /// [`RecorderEvent::Written`] is skipped (the next one says more) and the others are
    /// waited for.
    pub queue_events: usize,
}

impl RecorderConfig {
    /// The defaults, with that muxing process.
    #[must_use]
    pub fn new(program: RecorderProgram) -> Self {
        Self {
            program,
            backlog_bytes: 256 << 20,
            threads: 4,
            queue_packets: 16_384,
            chunk: Duration::from_millis(500),
            chunk_bytes: 1 << 20,
            max_wait: Duration::from_millis(400),
            max_held: 1_024,
            queue_events: 4_096,
        }
    }
}

/// What has become of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The first packet of a file is placed and the file created.
    Opened {
        /// Which.
        feed: FeedId,
        /// Its file.
        segment: SegmentKey,
        /// Where the file's zero lies on the record clock, in milliseconds.
        starts_ms: u64,
    },
    /// A chunk is safe on disk.
    Written {
        /// Which.
        feed: FeedId,
        /// Its file.
        segment: SegmentKey,
        /// Length of the file.
        bytes_total: u64,
        /// End of the last block, in milliseconds after the file's zero.
        ends_ms: u64,
        /// When the newest packet in the chunk came.
        arrived: Instant,
        /// How much time the chunk is to fill: of sound how long it plays; of pictures what passed
        /// between those that stand at the same place. More than it has moved the end of the file
        /// by: the sender's clock stands still.
        fills: Duration,
        /// How much of the chunk is speech by the levels that the sender wrote into its packets.
        speech: Duration,
        /// Of a picture: a frame in the chunk can be decoded by itself.
        key: bool,
    },
    /// A file is finished: its feed ends, or goes on in another one.
    Closed {
        /// Which.
        feed: FeedId,
        /// Its file.
        segment: SegmentKey,
        /// Length of the file in milliseconds.
        duration_ms: u64,
    },
    /// The feed is over: it was stopped, or the recorder shut down.
    Stopped {
        /// Which.
        feed: FeedId,
        /// Packets that never came, or came too late.
        lost_packets: u64,
    },
    /// The feed is dead and its further packets are ignored. What was written stays and plays.
    Failed {
        /// Which.
        feed: FeedId,
        /// Its file, if it had one: it has no end.
        segment: Option<SegmentKey>,
        /// Where to look.
        kind: Fault,
        /// For the log.
        error: String,
    },
    /// A picture can be written only from a key frame on: ask the sender for one. Told again
    /// each second until it comes.
    KeyframeWanted {
        /// Which.
        feed: FeedId,
        /// Something came since this was last told that is no picture of the codec, though no
        /// packet of it is missing.
        malformed: bool,
    },
    /// Packets were refused because a thread or the muxing process did not keep up: the record has
    /// a hole.
    Behind {
        /// How many since the last such event.
        refused_packets: u64,
    },
}

/// What broke a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The [`ChunkSink`] gave an error: full, not writable, gone.
    Disk,
    /// GStreamer refused what it was given, or died of it again and again.
    Pipeline,
}
