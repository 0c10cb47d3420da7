//! Loss, reordering, silence and restarts of the sender change neither the place of what was
//! heard nor the length of the record.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use std::sync::Arc;
use std::time::Duration;

use otyrys_media::recorder::{Recorder, RecorderEvent};
use otyrys_media::{RecordedPacket, SenderReport};
use recording::*;

fn times(packets: Vec<RecordedPacket>) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    block_times_ms(&saved(&folder, &record(packets).file.bytes()))
}

fn lost_packets(events: &[RecorderEvent]) -> u64 {
    match events.last() {
        Some(RecorderEvent::Stopped { lost_packets, .. }) => *lost_packets,
        other => panic!("the last event is {other:?}"),
    }
}

#[test]
fn reordered_and_repeated_packets_give_the_same_sound() {
    let even = sound(4);
    let mut dice = Dice::new(1);
    let mut shaken = Vec::new();
    for packet in &even {
        let mut packet = packet.clone();
        if dice.hits(5) {
            packet.arrival += Duration::from_millis(70);
        }
        if dice.hits(5) {
            let mut again = packet.clone();
            again.arrival += Duration::from_millis(30);
            shaken.push(again);
        }
        shaken.push(packet);
    }
    shaken.sort_by_key(|packet| packet.arrival);
    assert!(shaken.windows(2).any(|pair| pair[0].seq > pair[1].seq));
    let folder = tempfile::tempdir().unwrap();
    let (even, shaken) = (record(even), record(shaken));
    let heard = |bytes: Vec<u8>, name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (block_times_ms(&path), decoded_sound(&path))
    };
    let (even_times, even_sound) = heard(even.file.bytes(), "even.webm");
    let (shaken_times, shaken_sound) = heard(shaken.file.bytes(), "shaken.webm");
    assert_eq!(even_times, shaken_times);
    assert!(even_sound == shaken_sound);
    assert_eq!(lost_packets(&shaken.events), 0);
}

#[test]
fn what_was_said_before_the_record_began_is_not_at_its_first_moment() {
    let mut packets = sound(4);
    let earlier = packets[0].arrival - epoch() + Duration::from_millis(50);
    for packet in &mut packets {
        // The network held the first three back until the record had begun.
        packet.arrival = (packet.arrival - earlier).max(epoch());
    }
    let all = packets.len();
    let times = times(packets);
    assert!(times[0] <= 20, "{}", times[0]);
    assert!(
        times.windows(2).all(|pair| pair[0] < pair[1]),
        "{:?}",
        &times[..5]
    );
    assert_eq!(times.len(), all - 3);
}

#[test]
fn a_reordered_picture_is_whole() {
    let mut shaken = picture(3);
    let mut dice = Dice::new(2);
    for packet in &mut shaken {
        if dice.hits(5) {
            packet.arrival += Duration::from_millis(90);
        }
    }
    shaken.sort_by_key(|packet| packet.arrival);
    let recorded = record(shaken);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        decoded_pictures(&saved(&folder, &recorded.file.bytes())),
        90
    );
}

#[test]
fn ten_per_cent_lost_packets_leave_the_rest_in_place() {
    let even = sound(6);
    let mut dice = Dice::new(3);
    let last = even.len() - 1;
    let kept: Vec<bool> = (0..=last)
        .map(|n| n == 0 || n == last || !dice.hits(10))
        .collect();
    let missing = kept.iter().filter(|kept| !**kept).count() as u64;
    assert!(missing > 15);
    let lossy = even
        .iter()
        .zip(&kept)
        .filter(|(_, kept)| **kept)
        .map(|(packet, _)| packet.clone())
        .collect();
    let whole = times(even);
    let recorded = record(lossy);
    let folder = tempfile::tempdir().unwrap();
    let left = block_times_ms(&saved(&folder, &recorded.file.bytes()));
    let expected: Vec<_> = whole
        .iter()
        .zip(&kept)
        .filter_map(|(time, kept)| kept.then_some(*time))
        .collect();
    assert_eq!(left.len(), expected.len());
    for (left, expected) in left.iter().zip(&expected) {
        assert!(left.abs_diff(*expected) <= 2, "{left} {expected}");
    }
    assert!(recorded.duration_ms().abs_diff(6_000) <= 40);
    assert_eq!(lost_packets(&recorded.events), missing);
}

