//! What was written is listened to and looked at: a file may grow well and hold nothing.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use otyrys_media::RecordedPacket;
use otyrys_media::recorder::{CheckError, Checker, RecorderEvent, RecorderProgram, Seen};
use recording::*;
use std::time::Duration;

/// What a checking process says.
fn checked<T>(ask: impl AsyncFnOnce(&mut Checker) -> Result<T, CheckError>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(ask(&mut Checker::new(config().program)))
        .unwrap()
}

/// The loudest sample of each chunk of a recorded file.
fn peaks(recorded: &Recorded) -> Vec<f32> {
    checked(async |checker| {
        let mut peaks = Vec::new();
        for (chunk, _) in &recorded.file.chunks {
            peaks.push(checker.listen(chunk).await?.peak);
        }
        Ok(peaks)
    })
}

#[test]
fn each_chunk_is_heard_by_itself_and_silence_is_told_from_the_quietest_voice() {
    let loud = peaks(&record(sound(4)));
    assert!(loud.len() >= 5, "{loud:?}");
    assert!(loud.iter().all(|peak| *peak > 0.05), "{loud:?}");
    // About -56 dBov, which is below what counts as speech.
    let quiet = peaks(&record(noise(4, 0.004)));
    assert!(quiet.iter().all(|peak| *peak > 0.000_5), "{quiet:?}");
    let silent = peaks(&record(noise(4, 0.0)));
    assert!(silent.iter().all(|peak| *peak < 0.000_1), "{silent:?}");
}

#[test]
fn how_much_of_a_chunk_is_speech_is_told_from_the_levels_of_its_packets() {
    let mut packets = sound(4);
    packets.truncate(200);
    for (number, packet) in packets.iter_mut().enumerate() {
        // Loud, then quiet, then without a level, for a second each, and loud again.
        packet.level = [Some(30), Some(50), None, Some(49)][(number / 50).min(3)];
    }
    let recorded = record(packets);
    let speech = recorded.events.iter().filter_map(|event| match event {
        RecorderEvent::Written { speech, .. } => Some(*speech),
        _ => None,
    });
    assert_eq!(speech.sum::<Duration>(), Duration::from_secs(2));
}

#[test]
fn a_clock_that_stands_still_is_told_by_what_has_no_room_in_the_file() {
    /// How much time was to be filled, and how long the file became.
    fn filled(packets: Vec<RecordedPacket>) -> (Duration, Duration) {
        let recorded = record(packets);
        let (mut fills, mut ends) = (Duration::ZERO, Duration::ZERO);
        for event in &recorded.events {
            if let RecorderEvent::Written {
                fills: more,
                ends_ms,
                ..
            } = event
            {
                fills += *more;
                ends = Duration::from_millis(*ends_ms);
            }
        }
        (fills, ends)
    }
    /// From the second second on nothing moves.
    fn stands(mut packets: Vec<RecordedPacket>) -> Vec<RecordedPacket> {
        let begins = packets[0].arrival;
        let still = packets
            .iter()
            .find(|packet| packet.arrival >= begins + Duration::from_secs(1))
            .unwrap()
            .timestamp;
        for packet in &mut packets {
            packet.timestamp = packet.timestamp.min(still);
        }
        packets
    }
    let near = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_millis(150);
    let second = Duration::from_secs(1);
    let (fills, ends) = filled(sound(2));
    assert!(
        near(fills, ends) && near(ends, 2 * second),
        "{fills:?} {ends:?}"
    );
    let (fills, ends) = filled(stands(sound(2)));
    assert!(
        near(fills, 2 * second) && near(ends, second),
        "{fills:?} {ends:?}"
    );
    let (fills, _) = filled(picture(2));
    assert_eq!(fills, Duration::ZERO);
    let (fills, ends) = filled(stands(picture(2)));
    assert!(
        near(fills, second) && near(ends, second),
        "{fills:?} {ends:?}"
    );
}

#[test]
fn a_key_frame_is_decoded_and_one_that_is_broken_is_found() {
    // Nothing is where a key frame has its start code (RFC 6386, section 9.1).
    looks(picture(2), &[0x9d, 0x01, 0x2a], [0; 3]);
    // The slice of a key frame (ITU-T H.264, section 7.3.3) claims to begin far behind the picture.
    looks(h264_picture(2, "320x240"), &[0x65, 0x88], [0x65, 0, 0x01]);
}

/// Each key frame decodes, and does not with `broken` where there was `whole`.
fn looks(packets: Vec<RecordedPacket>, whole: &[u8], broken: [u8; 3]) {
    let codec = packets[0].codec;
    let recorded = record(packets);
    let written = recorded.events.iter().filter_map(|event| match event {
        RecorderEvent::Written { key, .. } => Some(*key),
        _ => None,
    });
    let chunks = recorded.file.chunks.iter().map(|(chunk, _)| chunk);
    let mut looked = 0;
    for (chunk, key) in chunks.zip(written) {
        let mut changed = chunk.clone();
        for at in 0..chunk.len() {
            if chunk[at..].starts_with(whole) {
                changed[at..at + 3].copy_from_slice(&broken);
            }
        }
        let (whole, broken) = checked(async |checker| {
            let whole = checker.look(codec, chunk).await?;
            Ok((whole, checker.look(codec, &changed).await?))
        });
        assert_eq!(whole, if key { Seen::Picture } else { Seen::Unknown });
        assert_eq!(broken, if key { Seen::Nothing } else { Seen::Unknown });
        looked += usize::from(key);
    }
    assert!(looked >= 2);
}

#[test]
fn a_process_that_does_not_start_says_nothing_about_the_record() {
    let mut checker = Checker::new(RecorderProgram {
        path: "/bin/false".into(),
        arguments: Vec::new(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let error = runtime.block_on(checker.listen(&[])).unwrap_err();
    assert!(error.to_string().contains("does not work"), "{error}");
}
