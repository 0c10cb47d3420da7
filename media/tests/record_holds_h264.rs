//! A picture in H.264 is recorded like any other: nothing is missing, it stands in its place, and
//! neither a loss nor another picture size ends the file.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use recording::*;

#[test]
fn every_picture_is_in_the_file_and_in_its_place() {
    let recorded = record(h264_picture(3, "320x240"));
    assert!(recorded.file.chunks.len() >= 3);
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    assert_eq!(decoded_pictures(&path), 90);
    assert_eq!(stream_facts(&path), "h264,320,240");
    let times = block_times_ms(&path);
    assert_eq!(times.len(), 90);
    for (picture, time) in times.iter().enumerate() {
        assert!(
            time.abs_diff(picture as u64 * 1_000 / 30) <= 1,
            "{picture} {time}"
        );
    }
}

#[test]
fn what_is_on_disk_at_any_chunk_plays() {
    let recorded = record(h264_picture(3, "320x240"));
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    let mut before = 0;
    for (chunk, _) in &recorded.file.chunks {
        bytes.extend_from_slice(chunk);
        let pictures = decoded_pictures(&saved(&folder, &bytes));
        assert!(pictures > before, "{pictures} after {before}");
        before = pictures;
    }
}

#[test]
fn after_a_loss_the_file_goes_on_with_the_next_key_frame() {
    let mut packets = h264_picture(3, "320x240");
    let lost = packets
        .iter()
        .position(|packet| packet.timestamp == packets[0].timestamp + 40 * 3_000)
        .unwrap();
    packets.remove(lost);
    let recorded = record(packets);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        decoded_pictures(&saved(&folder, &recorded.file.bytes())),
        40 + 30
    );
}

#[test]
fn a_picture_that_becomes_larger_goes_on_in_the_same_file() {
    let mut packets = h264_picture(1, "320x240");
    let seq = packets.len() as u64;
    packets.extend(h264_picture(1, "640x480").into_iter().map(|mut packet| {
        packet.seq += seq;
        packet.timestamp += 90_000;
        packet.arrival += std::time::Duration::from_secs(1);
        packet
    }));
    let recorded = record(packets);
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    assert_eq!(decoded_pictures(&path), 60);
    let copy = folder.path().join("seekable.mp4");
    copied(&path, &copy).unwrap();
    assert_eq!(decoded_pictures(&copy), 60);
}

#[test]
fn the_seekable_copy_is_an_mp4_that_browsers_play() {
    let recorded = record(h264_picture(4, "320x240"));
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    let copy = folder.path().join("seekable.mp4");
    let info = copied(&path, &copy).unwrap();
    assert!(info.duration_ms.abs_diff(recorded.duration_ms()) <= 40);
    assert_eq!(decoded_pictures(&copy), 120);
    assert_eq!(stream_facts(&copy), "h264,320,240");
    assert!(
        header_duration_ms(&copy)
            .unwrap()
            .abs_diff(info.duration_ms)
            <= 1
    );
    assert_eq!(&std::fs::read(&copy).unwrap()[4..8], b"ftyp");
    let original = block_times_ms(&path);
    for (ours, theirs) in block_times_ms(&copy).iter().zip(&original) {
        assert!(ours.abs_diff(*theirs) <= 1, "{ours} {theirs}");
    }
}