#[test]
fn three_seconds_that_the_sender_kept_silent_are_three_seconds_in_the_file() {
    let gap = Duration::from_secs(3);
    let mut packets = sound(4);
    // DTX: numbers go on without a hole, RTP time and arrival leap.
    for packet in &mut packets[100..] {
        packet.timestamp += gap.as_secs() * 48_000;
        packet.arrival += gap;
    }
    let times = times(packets);
    let silence = times[100] - times[99];
    assert!(silence.abs_diff(3_020) <= 2, "{silence}");
    assert!(times.last().unwrap().abs_diff(6_980) <= 20);
}

#[test]
fn a_sender_that_counts_anew_goes_on_in_the_same_file() {
    let mut packets = sound(4);
    for packet in &mut packets[100..] {
        packet.stream = 2;
        packet.seq = packet.seq - 70_000 + 12;
        packet.timestamp = packet.timestamp - 5_000_000_000 + 99;
        packet.arrival += Duration::from_millis(500);
    }
    // A straggler of the old numbering comes after the new one began; it is dropped.
    let mut straggler = packets[98].clone();
    straggler.arrival = packets[101].arrival;
    packets.insert(102, straggler);
    let times = times(packets);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    let pause = times[100] - times[99];
    assert!(pause.abs_diff(520) <= 2, "{pause}");
    assert!(times.last().unwrap().abs_diff(4_480) <= 20);
}

#[test]
fn numbers_that_fall_back_for_good_do_not_silence_a_track() {
    let mut packets = sound(6);
    for packet in &mut packets[100..] {
        packet.seq -= 1_000;
    }
    let times = times(packets);
    assert!(times.last().unwrap().abs_diff(5_980) <= 20);
    assert!(times.len() >= 190, "{}", times.len());
}

/// Reports after the first second, each of them of the moment at which its packet was taken.
fn reported(packets: Vec<RecordedPacket>, held_back: Duration) -> Vec<RecordedPacket> {
    let taken = |packet: &RecordedPacket| packet.arrival - epoch();
    let reported = packets.into_iter().map(|packet| RecordedPacket {
        arrival: packet.arrival + held_back,
        sender_report: (taken(&packet) > Duration::from_secs(1)).then(|| SenderReport {
            ntp: Duration::from_secs(1_800_000_000) + taken(&packet),
            timestamp: packet.timestamp as u32,
        }),
        ..packet
    });
    reported.collect()
}

#[test]
fn pictures_that_their_encoder_held_back_are_recorded_with_their_sound() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let voice = reported(sound(7), Duration::ZERO);
    let face = reported(picture(7), Duration::from_millis(180));
    live(&recorder, &[(FEED, voice), (OTHER, face)], |_| {});
    told_until(events, 2);
    recorder.shutdown();
    let heard = blocks_ms(&files, FEED);
    let seen = blocks_ms(&files, OTHER);
    assert_eq!(seen.len(), 210);
    let apart = |second: usize| seen[second * 30].abs_diff(heard[second * 50]);
    assert!(apart(0) > 150, "{} ms: nothing is to be mended", apart(0));
    for second in 4..7 {
        assert!(apart(second) <= 10, "{} ms", apart(second));
    }
}

#[test]
fn a_picture_that_lost_a_packet_goes_on_from_the_next_key_frame() {
    let packets = picture(4);
    let keys: Vec<_> = (0..packets.len())
        .filter(|n| {
            let payload = &packets[*n].payload;
            // Descriptor with a 15-bit picture id, then the frame tag with P = 0.
            payload[0] & 0x10 != 0 && payload[4] & 1 == 0
        })
        .collect();
    assert!(keys.len() >= 4, "{keys:?}");
    let hit = keys[1] + (keys[2] - keys[1]) / 2;
    let broken_from = packets[hit].timestamp;
    let resumed_at = packets[keys[2]].timestamp;
    let skipped = (resumed_at - broken_from) / 3_000;
    assert!(skipped > 3);
    let lossy = packets
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != hit)
        .map(|(_, packet)| packet.clone())
        .collect();
    let recorded = record(lossy);
    let folder = tempfile::tempdir().unwrap();
    let path = saved(&folder, &recorded.file.bytes());
    assert_eq!(decoded_pictures(&path) as u64, 120 - skipped);
    let asked = |events: &[RecorderEvent]| {
        let wanted = |event: &&RecorderEvent| matches!(event, RecorderEvent::KeyframeWanted { .. });
        events.iter().filter(wanted).count()
    };
    assert_eq!(asked(&recorded.events), asked(&record(packets).events) + 1);
}
