//! How good a line is: one judgement for the page, the operators' figures and the line test.

use std::time::Duration;

/// Most round trip between a participant and the server for [`Grade::Good`].
///
/// Two such lines meet in the server, so that mouth to ear takes one of these round trips, and
/// about 100 ms for framing, jitter buffer and devices: 250 ms. There the E-model of ITU-T G.107
/// still gives a rating above 80, "users satisfied" in ITU-T G.109.
const GOOD_ROUND_TRIP: Duration = Duration::from_millis(150);

/// Most round trip for [`Grade::Fair`]: 400 ms from mouth to ear, the limit of ITU-T G.114 for
/// network planning. Beyond it people speak into each other's words.
const FAIR_ROUND_TRIP: Duration = Duration::from_millis(300);

/// Most loss, as a share of 1, for [`Grade::Good`], counted on the line before any repair. 2 % is
/// what the makers of conference programs ask of a line (Zoom, Teams' own media reports).
const GOOD_LOSS: f32 = 0.02;

/// Most loss for [`Grade::Fair`]: above 10 % Microsoft's Call Quality Dashboard counts a stream as
/// poor. Sound outlives more (Opus in-band FEC, RED), the picture does not.
const FAIR_LOSS: f32 = 0.10;

/// Most interarrival jitter (RFC 3550, section 6.4.1) for [`Grade::Good`]: above 30 ms Microsoft's
/// Call Quality Dashboard counts a stream as poor, because the jitter buffer then costs as much as
/// the way itself.
const GOOD_JITTER: Duration = Duration::from_millis(30);

/// Most jitter for [`Grade::Fair`]: what Vidyo's published table calls workable. Beyond it the
/// jitter buffer alone takes what ITU-T G.114 allows for everything.
const FAIR_JITTER: Duration = Duration::from_millis(100);

/// Least share of the wanted bitrate for [`Grade::Good`]: bitrates swing by a fifth around their
/// target with what the camera sees.
const GOOD_BITRATE_SHARE: f64 = 0.8;

/// Least share of the wanted bitrate for [`Grade::Fair`]: with a third, the picture is one layer
/// smaller than wanted (each layer has about a third of the bits of the next larger one); with
/// less, two.
const FAIR_BITRATE_SHARE: f64 = 1.0 / 3.0;

/// Most freezes in an interval for [`Grade::Fair`]; none is good. One may be a key frame that was
/// late, two in one interval are a picture that people look away from.
const FAIR_FREEZES: u32 = 1;

/// What one direction of one participant's line looked like in an interval of about 2 s.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LineSample {
    /// Share of packets lost on the way, 0 to 1, before any repair. `None`: not known.
    pub loss: Option<f32>,
    /// To the server and back. `None`: not known.
    pub round_trip: Option<Duration>,
    /// Interarrival jitter (RFC 3550, section 6.4.1), the worst stream's. `None`: not known.
    pub jitter: Option<Duration>,
    /// What went over the line, in bits a second of payload.
    pub bitrate_bps: u64,
    /// What would have gone over an unlimited line. `None`: not known, or nothing was held back.
    pub wanted_bps: Option<u64>,
    /// Freezes of the pictures (W3C webrtc-stats, `freezeCount`) in the interval.
    pub freezes: u32,
    /// Whether nothing came although something should have.
    pub silent: bool,
}

/// How a line will be felt by those who speak over it. The later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Nobody notices the line.
    Good,
    /// People notice it and can go on with the hearing.
    Fair,
    /// Words or pictures are missing, or people speak into each other's words.
    Poor,
}

/// What most likely makes a line worse than good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing: the line is good.
    None,
    /// Nothing comes at all: a cut line, or a device that sends nothing.
    Silent,
    /// The line carries less than is wanted.
    Bandwidth,
    /// Packets are lost.
    Loss,
    /// Packets take too long.
    Delay,
    /// Packets come unevenly.
    Jitter,
    /// The picture stands still although none of the above is bad: most likely the sender's
    /// computer is too slow.
    Freezes,
}

/// Grades a sample by its worst figure, and names that figure.
///
/// When several are equally bad, the earlier one in [`Cause`]'s order is named: a full line also
/// loses, delays and scatters packets, so that bandwidth explains the others and not the other
/// way round.
#[must_use]
pub fn grade(sample: &LineSample) -> (Grade, Cause) {
    if sample.silent {
        return (Grade::Poor, Cause::Silent);
    }
    let figures = [
        (
            sample
                .wanted_bps
                .filter(|wanted| *wanted > 0)
                .map(|wanted| {
                    let share = sample.bitrate_bps as f64 / wanted as f64;
                    at_most(-share, -GOOD_BITRATE_SHARE, -FAIR_BITRATE_SHARE)
                }),
            Cause::Bandwidth,
        ),
        (
            sample.loss.map(|loss| at_most(loss, GOOD_LOSS, FAIR_LOSS)),
            Cause::Loss,
        ),
        (
            sample
                .round_trip
                .map(|time| at_most(time, GOOD_ROUND_TRIP, FAIR_ROUND_TRIP)),
            Cause::Delay,
        ),
        (
            sample
                .jitter
                .map(|jitter| at_most(jitter, GOOD_JITTER, FAIR_JITTER)),
            Cause::Jitter,
        ),
        (
            Some(at_most(sample.freezes, 0, FAIR_FREEZES)),
            Cause::Freezes,
        ),
    ];
    let mut worst = (Grade::Good, Cause::None);
    for (grade, cause) in figures {
        if let Some(grade) = grade
            && grade > worst.0
        {
            worst = (grade, cause);
        }
    }
    // A picture that stands still has a reason: the line's, where the line has one.
    if worst.1 == Cause::Freezes
        && let Some((_, cause)) = figures
            .into_iter()
            .find(|(grade, _)| grade.is_some_and(|grade| grade > Grade::Good))
    {
        worst.1 = cause;
    }
    worst
}

