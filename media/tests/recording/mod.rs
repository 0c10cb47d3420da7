//! Real RTP made by GStreamer, a recorder that writes into memory, and ffmpeg as the judge of
//! what was written: the reader shares no code with the writer.

#![expect(dead_code, reason = "each test file uses its own part of the harness")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use otyrys_media::recorder::{
    ChunkSink, ChunkWriter, FeedId, FeedInfo, Recorder, RecorderConfig, RecorderError,
    RecorderEvent, RecorderEvents, RecorderProgram, SeekableInfo, SegmentKey, SenderClock,
    make_seekable, run_recorder_process,
};
use otyrys_media::{Codec, RecordedPacket, SessionId, Source, TrackKey, TrackKind};

pub(crate) const FEED: FeedId = FeedId(7);
pub(crate) const OTHER: FeedId = FeedId(8);

/// Delay of the network in all tests, in milliseconds.
pub(crate) const DELAY_MS: u64 = 30;

/// Opus packets of 20 ms: noise, in which no two packets sound alike.
pub(crate) fn sound(seconds: u32) -> Vec<RecordedPacket> {
    noise(seconds, 0.3)
}

/// [`sound`] of a loudness from 0, digital silence, to 1.
pub(crate) fn noise(seconds: u32, volume: f32) -> Vec<RecordedPacket> {
    let buffers = seconds * 50;
    packets(
        Codec::Opus,
        &format!(
            "audiotestsrc num-buffers={buffers} samplesperbuffer=960 wave=pink-noise volume={volume} \
             ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 ! rtpopuspay"
        ),
    )
}

/// VP8 pictures at 30 a second, a key frame each second, several packets each.
pub(crate) fn picture(seconds: u32) -> Vec<RecordedPacket> {
    let frames = seconds * 30;
    packets(
        Codec::Vp8,
        &format!(
            "videotestsrc num-buffers={frames} pattern=ball \
             ! video/x-raw,width=320,height=240,framerate=30/1 ! timeoverlay \
             ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 target-bitrate=600000 \
             ! rtpvp8pay picture-id-mode=15-bit mtu=600"
        ),
    )
}

/// H.264 pictures of the given size at 30 a second, a key frame each second: encoded by libx264
/// as WebRTC encoders do (constrained baseline, parameter sets before each key frame), in packets
/// of all three kinds of RFC 6184.
pub(crate) fn h264_picture(seconds: u32, size: &str) -> Vec<RecordedPacket> {
    /// Above it a unit is sent in fragments.
    const MTU: usize = 600;

    let film = tool(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &format!("testsrc2=size={size}:rate=30:duration={seconds}"),
            "-c:v",
            "libx264",
            "-profile:v",
            "baseline",
            "-pix_fmt",
            "yuv420p",
            "-g",
            "30",
            "-threads",
            "1",
            "-f",
            "h264",
            "-",
        ],
    );
    let mut made = Vec::new();
    let mut sets: Vec<&[u8]> = Vec::new();
    let mut frame = 0;
    for unit in units(&film) {
        let mut payloads = Vec::new();
        match unit[0] & 0x1f {
            7 | 8 => sets.push(unit),
            6 => payloads.push(unit.to_vec()),
            1 | 5 => {
                if !sets.is_empty() {
                    let mut aggregate = vec![0x78];
                    for set in sets.drain(..) {
                        aggregate.extend(u16::try_from(set.len()).unwrap().to_be_bytes());
                        aggregate.extend(set);
                    }
                    payloads.push(aggregate);
                }
                if unit.len() <= MTU {
                    payloads.push(unit.to_vec());
                } else {
                    let parts = unit[1..].chunks(MTU);
                    let last = parts.len() - 1;
                    for (index, part) in parts.enumerate() {
                        let start = if index == 0 { 0x80 } else { 0 };
                        let end = if index == last { 0x40 } else { 0 };
                        let mut fragment = vec![unit[0] & 0xe0 | 28, start | end | unit[0] & 0x1f];
                        fragment.extend(part);
                        payloads.push(fragment);
                    }
                }
            }
            other => panic!("libx264 wrote a unit of type {other}"),
        }
        let slice = matches!(unit[0] & 0x1f, 1 | 5);
        let last = payloads.len();
        for (index, payload) in payloads.into_iter().enumerate() {
            let seq = made.len() as u64;
            let marker = slice && index + 1 == last;
            made.push(recorded(Codec::H264, seq, frame * 3_000, marker, &payload));
        }
        frame += u64::from(slice);
    }
    made
}

