//! Whatever the line or the device does for seconds, minutes or an hour: what is in the record
//! stands where it was said.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use std::sync::Arc;
use std::time::Duration;

use otyrys_media::recorder::{Recorder, RecorderConfig, RecorderEvent};
use otyrys_media::{Codec, RecordedPacket};
use recording::*;

const PACKET: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3_600);

/// A voice of so many seconds over an even line: the same four seconds again and again.
fn voice(seconds: u64) -> Vec<RecordedPacket> {
    let four_seconds = &sound(4)[..200];
    let packet = |n: u64| RecordedPacket {
        seq: 70_000 + n,
        timestamp: 5_000_000_000 + n * 960,
        arrival: epoch() + Duration::from_millis(DELAY_MS) + PACKET * n as u32,
        ..four_seconds[n as usize % 200].clone()
    };
    (0..seconds * 50).map(packet).collect()
}

/// Without those that `is_lost`, by their number.
fn without(
    packets: Vec<RecordedPacket>,
    mut is_lost: impl FnMut(usize) -> bool,
) -> Vec<RecordedPacket> {
    let kept = |(n, packet)| (!is_lost(n)).then_some(packet);
    packets.into_iter().enumerate().filter_map(kept).collect()
}

/// When each packet was said, in milliseconds since [`epoch`].
fn said_ms(packets: &[RecordedPacket]) -> Vec<u64> {
    let said = |packet: &RecordedPacket| (packet.seq - 70_000) * 20;
    packets.iter().map(said).collect()
}

/// Where each packet stands in the record, in milliseconds, and the sound of it.
fn heard(packets: Vec<RecordedPacket>) -> (Vec<u64>, Vec<i16>) {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let roomy = RecorderConfig {
        queue_packets: 1 << 20,
        ..config()
    };
    let (recorder, events) = Recorder::spawn(roomy, Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    for packet in packets {
        handle.packet(FEED, packet).unwrap();
    }
    handle.stop(FEED).unwrap();
    let told = told_until(events, 1);
    recorder.shutdown();
    let bad = |event: &&RecorderEvent| {
        matches!(
            event,
            RecorderEvent::Failed { .. } | RecorderEvent::Behind { .. }
        )
    };
    assert_eq!(told.iter().find(bad), None);
    let places = blocks_ms(&files, FEED);
    let folder = tempfile::tempdir().unwrap();
    let file = files.lock().unwrap().remove(0);
    (places, decoded_sound(&saved(&folder, &file.bytes())))
}

/// The farthest that a packet stands from where it was said, over an even line, in milliseconds.
fn worst(places: &[u64], said: &[u64]) -> u64 {
    assert_eq!(places.len(), said.len());
    let apart = |(place, said): (&u64, &u64)| place.abs_diff(said + DELAY_MS);
    places.iter().zip(said).map(apart).max().unwrap()
}

/// How alike the last two seconds are: the normalised correlation at its best shift.
fn likeness(one: &[i16], other: &[i16]) -> f64 {
    const LENGTH: usize = 96_000;
    const MOST_SHIFT: usize = 1_000;
    let tail = |samples: &[i16], shift: usize| -> Vec<f64> {
        let end = samples.len() - shift;
        let tail = &samples[end - LENGTH..end];
        tail.iter().map(|sample| f64::from(*sample)).collect()
    };
    let product =
        |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(a, b)| a * b).sum() };
    let one = tail(one, MOST_SHIFT / 2);
    let alike = |shift| {
        let other = tail(other, shift);
        product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt()
    };
    (0..MOST_SHIFT).step_by(4).map(alike).fold(0.0, f64::max)
}

#[test]
fn a_fifth_of_the_packets_is_lost_some_of_them_in_a_row() {
    let mut dice = Dice::new(5);
    let mut row = 0_u32;
    let whole = voice(60);
    let lossy = without(whole.clone(), |n| {
        if row == 0 && dice.hits(8) {
            // Up to half a second.
            row = (1..25).find(|_| dice.hits(15)).unwrap_or(25);
        }
        row = row.saturating_sub(1);
        row > 0 && (10..2_800).contains(&n)
    });
    let lost = 3_000 - lossy.len();
    assert!((450..900).contains(&lost), "{lost} of 3000");
    let said = said_ms(&lossy);
    let ((places, sound), (_, whole)) = (heard(lossy), heard(whole));
    assert!(worst(&places, &said) <= 2);
    let likeness = likeness(&sound, &whole);
    assert!(likeness > 0.9, "{likeness}");
}

