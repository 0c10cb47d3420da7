//! Puts RTP times onto the record clock. Sans-IO.
//!
//! A packet's place on the record is its RTP time plus an offset. The offset is the least
//! `arrival - RTP time` seen, since the packet that travelled fastest tells best when things
//! were captured (delay only ever adds). Where the sender is silent or packets are lost, RTP
//! time goes on, so the gap keeps its length in the file.
//!
//! The offset moves in three ways only:
//! - It is *set* while settling: for [`SETTLE`] after the first packet, after the sender
//!   began a new numbering, and after a pause: by what crystals may have drifted meanwhile, or,
//!   where RTP time and arrival disagree (a sender whose RTP clock stood still while it was
//!   muted), altogether. Nothing is written meanwhile.
//! - It *follows* the least delay of the last [`WINDOW`] seconds by at most [`SLEW_PPM`]:
//!   crystals differ by up to 100 ppm, 36 ms in a six-minute testimony, 360 ms in an hour.
//! - It *jumps* when it has been wrong by more than [`JUMP`]: the sender's RTP clock jumped.
//!
//! Pictures are beside that shifted to where the same sender's sound says that they were taken
//! ([`SenderClock`]): encoding and pacing delay them more than sound.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::SenderClock;
use crate::{SenderReport, TrackKind};

/// How long packets are only watched before the offset is set.
const SETTLE: Duration = Duration::from_millis(150);
/// Errors of the offset above it are not drift but a jump. Above the delay spikes of Wi-Fi
/// and cellular links, below what is heard as out of step with another track for long.
const JUMP: i64 = 500_000_000;
/// Silence of the network after which the offset is looked at anew.
const PAUSE: Duration = Duration::from_secs(1);
/// Seconds over which the least delay is taken.
const WINDOW: usize = 10;
/// Ten times the worst crystals; 1 ms in a second is not heard.
const SLEW_PPM: i64 = 1_000;
/// Pictures may be shifted by a tenth of the time that passes: it is not seen.
const SHIFT_PPM: i64 = 100_000;
/// Reports that put a picture farther from its arrival are not believed.
const BELIEVED: RangeInclusive<i64> = -1_000_000_000..=1_000_000_000;

/// All times inside are nanoseconds since the zero of the record clock.
#[derive(Debug)]
pub(super) struct Timeline {
    epoch: Instant,
    clock_rate_hz: u32,
    kind: TrackKind,
    clock: SenderClock,
    anchor: Option<Anchor>,
    /// Of pictures, against what their arrival says.
    shift: i64,
    /// No time before it is given out: time in the file never runs backwards.
    floor: i64,
}

#[derive(Debug)]
struct Anchor {
    rtp_time: u64,
    /// Record time of `rtp_time`.
    offset: i64,
    settling: Option<Settling>,
    last_arrival: i64,
    /// The least offset of each of the last seconds, oldest first.
    window: VecDeque<Second>,
}

#[derive(Debug)]
struct Settling {
    until: i64,
    least: i64,
    /// How far the offset may move, unless it is wrong by a jump.
    drift: i64,
}

#[derive(Debug)]
struct Second {
    begins: i64,
    least: i64,
}

impl Timeline {
    /// A timeline whose zero is `epoch`; RTP times count `clock_rate_hz` ticks in a second.
    pub(super) fn new(
        epoch: Instant,
        clock_rate_hz: u32,
        kind: TrackKind,
        clock: SenderClock,
    ) -> Self {
        Self {
            epoch,
            clock_rate_hz: clock_rate_hz.max(1),
            kind,
            clock,
            anchor: None,
            shift: 0,
            floor: 0,
        }
    }

    /// The sender starts to count anew: the next packet's arrival anchors it again.
    pub(super) fn restart(&mut self) {
        self.anchor = None;
    }