/// Good up to `good`, fair up to `fair`, poor beyond and for what cannot be compared (NaN).
fn at_most<T: PartialOrd>(figure: T, good: T, fair: T) -> Grade {
    if figure <= good {
        Grade::Good
    } else if figure <= fair {
        Grade::Fair
    } else {
        Grade::Poor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Option<Duration> {
        Some(Duration::from_millis(milliseconds))
    }

    fn good_line() -> LineSample {
        LineSample {
            loss: Some(0.0),
            round_trip: ms(20),
            jitter: ms(2),
            bitrate_bps: 1_200_000,
            wanted_bps: Some(1_250_000),
            freezes: 0,
            silent: false,
        }
    }

    fn check(sample: LineSample, grade_expected: Grade, cause_expected: Cause) {
        assert_eq!(
            grade(&sample),
            (grade_expected, cause_expected),
            "{sample:?}"
        );
    }

    #[test]
    fn a_line_without_fault_is_good() {
        check(good_line(), Grade::Good, Cause::None);
        check(LineSample::default(), Grade::Good, Cause::None);
    }

    #[test]
    fn every_figure_has_its_two_limits() {
        let line = good_line;
        for (sample, grade, cause) in [
            (
                LineSample {
                    loss: Some(0.02),
                    ..line()
                },
                Grade::Good,
                Cause::None,
            ),
            (
                LineSample {
                    loss: Some(0.021),
                    ..line()
                },
                Grade::Fair,
                Cause::Loss,
            ),
            (
                LineSample {
                    loss: Some(0.101),
                    ..line()
                },
                Grade::Poor,
                Cause::Loss,
            ),
            (
                LineSample {
                    round_trip: ms(150),
                    ..line()
                },
                Grade::Good,
                Cause::None,
            ),
            (
                LineSample {
                    round_trip: ms(151),
                    ..line()
                },
                Grade::Fair,
                Cause::Delay,
            ),
            (
                LineSample {
                    round_trip: ms(301),
                    ..line()
                },
                Grade::Poor,
                Cause::Delay,
            ),
            (
                LineSample {
                    jitter: ms(30),
                    ..line()
                },
                Grade::Good,
                Cause::None,
            ),
            (
                LineSample {
                    jitter: ms(31),
                    ..line()
                },
                Grade::Fair,
                Cause::Jitter,
            ),
            (
                LineSample {
                    jitter: ms(101),
                    ..line()
                },
                Grade::Poor,
                Cause::Jitter,
            ),
            (
                LineSample {
                    bitrate_bps: 1_000_000,
                    ..line()
                },
                Grade::Good,
                Cause::None,
            ),
            (
                LineSample {
                    bitrate_bps: 999_999,
                    ..line()
                },
                Grade::Fair,
                Cause::Bandwidth,
            ),
            (
                LineSample {
                    bitrate_bps: 400_000,
                    ..line()
                },
                Grade::Poor,
                Cause::Bandwidth,
            ),
            (
                LineSample {
                    freezes: 1,
                    ..line()
                },
                Grade::Fair,
                Cause::Freezes,
            ),
            (
                LineSample {
                    freezes: 2,
                    ..line()
                },
                Grade::Poor,
                Cause::Freezes,
            ),
        ] {
            check(sample, grade, cause);
        }
    }

    #[test]
    fn silence_outweighs_everything() {
        check(
            LineSample {
                silent: true,
                loss: Some(1.0),
                ..good_line()
            },
            Grade::Poor,
            Cause::Silent,
        );
    }

    #[test]
    fn a_full_line_is_named_before_what_follows_from_it() {
        check(
            LineSample {
                bitrate_bps: 300_000,
                loss: Some(0.2),
                round_trip: ms(900),
                ..good_line()
            },
            Grade::Poor,
            Cause::Bandwidth,
        );
    }

    #[test]
    fn freezes_are_explained_by_the_line_where_it_is_to_blame() {
        check(
            LineSample {
                freezes: 3,
                loss: Some(0.05),
                ..good_line()
            },
            Grade::Poor,
            Cause::Loss,
        );
    }

    #[test]
    fn nonsense_is_poor_and_no_wish_is_no_fault() {
        check(
            LineSample {
                loss: Some(f32::NAN),
                ..good_line()
            },
            Grade::Poor,
            Cause::Loss,
        );
        check(
            LineSample {
                wanted_bps: Some(0),
                bitrate_bps: 0,
                ..good_line()
            },
            Grade::Good,
            Cause::None,
        );
    }

    /// Rating R of the E-model (ITU-T G.107, section 3.5) with default values, a codec without
    /// impairment and this absolute delay.
    fn e_model_rating(mouth_to_ear: Duration) -> f64 {
        let x = (mouth_to_ear.as_secs_f64() * 10.0).log2();
        let root = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
        93.2 - 25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
    }

    #[test]
    fn the_limits_of_delay_are_those_of_the_e_model() {
        let devices = Duration::from_millis(100);
        let good = e_model_rating(GOOD_ROUND_TRIP + devices);
        let fair = e_model_rating(FAIR_ROUND_TRIP + devices);
        // ITU-T G.109: above 80 users are satisfied; G.114 ends at 400 ms.
        assert!((80.0..90.0).contains(&good), "{good}");
        assert!((65.0..75.0).contains(&fair), "{fair}");
        assert_eq!(FAIR_ROUND_TRIP + devices, Duration::from_millis(400));
    }
}
