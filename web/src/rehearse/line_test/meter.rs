//! What one visitor receives.

use super::{
    super::peer::Listener,
    frames::Frames,
    histogram::Histogram,
    traffic::{Tag, clock_us},
};
use rtc::rtp;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Senders whose packets are followed; a test of the largest size has fewer.
const SENDERS: usize = 256;

/// Counts what comes, by what the packets say of themselves.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sound: HashMap<u32, Sound>,
    pictures: HashMap<u32, Frames>,
    passed: Passed,
    /// RFC 3550, section 6.4.1, of the sound, in microseconds.
    jitter_us: f64,
}

#[derive(Debug, Default)]
struct Sound {
    highest: u32,
    transit_us: u64,
}

/// What came since the meter was last read.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed {
    /// Packets of anybody in this process.
    pub(super) packets: u64,
    /// 20 ms of sound that came, and that were sent.
    pub(super) sound: u64,
    pub(super) sound_sent: u64,
    /// From the sender's call to the arrival here: to the server and back.
    pub(super) transit: Histogram,
    /// The sound's, at the end.
    pub(super) jitter: Duration,
    pub(super) frames: u64,
    pub(super) freezes: u32,
    pub(super) frozen: Duration,
}

impl Meter {
    /// What came since the last time.
    pub(super) fn take(&self) -> Passed {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut passed = std::mem::take(&mut state.passed);
        passed.jitter = Duration::from_micros(state.jitter_us as u64);
        for frames in state.pictures.values_mut() {
            passed.frames += std::mem::take(&mut frames.count);
            passed.freezes += std::mem::take(&mut frames.freezes);
            passed.frozen += std::mem::take(&mut frames.frozen);
        }
        passed
    }
}

impl State {
    fn came(&mut self, tag: Tag, now_us: u64) -> bool {
        let transit_us = now_us.saturating_sub(tag.sent_us);
        self.passed.packets += 1;
        if self.sound.len() + self.pictures.len() > 2 * SENDERS {
            return false;
        }
        if tag.picture {
            let frames = self.pictures.entry(tag.sender).or_default();
            return frames.packet(now_us, &tag);
        }
        // Of sound only: repaired pictures arrive late by nature.
        self.passed.transit.add(Duration::from_micros(transit_us));
        self.passed.sound += 1;
        let first = !self.sound.contains_key(&tag.sender);
        let sound = self.sound.entry(tag.sender).or_default();
        if tag.number > sound.highest {
            let sent = if first { 1 } else { tag.number - sound.highest };
            self.passed.sound_sent += u64::from(sent);
            sound.highest = tag.number;
        }
        if !first {
            let difference = transit_us.abs_diff(sound.transit_us) as f64;
            self.jitter_us += (difference - self.jitter_us) / 16.0;
        }
        sound.transit_us = transit_us;
        false
    }
}

impl Listener for Meter {
    fn sections(&self, _mids: HashMap<usize, String>) {}

    fn packet(&self, _transceiver: usize, packet: &rtp::Packet) -> bool {
        let Some(tag) = Tag::read(&packet.payload) else {
            return false;
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.came(tag, clock_us())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(number: u32, sent_us: u64) -> Tag {
        Tag {
            sender: 1,
            picture: false,
            key: false,
            index: 0,
            packets: 1,
            number,
            frame: 0,
            sent_us,
        }
    }

    #[test]
    fn gaps_in_the_numbers_are_sound_that_did_not_come() {
        let mut state = State::default();
        for number in [5, 6, 8, 9] {
            let sent = u64::from(number) * 20_000;
            state.came(sound(number, sent), sent + 30_000);
        }
        let passed = state.passed;
        assert_eq!((passed.sound, passed.sound_sent), (4, 5));
        let transit = passed.transit.percentile(0.5).unwrap();
        assert!((30..=32).contains(&transit.as_millis()), "{transit:?}");
        assert_eq!(state.jitter_us, 0.0);
    }
}
