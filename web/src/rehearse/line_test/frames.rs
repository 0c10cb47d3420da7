//! When the pictures of one sender can be shown, and when they stand still.

use super::traffic::Tag;
use std::{collections::BTreeMap, time::Duration};

/// How much later than the fastest way a picture is shown, so that repairs come in time: what a
/// browser's jitter buffer grows to on a line that loses packets.
const BUFFER: Duration = Duration::from_millis(200);
/// How long a picture that lacks packets is waited for while later ones are there; then a key
/// frame must come. Browsers ask after about as long.
const PATIENCE: Duration = Duration::from_millis(250);
/// Least time between two requests for a key frame.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Pictures that may wait for an earlier one: 4 s.
const WAITING: usize = 100;
/// W3C webrtc-stats, `freezeCount`: a freeze is longer than three times the mean interval, and
/// than the mean interval and 150 ms.
const FREEZE: Duration = Duration::from_millis(150);

/// One sender's pictures. All times are microseconds of this process's clock.
#[derive(Debug, Default)]
pub(super) struct Frames {
    waiting: BTreeMap<u32, Assembly>,
    shown: Option<Shown>,
    /// Of those shown, smoothed.
    interval: Option<Duration>,
    /// From the sender's call to here, the fastest so far.
    fastest_us: Option<u64>,
    stuck_since_us: Option<u64>,
    asked_us: Option<u64>,
    pub(super) count: u64,
    pub(super) freezes: u32,
    pub(super) frozen: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    frame: u32,
    at_us: u64,
}

#[derive(Debug)]
struct Assembly {
    missing: u16,
    /// One bit for each packet that is there.
    there: u128,
    key: bool,
    sent_us: u64,
}

impl Frames {
    /// A packet of a picture came. Answers whether a key frame should be asked for.
    pub(super) fn packet(&mut self, now_us: u64, tag: &Tag) -> bool {
        let transit_us = now_us.saturating_sub(tag.sent_us);
        let fastest_us = self.fastest_us.map_or(transit_us, |us| us.min(transit_us));
        self.fastest_us = Some(fastest_us);
        if self.shown.is_none_or(|shown| tag.frame > shown.frame) && tag.index < 128 {
            let assembly = self.waiting.entry(tag.frame).or_insert(Assembly {
                missing: tag.packets,
                there: 0,
                key: tag.key,
                sent_us: tag.sent_us,
            });
            if assembly.there & (1 << tag.index) == 0 {
                assembly.there |= 1 << tag.index;
                assembly.missing = assembly.missing.saturating_sub(1);
            }
        }
        self.show(now_us);
        while self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        self.wants_key_frame(now_us)
    }

    fn show(&mut self, now_us: u64) {
        loop {
            let next = self.shown.and_then(|shown| {
                let next = shown.frame + 1;
                self.waiting.get(&next).filter(|f| f.missing == 0)?;
                Some(next)
            });
            let skip_to = || {
                let whole = |(_, f): &(&u32, &Assembly)| f.key && f.missing == 0;
                self.waiting.iter().find(whole).map(|(frame, _)| *frame)
            };
            let frame = match next {
                Some(next) => next,
                None if self.shown.is_none() || self.is_stuck(now_us) => match skip_to() {
                    Some(frame) => frame,
                    None => break,
                },
                None => break,
            };
            let later = self.waiting.split_off(&(frame + 1));
            let earlier = std::mem::replace(&mut self.waiting, later);
            if let Some(assembly) = earlier.get(&frame) {
                let sent_us = assembly.sent_us;
                self.shown(now_us, frame, sent_us);
            }
        }
        let whole = self.waiting.values().any(|f| f.missing == 0);
        if !whole {
            self.stuck_since_us = None;
        } else if self.stuck_since_us.is_none() {
            self.stuck_since_us = Some(now_us);
        }
    }

    fn is_stuck(&self, now_us: u64) -> bool {
        let patience_us = PATIENCE.as_micros() as u64;
        self.stuck_since_us
            .is_some_and(|since| now_us.saturating_sub(since) > patience_us)
    }

    fn shown(&mut self, now_us: u64, frame: u32, sent_us: u64) {
        self.count += 1;
        self.stuck_since_us = None;
        let buffered_us = self.fastest_us.unwrap_or(0) + BUFFER.as_micros() as u64;
        let at_us = now_us.max(sent_us + buffered_us);
        if let Some(last) = self.shown.replace(Shown { frame, at_us }) {
            let passed = Duration::from_micros(at_us.saturating_sub(last.at_us));
            match self.interval {
                Some(mean) if passed > (mean * 3).max(mean + FREEZE) => {
                    self.freezes += 1;
                    self.frozen += passed;
                }
                Some(mean) => self.interval = Some((mean * 15 + passed) / 16),
                None => self.interval = Some(passed),
            }
        }
    }

    fn wants_key_frame(&mut self, now_us: u64) -> bool {
        let ask_every_us = ASK_EVERY.as_micros() as u64;
        let asked = self
            .asked_us
            .is_some_and(|at| now_us.saturating_sub(at) < ask_every_us);
        if (self.is_stuck(now_us) || self.shown.is_none()) && !asked {
            self.asked_us = Some(now_us);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_US: u64 = 40_000;

    fn packet(frame: u32, index: u16, packets: u16, key: bool) -> Tag {
        Tag {
            sender: 1,
            picture: true,
            key,
            index,
            packets,
            number: 0,
            frame,
            sent_us: u64::from(frame) * FRAME_US,
        }
    }

    /// Plays pictures at 25 a second, each of two packets, without those that `lost` names.
    fn play(frames: &mut Frames, numbers: std::ops::Range<u32>, lost: &[(u32, u16)]) -> u32 {
        let mut asked = 0;
        for frame in numbers {
            for index in 0..2 {
                if !lost.contains(&(frame, index)) {
                    let tag = packet(frame, index, 2, frame.is_multiple_of(50));
                    asked += u32::from(frames.packet(tag.sent_us + 30_000, &tag));
                }
            }
        }
        asked
    }

    #[test]
    fn whole_pictures_are_shown_without_a_freeze() {
        let mut frames = Frames::default();
        play(&mut frames, 0..100, &[]);
        assert_eq!((frames.count, frames.freezes), (100, 0));
    }

    #[test]
    fn a_picture_that_never_comes_freezes_until_the_next_key_frame() {
        let mut frames = Frames::default();
        let asked = play(&mut frames, 0..100, &[(30, 1)]);
        // 30 to 49 cannot be decoded without 30; 50 is a key frame.
        assert_eq!((frames.count, frames.freezes), (80, 1));
        assert_eq!(frames.frozen, Duration::from_micros(FRAME_US * 21));
        assert!((1..=4).contains(&asked), "{asked}");
    }

    #[test]
    fn a_packet_that_is_repaired_in_time_costs_nothing() {
        let mut frames = Frames::default();
        for frame in 0..60 {
            let tag = packet(frame, 0, 1, frame == 0);
            if frame != 30 {
                frames.packet(tag.sent_us + 30_000, &tag);
            }
            if frame == 34 {
                frames.packet(tag.sent_us + 30_000, &packet(30, 0, 1, false));
            }
        }
        assert_eq!((frames.count, frames.freezes), (60, 0));
    }
}