/// The NAL units of a byte stream (ITU-T H.264, annex B).
fn units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..stream.len())
        .filter(|at| stream[*at..].starts_with(&[0, 0, 1]))
        .collect();
    let ends = starts[1..].iter().copied().chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let mut unit = &stream[start + 3..end];
            while let [rest @ .., 0] = unit {
                unit = rest;
            }
            unit
        })
        .collect()
}

/// One packet as the core hands it over, with its arrival as over an even network.
fn recorded(codec: Codec, seq: u64, ticks: u64, marker: bool, payload: &[u8]) -> RecordedPacket {
    let source = match codec.kind() {
        TrackKind::Audio => Source::Microphone,
        TrackKind::Video => Source::Camera,
    };
    let micros = ticks * 1_000_000 / u64::from(codec.clock_rate_hz());
    RecordedPacket {
        track: TrackKey {
            session: SessionId(1),
            source,
        },
        kind: codec.kind(),
        codec,
        stream: 1,
        seq: 70_000 + seq,
        timestamp: 5_000_000_000 + ticks,
        clock_rate_hz: codec.clock_rate_hz(),
        arrival: epoch() + Duration::from_millis(DELAY_MS) + Duration::from_micros(micros),
        marker,
        level: None,
        payload: Bytes::copy_from_slice(payload),
        sender_report: None,
    }
}

/// The packets that a pipeline makes, with arrival times as over an even network, beginning at
/// [`epoch`].
fn packets(codec: Codec, pipeline: &str) -> Vec<RecordedPacket> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!("{pipeline} ! appsink name=out sync=false"))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let out = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<AppSink>()
        .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut first: Option<(u16, u32)> = None;
    let mut made = Vec::new();
    while let Ok(sample) = out.pull_sample() {
        let map = sample.buffer().unwrap().map_readable().unwrap();
        let seq = u16::from_be_bytes([map[2], map[3]]);
        let time = u32::from_be_bytes([map[4], map[5], map[6], map[7]]);
        let (first_seq, first_time) = *first.get_or_insert((seq, time));
        let ticks = u64::from(time.wrapping_sub(first_time));
        made.push(recorded(
            codec,
            u64::from(seq.wrapping_sub(first_seq)),
            ticks,
            map[1] & 0x80 != 0,
            &map[12 + 4 * usize::from(map[0] & 0x0f)..],
        ));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(!made.is_empty());
    made
}

/// The zero of the record clock, the same for the whole process and ahead of real time: packets
/// are fed faster than they "arrive", and what the recorder does by real time (a gap given up
/// while nothing comes) stays out of the way.
pub(crate) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(|| Instant::now() + Duration::from_secs(60))
}

/// Repeatable chance.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// True in `percent` of all throws.
    pub(crate) fn hits(&mut self, percent: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % 100 < percent
    }
}

/// A file as the archive would have it.
#[derive(Debug, Clone)]
pub(crate) struct MemoryFile {
    pub(crate) feed: FeedId,
    pub(crate) starts_ms: u64,
    pub(crate) chunks: Vec<(Vec<u8>, u64)>,
    pub(crate) finished: bool,
}

impl MemoryFile {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|(bytes, _)| bytes.clone())
            .collect()
    }
}

