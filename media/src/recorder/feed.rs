//! One feed: packets in, chunks out. Time comes in with each call.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frames::FrameAssembler;
use super::muxer::{Block, Content, Muxer, MuxerError};
use super::reorder::{Inserted, Released, ReorderBuffer};
use super::timeline::Timeline;
use super::{ChunkSink, ChunkWriter, Fault, FeedId, FeedInfo, RecorderConfig, RecorderEvent, opus};
use crate::RecordedPacket;

/// Key frames are asked for again after so long.
const KEYFRAME_AGAIN: Duration = Duration::from_secs(1);

/// After so many packets in a row that come before what has been written already, the
/// sender is taken to count anew (rtpjitterbuffer's `max-misorder-time` at 50 packets a
/// second), or one wild sequence number would silence a feed for good.
const LATE_RUN: u32 = 100;

/// Why a feed died.
#[derive(Debug)]
pub(super) struct FeedError {
    pub(super) kind: Fault,
    pub(super) error: String,
}

impl From<MuxerError> for FeedError {
    fn from(error: MuxerError) -> Self {
        Self {
            kind: Fault::Pipeline,
            error: error.to_string(),
        }
    }
}

impl From<std::io::Error> for FeedError {
    fn from(error: std::io::Error) -> Self {
        Self {
            kind: Fault::Disk,
            error: error.to_string(),
        }
    }
}

/// What a feed works with: borrowed from its thread for each call.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a RecorderConfig,
    pub(super) sink: &'a dyn ChunkSink,
    pub(super) events: &'a mut Vec<RecorderEvent>,
}

pub(super) struct Feed {
    id: FeedId,
    info: FeedInfo,
    stream: u64,
    reorder: ReorderBuffer<RecordedPacket>,
    timeline: Timeline,
    /// Only for a picture.
    frames: Option<FrameAssembler>,
    keyframe_asked: Option<Instant>,
    late_run: u32,
    lost_packets: u64,
    file: Option<File>,
}

/// The open file of a feed.
struct File {
    muxer: Muxer,
    writer: Box<dyn ChunkWriter>,
    /// Its zero, since the zero of the record clock.
    starts: Duration,
    /// End of the last block since `starts`.
    ends: Duration,
    pending: Vec<u8>,
    /// Arrival of the first packet in `pending`.
    pending_since: Instant,
    bytes_total: u64,
}

/// A packet or picture that has its place on the record clock.
struct Placed {
    data: Bytes,
    at: Duration,
    length: Duration,
    key: bool,
    shown: bool,
    arrival: Instant,
}

impl Feed {
    pub(super) fn new(id: FeedId, info: FeedInfo, config: &RecorderConfig) -> Self {
        Self {
            id,
            info,
            stream: 0,
            reorder: ReorderBuffer::new(config.max_wait, config.max_held),
            timeline: Timeline::new(info.epoch, info.codec.clock_rate_hz()),
            frames: FrameAssembler::new(info.codec),
            keyframe_asked: None,
            late_run: 0,
            lost_packets: 0,
            file: None,
        }
    }

    pub(super) fn info(&self) -> FeedInfo {
        self.info
    }

    /// Takes a packet in the order of arrival.
    pub(super) fn packet(
        &mut self,
        packet: RecordedPacket,
        around: &mut Surroundings<'_>,
    ) -> Result<(), FeedError> {
        if packet.codec != self.info.codec || packet.stream < self.stream {
            return Ok(());
        }
        if packet.stream > self.stream {
            self.renumber(around)?;
            self.stream = packet.stream;
        }
        let arrival = packet.arrival;
        let (seq, rtp_time) = (packet.seq, packet.timestamp);
        match self.reorder.insert(seq, packet, arrival) {
            Inserted::Queued => {
                self.late_run = 0;
                self.timeline.observe(rtp_time, arrival);
            }
            Inserted::Duplicate => {}
            Inserted::Late => {
                self.late_run += 1;
                if self.late_run >= LATE_RUN {
                    self.renumber(around)?;
                }
            }
        }
        self.tick(arrival, around)
    }