    /// Sees every packet when it arrives, in whatever order, with the sender's last report.
    pub(super) fn observe(
        &mut self,
        rtp_time: u64,
        arrival: Instant,
        report: Option<SenderReport>,
    ) {
        let arrival = self.record_nanos(arrival);
        let rate = self.clock_rate_hz;
        let anchor = self.anchor.get_or_insert_with(|| Anchor {
            rtp_time,
            offset: arrival,
            settling: Some(Settling {
                until: arrival.saturating_add(nanos(SETTLE)),
                least: arrival,
                drift: i64::MAX,
            }),
            last_arrival: arrival,
            window: VecDeque::with_capacity(WINDOW + 1),
        });
        let passed = arrival.saturating_sub(anchor.last_arrival).max(0);
        anchor.observe(anchor.sample(rtp_time, arrival, rate), arrival, passed);
        let Some(report) = report else {
            return;
        };
        let of_report = anchor.elapsed(near(rtp_time, report.timestamp), rate);
        let placed = anchor.offset.saturating_add(of_report);
        match self.kind {
            TrackKind::Audio if anchor.settling.is_none() => self.clock.tell(report.ntp, placed),
            TrackKind::Audio => {}
            TrackKind::Video => {
                let shift = self
                    .clock
                    .record_time(report.ntp)
                    .map(|at| at.saturating_sub(placed));
                if let Some(shift) = shift.filter(|shift| BELIEVED.contains(shift)) {
                    let step = passed / (1_000_000 / SHIFT_PPM);
                    self.shift += (shift - self.shift).clamp(-step, step);
                }
            }
        }
    }

    /// Whether nothing may be placed yet.
    pub(super) fn is_settling(&mut self, now: Instant) -> bool {
        let now = self.record_nanos(now);
        let Some(anchor) = &mut self.anchor else {
            return false;
        };
        match &anchor.settling {
            Some(settling) if now < settling.until => true,
            Some(_) => {
                anchor.settle();
                false
            }
            None => false,
        }
    }

    /// Ends settling at once, for want of time.
    pub(super) fn settle_now(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            anchor.settle();
        }
    }

    /// Whether a packet is from before the zero of the record clock: a burst that the network held
    /// back may come after it.
    pub(super) fn is_before_zero(&self, rtp_time: u64) -> bool {
        self.anchor
            .as_ref()
            .is_some_and(|anchor| self.shifted(anchor, rtp_time) < 0)
    }

    /// Time since the zero of the record clock; never less than what was given before.
    pub(super) fn place(&mut self, rtp_time: u64) -> Duration {
        if let Some(anchor) = &self.anchor {
            self.floor = self.floor.max(self.shifted(anchor, rtp_time));
        }
        Duration::from_nanos(self.floor.unsigned_abs())
    }

    fn shifted(&self, anchor: &Anchor, rtp_time: u64) -> i64 {
        let elapsed = anchor.elapsed(rtp_time, self.clock_rate_hz);
        let placed = anchor.offset.saturating_add(elapsed);
        placed.saturating_add(self.shift)
    }

    fn record_nanos(&self, at: Instant) -> i64 {
        match at.checked_duration_since(self.epoch) {
            Some(after) => nanos(after),
            None => -nanos(self.epoch.saturating_duration_since(at)),
        }
    }
}

impl Anchor {
    /// Nanoseconds from the anchor to `rtp_time`, negative before it.
    fn elapsed(&self, rtp_time: u64, clock_rate_hz: u32) -> i64 {
        let ticks = i128::from(rtp_time) - i128::from(self.rtp_time);
        let elapsed = ticks * 1_000_000_000 / i128::from(clock_rate_hz);
        // A century: beyond it only a forged packet lies, and sums stay within i64.
        elapsed.clamp(-(1 << 61), 1 << 61) as i64
    }

    /// The offset that one packet alone would give.
    fn sample(&self, rtp_time: u64, arrival: i64, clock_rate_hz: u32) -> i64 {
        arrival.saturating_sub(self.elapsed(rtp_time, clock_rate_hz))
    }

    /// `passed`: since the last arrival.
    fn observe(&mut self, sample: i64, arrival: i64, passed: i64) {
        self.last_arrival = self.last_arrival.max(arrival);
        if let Some(settling) = &mut self.settling {
            settling.least = settling.least.min(sample);
            return;
        }
        if passed >= nanos(PAUSE) {
            // A burst that the network held back, which the next packets will show, a clock that
            // stood still or one that has drifted unseen.
            self.settling = Some(Settling {
                until: arrival.saturating_add(nanos(SETTLE)),
                least: sample,
                drift: slew(passed),
            });
            self.window.clear();
            return;
        }
        self.remember(sample, arrival);
        self.follow(sample, passed);
    }

    fn remember(&mut self, sample: i64, arrival: i64) {
        match self.window.back_mut() {
            Some(second) if arrival.saturating_sub(second.begins) < 1_000_000_000 => {
                second.least = second.least.min(sample);
            }
            _ => {
                self.window.push_back(Second {
                    begins: arrival,
                    least: sample,
                });
                if self.window.len() > WINDOW {
                    self.window.pop_front();
                }
            }
        }
    }

