//! The muxing process dies, whenever and of whatever: that costs a segment, no sound and no other
//! track.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use otyrys_media::Codec;
use otyrys_media::recorder::{
    Fault, Recorder, RecorderConfig, RecorderError, RecorderEvent, RecorderProgram,
};
use recording::*;

/// Sends a signal to the muxing process of this test program. Returns how many there were.
fn signal_muxing(signal: &str) -> usize {
    let own = std::process::id().to_string();
    let children = Command::new("pgrep").args(["-P", &own]).output();
    let children = String::from_utf8(children.unwrap().stdout).unwrap();
    for child in children.lines() {
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), child])
            .status();
        assert!(sent.unwrap().success());
    }
    children.lines().count()
}

/// Ends it as GStreamer would.
fn crash_muxing() -> usize {
    signal_muxing("SEGV");
    // Rust's handler takes the first one for an overflow of the stack, finds that it is none, and
    // waits for the instruction to fail again.
    std::thread::park_timeout(Duration::from_millis(20));
    signal_muxing("SEGV")
}

#[test]
fn gstreamer_crashes_again_and_again_and_no_sound_is_missing() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let (sound, picture) = (sound(6), picture(6));
    let packets = sound.len();
    let mut crashes = 0;
    live(&recorder, &[(FEED, sound), (OTHER, picture)], |at| {
        if crashes < 5 && at >= Duration::from_millis(900) * (crashes + 1) {
            assert_eq!(crash_muxing(), 1);
            crashes += 1;
        }
    });
    assert_eq!(crashes, 5);
    assert_eq!(recorder.handle().restarts(), 5);
    let events = told_until(events, 2);
    recorder.shutdown();
    let bad = |event: &&RecorderEvent| {
        matches!(
            event,
            RecorderEvent::Failed { .. } | RecorderEvent::Behind { .. }
        )
    };
    assert_eq!(events.iter().find(bad), None);
    let heard = blocks_ms(&files, FEED);
    assert_eq!(heard.len(), packets);
    // The encoder gives its first packet less time than it lasts.
    for pair in heard[1..].windows(2) {
        assert!((19..=21).contains(&(pair[1] - pair[0])), "{pair:?}");
    }
    // A key frame each second here; live, it is asked for at once.
    let seen = blocks_ms(&files, OTHER).len();
    assert!(seen > 60, "{seen} of 180 pictures");
    let segments = files
        .lock()
        .unwrap()
        .iter()
        .filter(|file| file.feed == FEED)
        .count();
    assert!((2..=6).contains(&segments), "{segments}");
}

#[test]
fn gstreamer_hangs_and_another_one_takes_over() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let sound = sound(5);
    let packets = sound.len();
    let mut stopped = false;
    live(&recorder, &[(FEED, sound)], |at| {
        if !stopped && at >= Duration::from_secs(1) {
            signal_muxing("STOP");
            stopped = true;
        }
    });
    told_until(events, 1);
    assert_eq!(recorder.handle().restarts(), 1);
    recorder.shutdown();
    assert_eq!(blocks_ms(&files, FEED).len(), packets);
}

/// The beginning of Opus packets (20 ms, CELT) of which [`fragile_muxing_process`] dies.
const POISON: &[u8] = b"\x78what GStreamer does not survive";

/// A muxing process that dies of [`POISON`]: it stands before a real one.
#[test]
#[ignore = "a muxing process, which the others start"]
fn fragile_muxing_process() {
    let (mut real, theirs) = UnixStream::pair().unwrap();
    #[expect(
        clippy::zombie_processes,
        reason = "this process ends by a crash, and the real one when it is gone"
    )]
    let _child = Command::new("/proc/self/exe")
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "recording::muxing_process",
        ])
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let (mut answers, mut back) = (real.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = server.read(&mut buffer).unwrap();
        let orders = &buffer[..length];
        if length == 0 || orders.windows(POISON.len()).any(|window| window == POISON) {
            std::process::abort();
        }
        real.write_all(orders).unwrap();
    }
}

/// Records two voices, one of them with some packets of [`POISON`].
fn poisoned(places: &[usize]) -> (Vec<RecorderEvent>, Files, u64) {
    let program = RecorderProgram::this(&[
        "--exact",
        "--ignored",
        "--nocapture",
        "fragile_muxing_process",
    ]);
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(RecorderConfig::new(program), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    handle.start(OTHER, info(Codec::Opus)).unwrap();
    for (n, mut packet) in sound(3).into_iter().enumerate() {
        handle.packet(OTHER, packet.clone()).unwrap();
        if places.contains(&n) {
            packet.payload = Bytes::from_static(POISON);
        }
        handle.packet(FEED, packet).unwrap();
    }
    handle.stop(FEED).unwrap();
    handle.stop(OTHER).unwrap();
    let events = told_until(events, 2);
    let restarts = handle.restarts();
    recorder.shutdown();
    (events, files, restarts)
}

#[test]
fn a_packet_that_kills_gstreamer_is_found_and_left_out_and_nothing_else_is_missing() {
    let (events, files, restarts) = poisoned(&[70]);
    let whole = blocks_ms(&files, OTHER).len();
    assert!(whole >= 150, "{whole}");
    assert_eq!(blocks_ms(&files, FEED).len(), whole - 1);
    assert_eq!(restarts, 2, "it happens, and is seen again");
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, RecorderEvent::Failed { .. }))
    );
    let lost = events.iter().find_map(|event| match event {
        RecorderEvent::Stopped {
            feed: FEED,
            lost_packets,
        } => Some(*lost_packets),
        _ => None,
    });
    assert_eq!(lost, Some(1));
}

#[test]
fn who_kills_gstreamer_again_and_again_is_no_longer_recorded_and_everybody_else_is() {
    let (events, files, restarts) = poisoned(&[30, 60, 90, 120]);
    assert!(blocks_ms(&files, OTHER).len() >= 150);
    assert!((3..=6).contains(&restarts), "{restarts}");
    let failed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            RecorderEvent::Failed { feed, kind, .. } => Some((*feed, *kind)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(FEED, Fault::Pipeline)]);
}

#[test]
fn a_program_that_does_not_mux_is_told_at_the_start() {
    let config = RecorderConfig::new(RecorderProgram {
        path: "/bin/true".into(),
        arguments: Vec::new(),
    });
    let refused = Recorder::spawn(config, Arc::new(MemorySink::default()));
    assert!(matches!(refused, Err(RecorderError::Muxing(_))));
}
