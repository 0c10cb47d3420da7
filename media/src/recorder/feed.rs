//! One feed: packets in, chunks out. Time comes in with each call.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::frames::FrameAssembler;
use super::muxer::{Block, Content};
use super::muxing::{FileNumber, Lane};
use super::reorder::{Inserted, Released, ReorderBuffer};
use super::timeline::Timeline;
use super::{
    ChunkSink, ChunkWriter, Fault, FeedId, FeedInfo, RecorderConfig, RecorderEvent, SegmentKey,
    opus,
};
use crate::{Codec, RecordedPacket, TrackKind};

/// Key frames are asked for again after so long.
const KEYFRAME_AGAIN: Duration = Duration::from_secs(1);

/// After so many packets in a row that come before what has been written already, the
/// sender is taken to count anew (rtpjitterbuffer's `max-misorder-time` at 50 packets a
/// second), or one wild sequence number would silence a feed for good.
const LATE_RUN: u32 = 100;

/// So many bytes do not wait for the next tick.
const GATHER_BYTES: usize = 256 << 10;

/// A feed of whose blocks the muxing process died so often is given up: each death costs
/// everybody a segment.
const MOST_DEATHS: u32 = 3;

/// Why a feed died.
#[derive(Debug)]
pub(super) struct FeedError {
    pub(super) kind: Fault,
    pub(super) error: String,
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
    pub(super) muxing: &'a Lane,
    pub(super) events: &'a mut Vec<RecorderEvent>,
    /// Blocks for which there was no room.
    pub(super) refused: &'a mut u64,
}

pub(super) struct Feed {
    id: FeedId,
    codec: Codec,
    stream: u64,
    reorder: ReorderBuffer<RecordedPacket>,
    timeline: Timeline,
    /// Only for a picture.
    frames: Option<FrameAssembler>,
    keyframe_asked: Option<Instant>,
    late_run: u32,
    lost_packets: u64,
    file: Option<File>,
    /// No more packets come.
    stopping: bool,
    /// How often the muxing process died of a block of this feed.
    deaths: u32,
}

/// What a feed writes: one file, which is opened when its first bytes are there.
struct File {
    open: Option<(SegmentKey, Box<dyn ChunkWriter>)>,
    /// Its zero, since the zero of the record clock.
    starts: Duration,
    /// What the muxing process calls it.
    number: FileNumber,
    /// What the muxing process is not given yet: being woken for each block costs it, and whoever
    /// hands it over, more than muxing it.
    gathered: Vec<Placed>,
    gathered_bytes: usize,
    /// What it was given at once and has not answered, oldest first.
    unmuxed: VecDeque<Vec<Placed>>,
    /// End of the last block that was muxed, since `starts`.
    ends: Duration,
    pending: Vec<u8>,
    /// Arrival of the first packet in `pending`.
    pending_since: Instant,
    /// Arrival of the newest packet in `pending`.
    arrived: Instant,
    /// How much time `pending` is to fill.
    pending_fills: Duration,
    /// How much of `pending` is speech by what its sender says.
    pending_speech: Duration,
    /// Whether a picture in `pending` can be decoded by itself.
    pending_key: bool,
    bytes_total: u64,
}

/// A packet or picture that has its place on the record clock.
#[derive(Clone)]
struct Placed {
    data: Bytes,
    at: Duration,
    length: Duration,
    /// What a file is to know that begins with it, if one can.
    content: Option<Content>,
    shown: bool,
    /// Its sender says that somebody speaks in it.
    speech: bool,
    arrival: Instant,
}

impl Feed {
    pub(super) fn new(id: FeedId, info: FeedInfo, config: &RecorderConfig) -> Self {
        let FeedInfo {
            codec,
            epoch,
            clock,
        } = info;
        let rate = codec.clock_rate_hz();
        Self {
            id,
            codec,
            stream: 0,
            reorder: ReorderBuffer::new(config.max_wait, config.max_held),
            timeline: Timeline::new(epoch, rate, codec.kind(), clock),
            frames: FrameAssembler::new(codec),
            keyframe_asked: None,
            late_run: 0,
            lost_packets: 0,
            file: None,
            stopping: false,
            deaths: 0,
        }
    }

