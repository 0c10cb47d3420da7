//! A disk that fails for one track is told at once and costs no other track anything.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use otyrys_media::Codec;
use otyrys_media::recorder::{
    ChunkSink, ChunkWriter, Fault, FeedId, FeedInfo, Recorder, RecorderConfig, RecorderError,
    RecorderEvent, SegmentKey,
};
use recording::*;

const OTHER_FEED: FeedId = FeedId(8);

fn failures(events: &[RecorderEvent]) -> Vec<(FeedId, Fault)> {
    events
        .iter()
        .filter_map(|event| match event {
            RecorderEvent::Failed { feed, kind, .. } => Some((*feed, *kind)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_full_disk_fails_one_track_and_the_others_go_on() {
    let sink = MemorySink {
        full_after: Some((FEED, 1)),
        ..MemorySink::default()
    };
    let files = Arc::clone(&sink.files);
    let one = RecorderConfig {
        threads: 1,
        ..config()
    };
    let (recorder, mut events) = Recorder::spawn(one, Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    handle.start(OTHER_FEED, info(Codec::Opus)).unwrap();
    for packet in sound(4) {
        handle.packet(FEED, packet.clone()).unwrap();
        handle.packet(OTHER_FEED, packet).unwrap();
    }
    recorder.shutdown();
    let events: Vec<_> = std::iter::from_fn(|| events.blocking_recv()).collect();
    assert_eq!(failures(&events), [(FEED, Fault::Disk)]);
    let closed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RecorderEvent::Closed {
                feed, duration_ms, ..
            } => Some((*feed, *duration_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].0, OTHER_FEED);
    assert!(closed[0].1.abs_diff(4_000) <= 20);
    // What was written before the disk was full still plays.
    let folder = tempfile::tempdir().unwrap();
    let files = files.lock().unwrap();
    let full = files.iter().find(|file| file.feed == FEED).unwrap();
    let bytes = full.bytes();
    assert!(!decoded_sound(&saved(&folder, &bytes)).is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_within_a_second() {
    let sink = MemorySink {
        closed_to: Some(FEED),
        ..MemorySink::default()
    };
    let (recorder, mut events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    let began = Instant::now();
    for packet in sound(1) {
        handle.packet(FEED, packet).unwrap();
    }
    let event = events.blocking_recv().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(failures(&[event]), [(FEED, Fault::Disk)]);
    recorder.shutdown();
}

#[test]
fn sound_that_stops_coming_is_on_disk_within_a_second() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, mut events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    let now = Instant::now();
    let info = FeedInfo {
        epoch: now,
        ..info(Codec::Opus)
    };
    handle.start(FEED, info).unwrap();
    // Ten packets at the real time, one of them missing, then nothing more.
    for (n, mut packet) in sound(1).into_iter().take(10).enumerate() {
        packet.arrival = now + Duration::from_millis(20 * n as u64);
        if n != 7 {
            handle.packet(FEED, packet).unwrap();
        }
    }
    let all = |event: &RecorderEvent| matches!(event, RecorderEvent::Written { ends_ms, .. } if *ends_ms >= 180);
    let written = std::iter::from_fn(|| events.blocking_recv()).find(all);
    assert!(written.is_some() && now.elapsed() < Duration::from_secs(1));
    let file = files.lock().unwrap()[0].clone();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(block_times_ms(&saved(&folder, &file.bytes())).len(), 9);
    assert!(!file.finished);
    assert_eq!(handle.stalled_for(), Duration::ZERO);
    recorder.shutdown();
}

#[test]
fn a_hanging_disk_is_seen_and_never_holds_up_the_sender_of_packets() {
    struct Hanging(Mutex<mpsc::Receiver<()>>);
    impl ChunkSink for Hanging {
        fn open(&self, _: FeedId, _: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
            let _ = self.0.lock().unwrap().recv();
            Err(io::Error::from(io::ErrorKind::TimedOut))
        }
    }
    let (release, held) = mpsc::sync_channel(1);
    let one = RecorderConfig {
        queue_packets: 100,
        ..config()
    };
    let sink = Arc::new(Hanging(Mutex::new(held)));
    let (recorder, mut events) = Recorder::spawn(one, sink).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    let packets = sound(5);
    let count = packets.len();
    let refused = packets
        .into_iter()
        .filter(|packet| {
            let taken = handle.packet(FEED, packet.clone());
            matches!(taken, Err(RecorderError::Behind))
        })
        .count();
    assert!(refused > 0 && refused < count, "{refused} of {count}");
    let (_never, nothing) = mpsc::sync_channel::<()>(0);
    let _ = nothing.recv_timeout(Duration::from_millis(600));
    assert!(handle.stalled_for() >= Duration::from_millis(200));
    release.send(()).unwrap();
    let mut told = 0;
    while told < refused as u64 {
        if let Some(RecorderEvent::Behind { refused_packets }) = events.blocking_recv() {
            told += refused_packets;
        }
    }
    recorder.shutdown();
    assert!(matches!(handle.stop(FEED), Err(RecorderError::Stopped)));
}

/// A disk that takes its time for some writes.
struct Slow {
    disk: MemorySink,
    /// How long each write takes, the last one first; when there are no more, no time.
    stalls: Arc<Mutex<Vec<Duration>>>,
}

struct SlowWriter {
    disk: Box<dyn ChunkWriter>,
    stalls: Arc<Mutex<Vec<Duration>>>,
}

impl ChunkSink for Slow {
    fn open(&self, feed: FeedId, starts_ms: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
        let (key, disk) = self.disk.open(feed, starts_ms)?;
        let stalls = Arc::clone(&self.stalls);
        Ok((key, Box::new(SlowWriter { disk, stalls })))
    }
}

impl ChunkWriter for SlowWriter {
    fn append(&mut self, bytes: &[u8], ends_ms: u64) -> io::Result<()> {
        let stall = self.stalls.lock().unwrap().pop().unwrap_or_default();
        let (_never, nothing) = mpsc::sync_channel::<()>(0);
        let _ = nothing.recv_timeout(stall);
        self.disk.append(bytes, ends_ms)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.disk.finish()
    }
}

#[test]
fn a_disk_that_stalls_for_seconds_is_seen_and_costs_no_sound() {
    let disk = MemorySink::default();
    let files = Arc::clone(&disk.files);
    let stalls = [0, 1, 0, 5, 0, 2].map(Duration::from_secs);
    let sink = Slow {
        disk,
        stalls: Arc::new(Mutex::new(stalls.into_iter().rev().collect())),
    };
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    let mut longest = Duration::ZERO;
    let packets = sound(12);
    // It panics when a packet is refused.
    live(&recorder, &[(FEED, packets.clone())], |_| {
        longest = longest.max(handle.stalled_for());
    });
    let told = told_until(events, 1);
    recorder.shutdown();
    assert_eq!(failures(&told), []);
    // A hearing leaves the record after 3 s.
    assert!(longest > Duration::from_secs(3), "{longest:?}");
    let folder = tempfile::tempdir().unwrap();
    let files = files.lock().unwrap();
    let kept: usize = files
        .iter()
        .map(|file| block_times_ms(&saved(&folder, &file.bytes())).len())
        .sum();
    assert_eq!(kept, packets.len());
}
