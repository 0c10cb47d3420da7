//! From the media core's report about a line to what people see of it.

use otyrys_media::{Cause, Direction, DirectionReport, Grade, LineReport, LineSample, grade};
use otyrys_signaling::wire::{LineCause, LineDirection, LineGrade, LineQuality, Perceived};
use otyrys_storage::ids::ParticipantId;
use std::time::Duration;

/// With so much of the sound made up, of 1,000 parts, nothing comes: a sound that ends is stretched
/// for a few hundredths of a second first.
const SILENT_PERMILLE: u16 = 900;

/// What is told about a person's line. What their page perceived counts with the way to them.
pub(super) fn line_quality(
    participant: ParticipantId,
    report: &LineReport,
    perceived: Option<Perceived>,
) -> LineQuality {
    let up = grade(&report.sample(Direction::Up));
    let down = grade(&LineSample {
        freezes: perceived.map_or(0, |seen| seen.freezes.into()),
        silent: perceived
            .and_then(|heard| heard.concealed_permille)
            .is_some_and(|share| share >= SILENT_PERMILLE),
        ..report.sample(Direction::Down)
    });
    let (grade, cause) = if up.0 > down.0 { up } else { down };
    LineQuality {
        participant,
        grade: match grade {
            Grade::Good => LineGrade::Good,
            Grade::Fair => LineGrade::Fair,
            Grade::Poor => LineGrade::Poor,
        },
        cause: match cause {
            Cause::None => None,
            Cause::Silent => Some(LineCause::Silent),
            Cause::Bandwidth => Some(LineCause::Bandwidth),
            Cause::Loss => Some(LineCause::Loss),
            Cause::Delay => Some(LineCause::Delay),
            Cause::Jitter => Some(LineCause::Jitter),
            Cause::Freezes => Some(LineCause::Freezes),
        },
        round_trip_ms: report.round_trip.map(millis),
        up: direction(&report.up),
        down: direction(&report.down),
        estimate_kbps: report.estimate_bps.map(kilo),
        sound_only: report.sound_only,
        perceived,
        over_bitrate: saturate(report.over_bitrate),
    }
}

fn direction(report: &DirectionReport) -> LineDirection {
    LineDirection {
        bitrate_kbps: kilo(report.bitrate_bps),
        loss_permille: report.loss_permille,
        jitter_ms: report.jitter.map(millis),
        nacks: saturate(report.nacks),
        plis: saturate(report.plis),
    }
}

fn kilo(bps: u64) -> u32 {
    saturate(bps / 1_000)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

fn saturate(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(freezes: u16, concealed_permille: Option<u16>) -> (LineGrade, Option<LineCause>) {
        let good = DirectionReport {
            bitrate_bps: 1_000_000,
            loss_permille: Some(0),
            jitter: Some(Duration::from_millis(2)),
            ..DirectionReport::default()
        };
        let report = LineReport {
            session: otyrys_media::SessionId(1),
            round_trip: Some(Duration::from_millis(20)),
            up: good,
            down: good,
            estimate_bps: Some(3_000_000),
            wanted_bps: 1_000_000,
            over_bitrate: 0,
            sound_only: false,
            pictures: Vec::new(),
            sent: Vec::new(),
        };
        let perceived = Perceived {
            freezes,
            frozen_ms: 400 * u32::from(freezes),
            concealed_permille,
        };
        let quality = line_quality(ParticipantId::generate(), &report, Some(perceived));
        assert_eq!(quality.perceived, Some(perceived));
        (quality.grade, quality.cause)
    }

    #[test]
    fn what_a_page_saw_and_heard_is_graded_where_the_line_shows_nothing() {
        assert_eq!(quality(0, Some(10)), (LineGrade::Good, None));
        let freezes = Some(LineCause::Freezes);
        assert_eq!(quality(1, None), (LineGrade::Fair, freezes));
        assert_eq!(quality(2, None), (LineGrade::Poor, freezes));
        let silent = Some(LineCause::Silent);
        assert_eq!(quality(0, Some(950)), (LineGrade::Poor, silent));
    }
}
