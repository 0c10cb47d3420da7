//! Whether packets are lost because too many are sent.

use super::arrival::Slice;

/// Losses are looked at together of so long at least.
const WINDOW_US: u64 = 500_000;
/// And of so many packets at least.
const PACKETS: u32 = 100;
/// Unless so long went by.
const LONGEST_US: u64 = 1_000_000;
/// From this share on, in permille, a line has collapsed.
const COLLAPSED: u32 = 400;
/// And below this, in permille, it has not any more.
const RECOVERED: u32 = 250;
/// Losses count that are so much above those that do not depend on the rate, in permille.
const NOTABLE: u32 = 100;
/// Less than this, in permille, is not remembered as what is lost whatever is sent.
const NEGLIGIBLE: u32 = 20;
/// Below this rate nobody loses packets for sending too much, in bit/s: it is sound alone.
const SOUND_BPS: u64 = 130_000;

/// What follows from the losses of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Send no more than what arrives.
    Less,
    /// Hardly anything arrives.
    Collapsed,
    /// Sending less did not help: the estimate was right, which was this.
    Restore(u64),
    /// After heavy losses there are none any more.
    Over,
}

/// An estimate lowered to see whether less is lost then.
#[derive(Debug, Clone, Copy)]
struct Trial {
    before_bps: u64,
    sent_bps: u64,
    lost: u32,
}

/// The losses of a line.
#[derive(Debug, Default)]
pub(super) struct Losses {
    packets: u32,
    lost: u32,
    bytes: u64,
    us: u64,
    /// The share, in permille, that is lost whatever is sent.
    inherent: u32,
    trial: Option<Trial>,
    heavy: bool,
}

impl Losses {
    /// What was lost so far says nothing any more.
    pub(super) fn forget(&mut self) {
        self.packets = 0;
        self.lost = 0;
        self.bytes = 0;
        self.us = 0;
    }

    /// Whether it is tried to lose less, or too much is lost to look for more.
    pub(super) fn forbid_more(&self) -> bool {
        self.trial.is_some() || self.heavy
    }

    /// Takes in a slice; `estimate_bps` is what is estimated now.
    pub(super) fn judge(&mut self, slice: &Slice, estimate_bps: u64) -> Option<Verdict> {
        self.packets += slice.packets;
        self.lost += slice.lost;
        self.bytes += slice.bytes;
        self.us += slice.ended_us - slice.begun_us;
        if self.us < WINDOW_US || self.packets < PACKETS && self.us < LONGEST_US {
            return None;
        }
        let lost = (u64::from(self.lost) * 1_000 / u64::from(self.packets.max(1))) as u32;
        let sent_bps = super::rate::bps(self.bytes, self.us);
        self.forget();
        if lost >= COLLAPSED || self.heavy && lost >= RECOVERED {
            self.trial = None;
            self.heavy = true;
            return Some(Verdict::Collapsed);
        }
        if std::mem::take(&mut self.heavy) {
            return Some(Verdict::Over);
        }
        if let Some(trial) = self.trial {
            if lost * 10 < trial.lost * 7 {
                self.trial = None;
                return None;
            }
            if sent_bps * 10 > trial.sent_bps * 9 && sent_bps > SOUND_BPS {
                return Some(Verdict::Less);
            }
            self.trial = None;
            self.inherent = lost;
            return Some(Verdict::Restore(trial.before_bps));
        }
        if lost <= self.inherent + NOTABLE {
            let follows = (self.inherent * 3 + lost) / 4;
            self.inherent = if self.inherent < NEGLIGIBLE {
                0
            } else {
                follows
            };
            return None;
        }
        if sent_bps <= SOUND_BPS {
            return None;
        }
        self.trial = Some(Trial {
            before_bps: estimate_bps,
            sent_bps,
            lost,
        });
        Some(Verdict::Less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows from a second at this rate with losses of so many permille.
    fn second(losses: &mut Losses, sent_bps: u64, lost: u32, estimate_bps: u64) -> Vec<Verdict> {
        let slices = (0..10).filter_map(|index| {
            let slice = Slice {
                packets: 100,
                lost: lost / 10,
                bytes: sent_bps / 80,
                ..Slice::begin(index * 100_000).end((index + 1) * 100_000)
            };
            losses.judge(&slice, estimate_bps)
        });
        slices.collect()
    }

    #[test]
    fn losses_that_stay_when_less_is_sent_are_those_of_the_line() {
        let mut losses = Losses::default();
        let verdicts = second(&mut losses, 1_000_000, 200, 1_500_000);
        assert_eq!(verdicts[0], Verdict::Less);
        losses.forget();
        assert!(losses.forbid_more());
        let verdicts = second(&mut losses, 800_000, 200, 800_000);
        assert_eq!(verdicts, [Verdict::Restore(1_500_000)]);
        assert!(!losses.forbid_more());
        assert_eq!(second(&mut losses, 1_000_000, 250, 1_500_000), []);
        // Half as many again are another matter.
        assert_eq!(
            second(&mut losses, 1_000_000, 350, 1_500_000)[0],
            Verdict::Less
        );
    }

    #[test]
    fn losses_that_cease_when_less_is_sent_were_those_of_a_full_line() {
        let mut losses = Losses::default();
        assert_eq!(
            second(&mut losses, 1_000_000, 200, 1_500_000)[0],
            Verdict::Less
        );
        losses.forget();
        assert_eq!(second(&mut losses, 800_000, 0, 800_000), []);
        assert!(!losses.forbid_more());
        assert_eq!(
            second(&mut losses, 1_000_000, 200, 1_000_000)[0],
            Verdict::Less
        );
    }

    #[test]
    fn the_trial_goes_on_until_less_is_sent() {
        let mut losses = Losses::default();
        assert_eq!(
            second(&mut losses, 1_000_000, 200, 4_000_000)[0],
            Verdict::Less
        );
        losses.forget();
        assert_eq!(
            second(&mut losses, 1_000_000, 200, 2_000_000)[0],
            Verdict::Less
        );
        losses.forget();
        let verdicts = second(&mut losses, 700_000, 200, 1_000_000);
        assert_eq!(verdicts, [Verdict::Restore(4_000_000)]);
    }

    #[test]
    fn sound_alone_is_not_too_much() {
        let mut losses = Losses::default();
        assert_eq!(second(&mut losses, 100_000, 300, 4_000_000), []);
    }

    #[test]
    fn a_collapse_lasts_until_most_arrives() {
        let mut losses = Losses::default();
        assert_eq!(
            second(&mut losses, 100_000, 400, 4_000_000)[0],
            Verdict::Collapsed
        );
        assert!(losses.forbid_more());
        assert_eq!(
            second(&mut losses, 100_000, 300, 90_000)[0],
            Verdict::Collapsed
        );
        assert_eq!(second(&mut losses, 100_000, 100, 90_000), [Verdict::Over]);
        assert!(!losses.forbid_more());
    }
}