/// An archive in memory, whose segments are numbered from 0; `full_after` lets the disk of a feed
/// fill up.
#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    pub(crate) files: Files,
    pub(crate) full_after: Option<(FeedId, usize)>,
    pub(crate) closed_to: Option<FeedId>,
}

/// By segment.
pub(crate) type Files = Arc<Mutex<Vec<MemoryFile>>>;

struct MemoryWriter {
    files: Files,
    segment: usize,
    full_after: Option<usize>,
}

impl ChunkSink for MemorySink {
    fn open(&self, feed: FeedId, starts_ms: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
        if self.closed_to == Some(feed) {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let mut files = self.files.lock().unwrap();
        files.push(MemoryFile {
            feed,
            starts_ms,
            chunks: Vec::new(),
            finished: false,
        });
        let segment = files.len() - 1;
        let writer = MemoryWriter {
            files: Arc::clone(&self.files),
            segment,
            full_after: self
                .full_after
                .and_then(|(full, after)| (full == feed).then_some(after)),
        };
        Ok((SegmentKey(segment as u128), Box::new(writer)))
    }
}

impl ChunkWriter for MemoryWriter {
    fn append(&mut self, bytes: &[u8], ends_ms: u64) -> io::Result<()> {
        let mut files = self.files.lock().unwrap();
        let file = &mut files[self.segment];
        if self
            .full_after
            .is_some_and(|after| file.chunks.len() >= after)
        {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        file.chunks.push((bytes.to_vec(), ends_ms));
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.files.lock().unwrap()[self.segment].finished = true;
        Ok(())
    }
}

pub(crate) struct Recorded {
    pub(crate) file: MemoryFile,
    pub(crate) events: Vec<RecorderEvent>,
}

impl Recorded {
    /// Of the one file, as the recorder told it when it closed.
    pub(crate) fn duration_ms(&self) -> u64 {
        match self.events.as_slice() {
            [
                ..,
                RecorderEvent::Closed { duration_ms, .. },
                RecorderEvent::Stopped { .. },
            ] => *duration_ms,
            other => panic!("the last events are {other:?}"),
        }
    }
}

/// Feeds the packets in the given order into one feed and closes it.
pub(crate) fn record(packets: Vec<RecordedPacket>) -> Recorded {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let codec = packets[0].codec;
    let (recorder, mut events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(codec)).unwrap();
    for packet in packets {
        handle.packet(FEED, packet).unwrap();
    }
    handle.stop(FEED).unwrap();
    recorder.shutdown();
    let events = std::iter::from_fn(|| events.blocking_recv()).collect();
    let file = files.lock().unwrap().remove(0);
    Recorded { file, events }
}

/// Hands one sender's packets over at the times at which they came.
pub(crate) fn live(
    recorder: &Recorder,
    feeds: &[(FeedId, Vec<RecordedPacket>)],
    mut at: impl FnMut(Duration),
) {
    let handle = recorder.handle();
    let began = Instant::now();
    let clock = SenderClock::default();
    for (feed, packets) in feeds {
        let info = FeedInfo {
            epoch: began,
            codec: packets[0].codec,
            clock: clock.clone(),
        };
        handle.start(*feed, info).unwrap();
    }
    let mut all: Vec<_> = feeds
        .iter()
        .flat_map(|(feed, packets)| packets.iter().map(|packet| (*feed, packet.clone())))
        .collect();
    all.sort_by_key(|(_, packet)| packet.arrival);
    for (feed, mut packet) in all {
        packet.arrival = began + packet.arrival.duration_since(epoch());
        while let left = packet.arrival.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            std::thread::park_timeout(left);
        }
        at(began.elapsed());
        handle.packet(feed, packet).unwrap();
    }
    for (feed, _) in feeds {
        handle.stop(*feed).unwrap();
    }
}

/// What is told until so many feeds have ended.
pub(crate) fn told_until(mut events: RecorderEvents, ended: usize) -> Vec<RecorderEvent> {
    let (mut told, mut count) = (Vec::new(), 0);
    while count < ended
        && let Some(event) = events.blocking_recv()
    {
        let ends = matches!(
            event,
            RecorderEvent::Stopped { .. } | RecorderEvent::Failed { .. }
        );
        count += usize::from(ends);
        told.push(event);
    }
    told
}

/// When each block of a feed stands on the record clock, over all its files, in milliseconds.
pub(crate) fn blocks_ms(files: &Files, feed: FeedId) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let files = files.lock().unwrap();
    let mut times = Vec::new();
    for file in files.iter().filter(|file| file.feed == feed) {
        assert!(file.finished);
        let path = saved(&folder, &file.bytes());
        times.extend(block_times_ms(&path).iter().map(|at| file.starts_ms + at));
    }
    times
}