#[test]
fn a_line_that_is_cut_for_ten_seconds_leaves_ten_seconds_out() {
    let cut = without(voice(20), |n| (250..750).contains(&n));
    let said = said_ms(&cut);
    let (places, _) = heard(cut);
    assert_eq!(places[250] - places[249], 10_020);
    assert!(worst(&places, &said) <= 2);
}

#[test]
fn two_devices_whose_clocks_run_apart_stay_together() {
    // By 480 ms in twenty minutes.
    let drifting = |parts_per_million: i64| {
        let mut packets = voice(1_200);
        for packet in &mut packets {
            let ticks = (packet.timestamp - 5_000_000_000) as i64;
            let drift = ticks * parts_per_million / 1_000_000;
            packet.timestamp = packet.timestamp.checked_add_signed(drift).unwrap();
        }
        let said = said_ms(&packets);
        worst(&heard(packets).0, &said)
    };
    let (fast, slow) = (drifting(200), drifting(-200));
    assert!(fast + slow <= 40, "{fast} and {slow} ms");
}

#[test]
fn who_is_silent_for_an_hour_is_heard_in_time_again() {
    let mut packets = voice(20);
    for packet in &mut packets[500..] {
        // The device's clock is slow by 100 ppm: 360 ms.
        packet.arrival += HOUR;
        packet.timestamp += HOUR.as_secs() * (48_000 - 5);
    }
    let (places, _) = heard(packets);
    let silence = places[500] - places[499];
    assert!(silence.abs_diff(3_600_020) <= 10, "{silence} ms");
}

#[test]
fn an_hour_of_comfort_noise_is_an_hour() {
    // DTX: a packet each 400 ms (RFC 7587, section 3.1.3).
    let quiet = without(voice(3_620), |n| {
        (500..180_500).contains(&n) && !n.is_multiple_of(20)
    });
    let mut quiet = quiet;
    for (n, packet) in quiet.iter_mut().enumerate() {
        packet.seq = 70_000 + n as u64;
    }
    let said: Vec<u64> = quiet
        .iter()
        .map(|packet| (packet.timestamp - 5_000_000_000) / 48)
        .collect();
    let (places, _) = heard(quiet);
    assert!(worst(&places, &said) <= 2);
    assert!(places.last().unwrap().abs_diff(3_620_010) <= 2);
}

#[test]
fn a_phone_call_that_stops_the_clock_of_the_device_is_a_pause() {
    let call = Duration::from_secs(30);
    let mut packets = voice(20);
    for packet in &mut packets[500..] {
        packet.arrival += call;
    }
    let (places, _) = heard(packets);
    let pause = places[500] - places[499];
    assert!(pause.abs_diff(30_020) <= 2, "{pause} ms");
}

#[test]
fn a_track_of_which_no_packet_comes_leaves_no_file_and_no_fault() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    recorder.handle().start(FEED, info(Codec::Opus)).unwrap();
    recorder.handle().stop(FEED).unwrap();
    let told = told_until(events, 1);
    recorder.shutdown();
    let stopped = RecorderEvent::Stopped {
        feed: FEED,
        lost_packets: 0,
    };
    assert_eq!(told, [stopped]);
    assert!(files.lock().unwrap().is_empty());
}

#[test]
fn packets_that_come_behind_the_end_of_a_track_are_no_fault() {
    let sink = MemorySink::default();
    let files = Arc::clone(&sink.files);
    let (recorder, events) = Recorder::spawn(config(), Arc::new(sink)).unwrap();
    let handle = recorder.handle();
    handle.start(FEED, info(Codec::Opus)).unwrap();
    let packets = voice(3);
    let (before, behind) = packets.split_at(100);
    for packet in before {
        handle.packet(FEED, packet.clone()).unwrap();
    }
    handle.stop(FEED).unwrap();
    for packet in behind {
        handle.packet(FEED, packet.clone()).unwrap();
    }
    let told = told_until(events, 1);
    recorder.shutdown();
    let failed = |event: &&RecorderEvent| matches!(event, RecorderEvent::Failed { .. });
    assert_eq!(told.iter().find(failed), None);
    assert_eq!(files.lock().unwrap().len(), 1);
    assert_eq!(blocks_ms(&files, FEED).len(), before.len());
}
