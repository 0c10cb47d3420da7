//! What has been written at any moment is a file that plays: a decoder that shares no code with
//! the recorder reads it to the end without a complaint.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use otyrys_media::recorder::RecorderEvent;
use recording::*;

#[test]
fn sound_that_was_recorded_decodes_to_the_end_with_its_full_length() {
    let recorded = record(sound(4));
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    assert_eq!(recorded.file.starts_ms, DELAY_MS);
    assert!(recorded.file.finished);
    let times = block_times_ms(&path);
    assert_eq!(times.first(), Some(&0));
    let ends = times.last().unwrap() + 20;
    assert!(ends.abs_diff(4_000) <= 20, "{ends}");
    assert!(recorded.duration_ms().abs_diff(ends) <= 1);
    let samples = decoded_sound(&path).len();
    assert!(samples.abs_diff(4 * 48_000) <= 1_000, "{samples}");
}

#[test]
fn a_picture_that_was_recorded_decodes_frame_for_frame() {
    let recorded = record(picture(3));
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    assert_eq!(decoded_pictures(&path), 90);
    let times = block_times_ms(&path);
    for (n, time) in times.iter().enumerate() {
        assert!(time.abs_diff(n as u64 * 1_000 / 30) <= 1, "{n}: {time}");
    }
    assert!(recorded.duration_ms().abs_diff(2_967) <= 1);
}

#[test]
fn chunks_are_cut_each_second_at_most_and_each_of_them_is_told() {
    let recorded = record(sound(5));
    let mut last = 0;
    for (bytes, ends_ms) in &recorded.file.chunks {
        assert!(!bytes.is_empty());
        assert!(
            *ends_ms > last && ends_ms - last <= 1_000,
            "{last} -> {ends_ms}"
        );
        last = *ends_ms;
    }
    let written: Vec<_> = recorded
        .events
        .iter()
        .filter_map(|event| match event {
            RecorderEvent::Written {
                bytes_total,
                ends_ms,
                ..
            } => Some((*bytes_total, *ends_ms)),
            _ => None,
        })
        .collect();
    let mut total = 0;
    let expected: Vec<_> = recorded
        .file
        .chunks
        .iter()
        .map(|(bytes, ends_ms)| {
            total += bytes.len() as u64;
            (total, *ends_ms)
        })
        .collect();
    assert_eq!(written, expected);
    assert!(matches!(
        recorded.events[0],
        RecorderEvent::Opened {
            starts_ms: DELAY_MS,
            ..
        }
    ));
}

#[test]
fn a_file_cut_after_any_chunk_plays_up_to_there() {
    for packets in [sound(3), picture(3)] {
        let recorded = record(packets);
        let folder = tempfile::tempdir().unwrap();
        assert!(recorded.file.chunks.len() >= 3);
        let mut bytes = Vec::new();
        for (chunk, ends_ms) in &recorded.file.chunks {
            bytes.extend_from_slice(chunk);
            let path = saved(&folder, &bytes);
            let last = *block_times_ms(&path).last().unwrap();
            assert!(last <= *ends_ms && ends_ms - last <= 21, "{last} {ends_ms}");
        }
    }
}
