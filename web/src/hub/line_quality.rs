//! From the media core's report about a line to what people see of it.

use otyrys_media::{Cause, Direction, DirectionReport, Grade, LineReport, grade};
use otyrys_signaling::wire::{LineCause, LineDirection, LineGrade, LineQuality};
use otyrys_storage::ids::ParticipantId;
use std::time::Duration;

/// What is told about a person's line.
pub(super) fn line_quality(participant: ParticipantId, report: &LineReport) -> LineQuality {
    let up = grade(&report.sample(Direction::Up));
    let down = grade(&report.sample(Direction::Down));
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
