//! When the pictures of one sender can be shown, and when they stand still.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a picture that lacks packets is waited for while later ones are there; then a key
/// frame must come. Browsers ask after about as long.
const PATIENCE: Duration = Duration::from_millis(200);
/// Least time between two requests for a key frame.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Pictures that may wait for an earlier one: 4 s.
const WAITING: usize = 100;
/// W3C webrtc-stats, `freezeCount`: a freeze is longer than three times the mean interval, and
/// than the mean interval and 150 ms.
const FREEZE: Duration = Duration::from_millis(150);

/// One sender's pictures.
#[derive(Debug, Default)]
pub(super) struct Frames {
    waiting: BTreeMap<u32, Assembly>,
    shown: Option<Shown>,
    /// Of those shown, smoothed.
    interval: Option<Duration>,
    stuck_since: Option<Instant>,
    asked: Option<Instant>,
    pub(super) count: u64,
    pub(super) freezes: u32,
    pub(super) frozen: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    frame: u32,
    at: Instant,
}

#[derive(Debug)]
struct Assembly {
    missing: u16,
    /// One bit for each packet that is there.
    there: u128,
    key: bool,
}

impl Frames {
    /// A packet of picture `frame` came, which has `packets` of them. Answers whether a key frame
    /// should be asked for.
    pub(super) fn packet(
        &mut self,
        now: Instant,
        frame: u32,
        index: u16,
        packets: u16,
        key: bool,
    ) -> bool {
        if self.shown.is_none_or(|shown| frame > shown.frame) && index < 128 {
            let assembly = self.waiting.entry(frame).or_insert(Assembly {
                missing: packets,
                there: 0,
                key,
            });
            if assembly.there & (1 << index) == 0 {
                assembly.there |= 1 << index;
                assembly.missing = assembly.missing.saturating_sub(1);
            }
        }
        self.show(now);
        while self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        self.wants_key_frame(now)
    }

    fn show(&mut self, now: Instant) {
        loop {
            let next = self.shown.and_then(|shown| {
                let next = shown.frame + 1;
                self.waiting.get(&next).filter(|f| f.missing == 0)?;
                Some(next)
            });
            let waited = self
                .stuck_since
                .is_some_and(|since| now.duration_since(since) > PATIENCE);
            let skip_to = || {
                let whole = |(_, f): &(&u32, &Assembly)| f.key && f.missing == 0;
                self.waiting.iter().find(whole).map(|(frame, _)| *frame)
            };
            let frame = match next {
                Some(next) => next,
                None if self.shown.is_none() || waited => match skip_to() {
                    Some(frame) => frame,
                    None => break,
                },
                None => break,
            };
            self.waiting = self.waiting.split_off(&(frame + 1));
            self.shown(now, frame);
        }
        let whole = self.waiting.values().any(|f| f.missing == 0);
        if !whole {
            self.stuck_since = None;
        } else if self.stuck_since.is_none() {
            self.stuck_since = Some(now);
        }
    }

    fn shown(&mut self, now: Instant, frame: u32) {
        self.count += 1;
        self.stuck_since = None;
        if let Some(last) = self.shown.replace(Shown { frame, at: now }) {
            let passed = now.duration_since(last.at);
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

    fn wants_key_frame(&mut self, now: Instant) -> bool {
        let stuck = self
            .stuck_since
            .is_some_and(|since| now.duration_since(since) > PATIENCE)
            || self.shown.is_none();
        let asked = self
            .asked
            .is_some_and(|at| now.duration_since(at) < ASK_EVERY);
        if stuck && !asked {
            self.asked = Some(now);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(40);

    /// Plays `frames` at 25 a second, each of two packets, without those that `lost` names.
    fn play(frames: &mut Frames, numbers: std::ops::Range<u32>, lost: &[(u32, u16)]) -> u32 {
        let start = Instant::now();
        let mut asked = 0;
        for frame in numbers {
            for index in 0..2 {
                if !lost.contains(&(frame, index)) {
                    let key = frame.is_multiple_of(50);
                    let now = start + FRAME * frame;
                    asked += u32::from(frames.packet(now, frame, index, 2, key));
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
        assert_eq!(frames.frozen, FRAME * 21);
        assert!((1..=3).contains(&asked), "{asked}");
    }

    #[test]
    fn a_packet_that_is_repaired_in_time_costs_nothing() {
        let mut frames = Frames::default();
        let start = Instant::now();
        for frame in 0..60_u32 {
            let now = start + FRAME * frame;
            if frame != 30 {
                frames.packet(now, frame, 0, 1, frame == 0);
            }
            if frame == 32 {
                frames.packet(now, 30, 0, 1, false);
            }
        }
        assert_eq!((frames.count, frames.freezes), (60, 0));
    }
}