/// The muxing process of the tests: this very program, of which it is one test.
#[test]
#[ignore = "the muxing process, which the others start"]
fn muxing_process() {
    run_recorder_process().unwrap();
}

pub(crate) fn config() -> RecorderConfig {
    RecorderConfig::new(RecorderProgram::this(&[
        "--exact",
        "--ignored",
        "--nocapture",
        "recording::muxing_process",
    ]))
}

pub(crate) fn info(codec: Codec) -> FeedInfo {
    FeedInfo {
        codec,
        epoch: epoch(),
        clock: SenderClock::default(),
    }
}

/// A file for ffmpeg to read, in a folder that goes with the test.
pub(crate) fn saved(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(format!("{}.webm", bytes.len()));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The seekable copy of a file.
pub(crate) fn copied(input: &Path, output: &Path) -> Result<SeekableInfo, RecorderError> {
    let mut copy = std::fs::File::create(output)?;
    make_seekable(std::fs::File::open(input)?, &mut copy)
}

/// Times of all blocks in milliseconds, as ffprobe reads them.
pub(crate) fn block_times_ms(file: &Path) -> Vec<u64> {
    let text = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "packet=pts_time",
            "-of",
            "csv=p=0",
            file.to_str().unwrap(),
        ],
    );
    String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| (line.trim_end_matches(',').parse::<f64>().unwrap() * 1_000.0).round() as u64)
        .collect()
}

/// Codec, width and height of a picture, as ffprobe reads them.
pub(crate) fn stream_facts(file: &Path) -> String {
    let text = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "stream=codec_name,width,height",
            "-of",
            "csv=p=0",
            file.to_str().unwrap(),
        ],
    );
    String::from_utf8(text).unwrap().trim().to_owned()
}

/// What the header says, in milliseconds; a streamable file says nothing.
pub(crate) fn header_duration_ms(file: &Path) -> Option<u64> {
    let text = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "format=duration",
            "-of",
            "csv=p=0",
            file.to_str().unwrap(),
        ],
    );
    let seconds = String::from_utf8(text)
        .unwrap()
        .trim()
        .parse::<f64>()
        .ok()?;
    Some((seconds * 1_000.0).round() as u64)
}

/// Decodes the sound to 16-bit samples at 48 kHz, each block where it stands in time.
pub(crate) fn decoded_sound(file: &Path) -> Vec<i16> {
    let bytes = tool(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            file.to_str().unwrap(),
            "-f",
            "s16le",
            "-ac",
            "1",
            "-",
        ],
    );
    bytes
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

/// Decodes all pictures; how many there are.
pub(crate) fn decoded_pictures(file: &Path) -> usize {
    let bytes = tool(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            file.to_str().unwrap(),
            "-fps_mode",
            "passthrough",
            "-s",
            "16x16",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
            "-",
        ],
    );
    bytes.len() / 256
}

/// Runs a tool that must succeed without a word of complaint.
fn tool(name: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(name).args(arguments).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {complaints}");
    assert_eq!(complaints, "", "{name} {arguments:?}");
    output.stdout
}