    /// The file that is being written.
    pub(super) fn segment(&self) -> Option<SegmentKey> {
        let (segment, _) = self.file.as_ref()?.open.as_ref()?;
        Some(*segment)
    }

    /// Takes a packet in the order of arrival.
    pub(super) fn packet(&mut self, packet: RecordedPacket, around: &mut Surroundings<'_>) {
        // What comes behind the end is on its way from another thread; its file is being closed.
        if self.stopping || packet.codec != self.codec || packet.stream < self.stream {
            return;
        }
        if packet.stream > self.stream {
            self.renumber(around);
            self.stream = packet.stream;
        }
        let arrival = packet.arrival;
        let (seq, rtp_time, report) = (packet.seq, packet.timestamp, packet.sender_report);
        match self.reorder.insert(seq, packet, arrival) {
            Inserted::Queued => {
                self.late_run = 0;
                self.timeline.observe(rtp_time, arrival, report);
            }
            Inserted::Duplicate => {}
            Inserted::Late => {
                self.late_run += 1;
                if self.late_run >= LATE_RUN {
                    self.renumber(around);
                }
            }
        }
        self.release_due(arrival, around);
        self.ask_for_keyframe(arrival, around);
    }

    /// Does what is due: gives up gaps, gives the muxing process what has gathered, cuts chunks,
    /// asks again for key frames.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        around: &mut Surroundings<'_>,
    ) -> Result<(), FeedError> {
        self.release_due(now, around);
        self.give(around);
        self.ask_for_keyframe(now, around);
        self.cut_if_due(now, around)
    }

    /// Writes everything that has come. True: the feed is over; or else it is when
    /// [`muxed`](Self::muxed) says so.
    pub(super) fn stop(&mut self, around: &mut Surroundings<'_>) -> Result<bool, FeedError> {
        self.stopping = true;
        self.flush(around);
        self.give(around);
        match &self.file {
            Some(file) => {
                around.muxing.close(self.id, file.number);
                Ok(false)
            }
            None => {
                self.told_stopped(around);
                Ok(true)
            }
        }
    }

    /// Takes the answer to the oldest blocks that have none, or to the end of the file. True: the
    /// feed is over.
    pub(super) fn muxed(
        &mut self,
        number: FileNumber,
        bytes: &[u8],
        around: &mut Surroundings<'_>,
    ) -> Result<bool, FeedError> {
        let Some(file) = self.file.as_mut().filter(|file| file.number == number) else {
            return Ok(false);
        };
        if file.open.is_none() && !bytes.is_empty() {
            let starts_ms = millis(file.starts);
            let (segment, writer) = around.sink.open(self.id, starts_ms)?;
            file.open = Some((segment, writer));
            around.events.push(RecorderEvent::Opened {
                feed: self.id,
                segment,
                starts_ms,
            });
        }
        let blocks = file.unmuxed.pop_front().unwrap_or_default();
        if file.pending.is_empty()
            && let Some(oldest) = blocks.first()
        {
            file.pending_since = oldest.arrival;
        }
        file.pending.extend_from_slice(bytes);
        let Some(latest) = blocks.last().map(|block| block.arrival) else {
            self.close_file(around)?;
            self.told_stopped(around);
            return Ok(true);
        };
        for block in blocks {
            let at = block.at.saturating_sub(file.starts);
            file.pending_fills += match self.codec.kind() {
                TrackKind::Video if at > file.ends => Duration::ZERO,
                TrackKind::Video => block.arrival.saturating_duration_since(file.arrived),
                TrackKind::Audio => block.length,
            };
            file.ends = file.ends.max(at + block.length);
            file.arrived = file.arrived.max(block.arrival);
            file.pending_key |= block.content.is_some();
            if block.speech {
                file.pending_speech += block.length;
            }
        }
        self.cut_if_due(latest, around)?;
        Ok(false)
    }

    /// The muxer did not take a block of a file.
    pub(super) fn refused(&self, number: FileNumber, error: String) -> Result<bool, FeedError> {
        if self.file.as_ref().is_none_or(|file| file.number != number) {
            return Ok(false);
        }
        Err(FeedError {
            kind: Fault::Pipeline,
            error,
        })
    }

    /// The muxing process died, maybe of the oldest block that it had not answered. The feed goes
    /// on in another file. True: the feed is over.
    pub(super) fn muxing_died(
        &mut self,
        of_its_block: bool,
        around: &mut Surroundings<'_>,
    ) -> Result<bool, FeedError> {
        let Some(file) = &mut self.file else {
            return Ok(false);
        };
        let mut again: VecDeque<_> = file.unmuxed.drain(..).flatten().collect();
        let gathered = std::mem::take(&mut file.gathered);
        if of_its_block {
            again.pop_front();
            self.lost_packets += 1;
            self.deaths += 1;
        }
        if self.deaths >= MOST_DEATHS {
            return Err(FeedError {
                kind: Fault::Pipeline,
                error: "the muxing process died of it again and again".to_owned(),
            });
        }
        self.close_file(around)?;
        for block in again {
            self.mux(block, true, around);
        }
        for block in gathered {
            self.mux(block, false, around);
        }
        if self.file.is_none()
            && let Some(frames) = &mut self.frames
        {
            // A file begins with a key frame.
            frames.lost();
        }
        if self.stopping {
            return self.stop(around);
        }
        Ok(false)
    }

    /// Ends the feed without waiting for what is not muxed.
    pub(super) fn abandon(&mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        self.close_file(around)?;
        self.told_stopped(around);
        Ok(())
    }

    /// Ends the file at what is muxed.
    fn close_file(&mut self, around: &mut Surroundings<'_>) -> Result<(), FeedError> {
        self.cut(around)?;
        if let Some(file) = &mut self.file
            && let Some((segment, writer)) = &mut file.open
        {
            writer.finish()?;
            around.events.push(RecorderEvent::Closed {
                feed: self.id,
                segment: *segment,
                duration_ms: millis(file.ends),
            });
        }
        self.file = None;
        Ok(())
    }

    fn told_stopped(&self, around: &mut Surroundings<'_>) {
        around.events.push(RecorderEvent::Stopped {
            feed: self.id,
            lost_packets: self.lost_packets,
        });
    }

    /// The sender counts anew: what has come is written, then time is found by arrival.
    fn renumber(&mut self, around: &mut Surroundings<'_>) {
        self.flush(around);
        self.reorder = ReorderBuffer::new(around.config.max_wait, around.config.max_held);
        self.timeline.restart();
        self.late_run = 0;
        if let Some(frames) = &mut self.frames {
            frames.lost();
        }
    }

    fn release_due(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        if !self.timeline.is_settling(now) {
            while let Some(released) = self.reorder.pop(now) {
                self.release(released, around);
            }
        }
    }

    fn flush(&mut self, around: &mut Surroundings<'_>) {
        self.timeline.settle_now();
        while let Some(released) = self.reorder.pop_now() {
            self.release(released, around);
        }
    }

    fn release(&mut self, released: Released<RecordedPacket>, around: &mut Surroundings<'_>) {
        let packet = match released {
            Released::Packet(packet) => packet,
            Released::Lost(count) => {
                self.lost_packets = self.lost_packets.saturating_add(count);
                if let Some(frames) = &mut self.frames {
                    frames.lost();
                }
                return;
            }
        };
        match &mut self.frames {
            None => {
                let Some(length) = opus::packet_duration(&packet.payload) else {
                    return;
                };
                // What was said before the record began is not part of it; and all of it at its
                // first moment would be blocks at one time, at which players stumble.
                if self.timeline.is_before_zero(packet.timestamp) {
                    return;
                }
                let content = Content::Opus {
                    channels: opus::channels(&packet.payload),
                };
                let placed = Placed {
                    at: self.timeline.place(packet.timestamp),
                    speech: packet.is_speech(),
                    data: packet.payload,
                    length,
                    content: Some(content),
                    shown: true,
                    arrival: packet.arrival,
                };
                self.mux(placed, false, around);
            }
            Some(frames) => {
                let Some(frame) = frames.push(&packet.payload, packet.timestamp, packet.marker)
                else {
                    return;
                };
                let placed = Placed {
                    at: self.timeline.place(frame.rtp_time),
                    data: Bytes::from(frame.data),
                    // How long a picture stands is known only when the next one comes.
                    length: Duration::ZERO,
                    content: frame.key,
                    shown: frame.shown,
                    speech: false,
                    arrival: packet.arrival,
                };
                self.mux(placed, false, around);
            }
        }
    }

    /// Takes a block for the muxing process. The first one begins a file, and only one that has
    /// `content` can. `suspect`: an earlier process did not answer it, and it goes alone.
    fn mux(&mut self, block: Placed, suspect: bool, around: &mut Surroundings<'_>) {
        let file = match (&mut self.file, &block.content) {
            (Some(file), _) => file,
            (None, Some(content)) => self.file.insert(File {
                open: None,
                starts: block.at,
                number: around.muxing.open(self.id, content.clone()),
                gathered: Vec::new(),
                gathered_bytes: 0,
                unmuxed: VecDeque::new(),
                ends: Duration::ZERO,
                pending: Vec::new(),
                pending_since: block.arrival,
                arrived: block.arrival,
                pending_fills: Duration::ZERO,
                pending_speech: Duration::ZERO,
                pending_key: false,
                bytes_total: 0,
            }),
            (None, None) => return,
        };
        if suspect {
            let muxed = block.muxed(file.starts);
            around.muxing.suspect(self.id, file.number, muxed);
            file.unmuxed.push_back(vec![block]);
            return;
        }
        // A track counts as recorded when its file is there: its first block waits for nothing.
        let is_first = file.unmuxed.is_empty() && file.open.is_none();
        file.gathered_bytes += block.data.len();
        file.gathered.push(block);
        if is_first || file.gathered_bytes >= GATHER_BYTES {
            self.give(around);
        }
    }

    /// Gives the muxing process what has gathered.
    fn give(&mut self, around: &mut Surroundings<'_>) {
        let Some(file) = self.file.as_mut().filter(|file| !file.gathered.is_empty()) else {
            return;
        };
        file.gathered_bytes = 0;
        let gathered = std::mem::take(&mut file.gathered);
        let blocks = gathered
            .iter()
            .map(|block| block.muxed(file.starts))
            .collect();
        if around.muxing.blocks(self.id, file.number, blocks).is_ok() {
            file.unmuxed.push_back(gathered);
            return;
        }
        *around.refused += gathered.len() as u64;
        if let Some(frames) = &mut self.frames {
            frames.lost();
        }
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
        let Some((segment, writer)) = &mut file.open else {
            return Ok(());
        };
        let ends_ms = millis(file.ends);
        writer.append(&file.pending, ends_ms)?;
        file.bytes_total += file.pending.len() as u64;
        file.pending.clear();
        around.events.push(RecorderEvent::Written {
            feed: self.id,
            segment: *segment,
            bytes_total: file.bytes_total,
            ends_ms,
            arrived: file.arrived,
            fills: std::mem::take(&mut file.pending_fills),
            speech: std::mem::take(&mut file.pending_speech),
            key: std::mem::take(&mut file.pending_key),
        });
        Ok(())
    }

    fn ask_for_keyframe(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        let Some(frames) = self.frames.as_mut().filter(|frames| frames.waits_for_key()) else {
            self.keyframe_asked = None;
            return;
        };
        let asked = self.keyframe_asked;
        if asked.is_none_or(|asked| now.saturating_duration_since(asked) >= KEYFRAME_AGAIN) {
            self.keyframe_asked = Some(now);
            around.events.push(RecorderEvent::KeyframeWanted {
                feed: self.id,
                malformed: frames.take_malformed(),
            });
        }
    }
}

impl Placed {
    /// In a file that begins at `starts`.
    fn muxed(&self, starts: Duration) -> Block<Bytes> {
        Block {
            data: self.data.clone(),
            at: self.at.saturating_sub(starts),
            key: self.content.is_some(),
            shown: self.shown,
        }
    }
}

/// Rounded, as the muxer rounds the times of its blocks.
fn millis(duration: Duration) -> u64 {
    u64::try_from((duration.as_micros() + 500) / 1_000).unwrap_or(u64::MAX)
}