    fn follow(&mut self, sample: i64, passed: i64) {
        if self.offset.saturating_sub(sample) > JUMP {
            self.jump(sample);
            return;
        }
        let recent = self.window.iter().rev().take(3).map(|s| s.least).min();
        if let (Some(recent), true) = (recent, self.window.len() >= 3)
            && recent.saturating_sub(self.offset) > JUMP
        {
            self.jump(recent);
            return;
        }
        let Some(least) = self.window.iter().map(|second| second.least).min() else {
            return;
        };
        let error = least.saturating_sub(self.offset);
        if error > 0 && self.window.len() < WINDOW {
            return;
        }
        let step = slew(passed);
        self.offset = self.offset.saturating_add(error.clamp(-step, step));
    }

    fn jump(&mut self, offset: i64) {
        self.offset = offset;
        self.window.clear();
    }

    fn settle(&mut self) {
        if let Some(Settling { least, drift, .. }) = self.settling.take() {
            let error = least.saturating_sub(self.offset);
            self.offset = match (-JUMP..=JUMP).contains(&error) {
                true => self.offset.saturating_add(error.clamp(-drift, drift)),
                false => least,
            };
        }
    }
}

/// By how much the offset may move in so many nanoseconds.
fn slew(passed: i64) -> i64 {
    passed / (1_000_000 / SLEW_PPM)
}

/// The extended RTP time that is nearest to `rtp_time`, of one that is not extended.
fn near(rtp_time: u64, timestamp: u32) -> u64 {
    let ahead = timestamp.wrapping_sub(rtp_time as u32) as i32;
    rtp_time.wrapping_add_signed(i64::from(ahead))
}

pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn sound(epoch: Instant, clock_rate_hz: u32) -> Timeline {
        Timeline::new(
            epoch,
            clock_rate_hz,
            TrackKind::Audio,
            SenderClock::default(),
        )
    }

    /// Sends a packet each 20 ms; `delay_ms` and `rtp` say how packet `n` travels and counts.
    fn play(
        packets: std::ops::Range<u64>,
        timeline: &mut Timeline,
        epoch: Instant,
        delay_ms: impl Fn(u64) -> u64,
        rtp: impl Fn(u64) -> u64,
    ) -> Vec<(u64, Duration)> {
        let mut placed = Vec::new();
        let mut waiting = Vec::new();
        for n in packets {
            let arrival = epoch + Duration::from_millis(n * 20 + delay_ms(n));
            timeline.observe(rtp(n), arrival, None);
            waiting.push(n);
            if !timeline.is_settling(arrival) {
                for n in waiting.drain(..) {
                    placed.push((n, timeline.place(rtp(n))));
                }
            }
        }
        placed
    }

    fn millis_off(placed: &[(u64, Duration)]) -> Vec<i64> {
        placed
            .iter()
            .map(|(n, at)| at.as_millis() as i64 - (*n as i64) * 20)
            .collect()
    }

    #[test]
    fn the_fastest_packet_sets_the_time_and_jitter_does_not_move_it() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        let placed = play(
            0..500,
            &mut timeline,
            epoch,
            |n| 10 + n * 7 % 80,
            |n| n * 960,
        );
        assert!(
            millis_off(&placed)
                .iter()
                .all(|off| (10..=18).contains(off))
        );
    }

    #[test]
    fn after_three_hours_two_clocks_that_run_apart_are_together() {
        let epoch = Instant::now();
        let (mut slow, mut fast) = (sound(epoch, RATE), sound(epoch, RATE));
        let delay = |n| n * 7 % 40;
        // 200 ppm each: 4.3 s in the end.
        let three_hours = 0..540_000;
        let slow = play(three_hours.clone(), &mut slow, epoch, delay, |n| {
            n * 960 - n * 960 / 5_000
        });
        let fast = play(three_hours, &mut fast, epoch, delay, |n| {
            n * 960 + n * 960 / 5_000
        });
        let both = millis_off(&slow).into_iter().chain(millis_off(&fast));
        assert_eq!(both.filter(|off| off.abs() > 20).count(), 0);
    }

    #[test]
    fn an_hour_of_silence_in_which_a_clock_drifted_is_an_hour() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        // 360 ms: too little for a jump.
        let drifting = |n: u64| n * 960 - n * 960 / 10_000;
        play(0..1_000, &mut timeline, epoch, |_| 0, drifting);
        let placed = play(180_000..181_000, &mut timeline, epoch, |_| 0, drifting);
        assert!(millis_off(&placed).iter().all(|off| off.abs() <= 5));
    }

    #[test]
    fn pictures_stand_where_their_sender_says_that_they_were_taken() {
        let epoch = Instant::now();
        let clock = SenderClock::default();
        let mut heard = Timeline::new(epoch, RATE, TrackKind::Audio, clock.clone());
        let mut seen = Timeline::new(epoch, 90_000, TrackKind::Video, clock);
        let ntp = |ms: u64| Duration::from_millis(1_800_000_000_000 + ms);
        let mut worst = 0;
        for n in 0..500_u64 {
            // Sound travels 30 ms, a picture is encoded for 180 ms before.
            let (taken, sound, picture) = (n * 20, n * 960, n * 1_800 + 77);
            let at = |delay| epoch + Duration::from_millis(taken + delay);
            let report = |timestamp: u64| {
                (n > 50).then_some(SenderReport {
                    ntp: ntp(taken),
                    timestamp: timestamp as u32,
                })
            };
            heard.observe(sound, at(30), report(sound));
            seen.observe(picture, at(210), report(picture));
            let settling = heard.is_settling(at(30)) || seen.is_settling(at(210));
            if n > 200 {
                assert!(!settling);
                let apart = seen.place(picture).abs_diff(heard.place(sound));
                worst = worst.max(apart.as_millis());
            }
        }
        assert!(worst <= 2, "{worst} ms");
    }

    #[test]
    fn a_report_that_cannot_be_true_moves_no_picture() {
        let epoch = Instant::now();
        let clock = SenderClock::default();
        let mut seen = Timeline::new(epoch, 90_000, TrackKind::Video, clock.clone());
        clock.tell(Duration::from_secs(1), nanos(Duration::from_secs(5)));
        for n in 0..100_u64 {
            let report = SenderReport {
                ntp: Duration::from_secs(n * n * 1_000),
                timestamp: 7,
            };
            let arrival = epoch + Duration::from_millis(n * 40);
            seen.observe(n * 3_600, arrival, Some(report));
        }
        assert_eq!(seen.place(99 * 3_600), Duration::from_millis(99 * 40));
    }

    #[test]
    fn a_held_back_burst_of_the_network_changes_nothing() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        let held = |n: u64| {
            if (100..200).contains(&n) {
                (200 - n) * 20
            } else {
                0
            }
        };
        let placed = play(0..400, &mut timeline, epoch, held, |n| n * 960);
        assert!(millis_off(&placed).iter().all(|off| off.abs() <= 5));
    }

    #[test]
    fn an_rtp_clock_that_stood_still_during_a_pause_is_placed_by_arrival() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        play(0..100, &mut timeline, epoch, |_| 0, |n| n * 960);
        let placed = play(250..400, &mut timeline, epoch, |_| 0, |n| (n - 150) * 960);
        assert!(millis_off(&placed).iter().all(|off| off.abs() <= 5));
    }

    #[test]
    fn an_rtp_clock_that_jumps_ahead_is_placed_by_arrival() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        let placed = play(
            0..300,
            &mut timeline,
            epoch,
            |_| 0,
            |n| {
                if n < 100 {
                    n * 960
                } else {
                    n * 960 + 48_000_000
                }
            },
        );
        assert!(millis_off(&placed).iter().all(|off| off.abs() <= 5));
    }

    #[test]
    fn time_never_runs_backwards() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, RATE);
        let placed = play(
            0..2_000,
            &mut timeline,
            epoch,
            |n| n * n % 300,
            |n| (n * 960).wrapping_add(n.wrapping_mul(0x9e37_79b9) % 50_000),
        );
        assert!(placed.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }

    #[test]
    fn times_from_a_forger_do_not_panic() {
        let epoch = Instant::now();
        let mut timeline = sound(epoch, 0);
        for (n, rtp) in [0, u64::MAX, 1, u64::MAX / 2, 7].into_iter().enumerate() {
            timeline.observe(rtp, epoch + Duration::from_secs(n as u64), None);
            timeline.settle_now();
            timeline.place(rtp);
        }
    }
}