    /// Does what is due: gives up gaps, cuts chunks, asks again for key frames.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_>,
    ) -> Result<(), FeedError> {
        if !self.timeline.is_settling(now) {
            while let Some(released) = self.reorder.pop(now) {
                self.release(released, around)?;
            }
        }
        self.ask_for_keyframe(now, around);
        self.cut_if_due(now, around)
    }

    /// Writes everything that has come and closes the file.
    pub(super) fn finish(mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        self.flush(around)?;
        let mut duration = Duration::ZERO;
        if let Some(file) = &mut self.file {
            duration = file.ends;
            file.muxer.finish();
            file.muxer.take_into(&mut file.pending);
        }
        self.cut(around)?;
        if let Some(file) = &mut self.file {
            file.writer.finish()?;
        }
        around.events.push(RecorderEvent::Closed {
            feed: self.id,
            segment: self.info.segment,
            duration_ms: millis(duration),
            lost_packets: self.lost_packets,
        });
        Ok(())
    }

    /// The sender counts anew: what has come is written, then time is found by arrival.
    fn renumber(&mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        self.flush(around)?;
        self.reorder = ReorderBuffer::new(around.config.max_wait, around.config.max_held);
        self.timeline.restart();
        self.late_run = 0;
        if let Some(frames) = &mut self.frames {
            frames.lost();
        }
        Ok(())
    }

    fn flush(&mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        self.timeline.settle_now();
        while let Some(released) = self.reorder.pop_now() {
            self.release(released, around)?;
        }
        Ok(())
    }

    fn release(
        &mut self,
        released: Released<RecordedPacket>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), FeedError> {
        let packet = match released {
            Released::Packet(packet) => packet,
            Released::Lost(count) => {
                self.lost_packets = self.lost_packets.saturating_add(count);
                if let Some(frames) = &mut self.frames {
                    frames.lost();
                }
                return Ok(());
            }
        };
        match &mut self.frames {
            None => {
                let Some(length) = opus::packet_duration(&packet.payload) else {
                    return Ok(());
                };
                // What was said before the record began is not part of it; and all of it at its
                // first moment would be blocks at one time, at which players stumble.
                if self.timeline.is_before_zero(packet.timestamp) {
                    return Ok(());
                }
                let content = Content::Opus {
                    channels: opus::channels(&packet.payload),
                };
                let placed = Placed {
                    at: self.timeline.place(packet.timestamp),
                    data: packet.payload,
                    length,
                    key: true,
                    shown: true,
                    arrival: packet.arrival,
                };
                self.write(placed, Some(content), around)
            }
            Some(frames) => {
                let Some(frame) = frames.push(&packet.payload, packet.timestamp, packet.marker)
                else {
                    return Ok(());
                };
                let placed = Placed {
                    at: self.timeline.place(frame.rtp_time),
                    data: Bytes::from(frame.data),
                    // How long a picture stands is known only when the next one comes.
                    length: Duration::ZERO,
                    key: frame.key.is_some(),
                    shown: frame.shown,
                    arrival: packet.arrival,
                };
                self.write(placed, frame.key, around)
            }
        }
    }

    /// Writes a block; the first one opens the file, for which `content` must be known.
    fn write(
        &mut self,
        placed: Placed,
        content: Option<Content>,
        around: &mut Surroundings<'_>,
    ) -> Result<(), FeedError> {
        let file = match (&mut self.file, content) {
            (Some(file), _) => file,
            (None, Some(content)) => {
                let starts_ms = millis(placed.at);
                let muxer = Muxer::new(content)?;
                let writer = around.sink.open(self.info.segment, starts_ms)?;
                around.events.push(RecorderEvent::Opened {
                    feed: self.id,
                    segment: self.info.segment,
                    starts_ms,
                });
                self.file.insert(File {
                    muxer,
                    writer,
                    starts: placed.at,
                    ends: Duration::ZERO,
                    pending: Vec::new(),
                    pending_since: placed.arrival,
                    bytes_total: 0,
                })
            }
            (None, None) => return Ok(()),
        };
        if file.pending.is_empty() {
            file.pending_since = placed.arrival;
        }
        let at = placed.at.saturating_sub(file.starts);
        file.muxer.push(Block {
            data: placed.data,
            at,
            key: placed.key,
            shown: placed.shown,
        })?;
        file.muxer.take_into(&mut file.pending);
        file.ends = file.ends.max(at + placed.length);
        self.cut_if_due(placed.arrival, around)
    }

    fn cut_if_due(&mut self, now: Instant, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        let config = around.config;
        let due = self.file.as_ref().is_some_and(|file| {
            now.saturating_duration_since(file.pending_since) >= config.chunk
                || file.pending.len() >= config.chunk_bytes
        });
        if due { self.cut(around) } else { Ok(()) }
    }

    fn cut(&mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        let Some(file) = self.file.as_mut().filter(|file| !file.pending.is_empty()) else {
            return Ok(());
        };
        let ends_ms = millis(file.ends);
        file.writer.append(&file.pending, ends_ms)?;
        file.bytes_total += file.pending.len() as u64;
        file.pending.clear();
        around.events.push(RecorderEvent::Written {
            feed: self.id,
            segment: self.info.segment,
            bytes_total: file.bytes_total,
            ends_ms,
        });
        Ok(())
    }

    fn ask_for_keyframe(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let wanted = self
            .frames
            .as_ref()
            .is_some_and(FrameAssembler::waits_for_key);
        if !wanted {
            self.keyframe_asked = None;
            return;
        }
        let asked = self.keyframe_asked;
        if asked.is_none_or(|asked| now.saturating_duration_since(asked) >= KEYFRAME_AGAIN) {
            self.keyframe_asked = Some(now);
            around
                .events
                .push(RecorderEvent::KeyframeWanted { feed: self.id });
        }
    }
}

/// Rounded, as the muxer rounds the times of its blocks.
fn millis(duration: Duration) -> u64 {
    u64::try_from((duration.as_micros() + 500) / 1_000).unwrap_or(u64::MAX)
}
