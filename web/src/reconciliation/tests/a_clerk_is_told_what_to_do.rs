//! The report as people and programs get it.

use crate::{
    config::Config,
    reconciliation::{
        Words,
        facts::{BundleFacts, Course, DayFacts, HearingFacts, KeyFacts, Stretch},
        report,
    },
};
use jiff::{civil::date, tz::Offset};
use otyrys_signaling::{HearingState, Language, TrackRef, TrackSource};
use otyrys_storage::ids::{HearingId, ParticipantId};

fn a_day() -> DayFacts {
    let witness = ParticipantId::from_u128(2);
    let track = TrackRef {
        participant: witness,
        source: TrackSource::Microphone,
    };
    DayFacts {
        at: "2026-11-22T15:00:00Z".parse().unwrap(),
        hearings: vec![HearingFacts {
            id: HearingId::from_u128(1),
            case_number: "7514-26-00-1/3".to_owned(),
            courtroom: "Зал № 3".to_owned(),
            scheduled_at: "2026-11-22T05:00:00Z".parse().unwrap(),
            offset: Offset::constant(5),
            course: Ok(Course {
                state: HearingState::InSession,
                opened_at: Some("2026-11-22T05:02:00Z".parse().unwrap()),
                closed_at: None,
                on_record_ms: 65_000,
                faults: 1,
                expected: vec![Stretch {
                    track,
                    from_ms: 0,
                    to_ms: 65_000,
                    end_explained: false,
                }],
                drafted: Default::default(),
                names: [(witness, "Орлова М. С.".to_owned())].into(),
            }),
            files: Ok(Vec::new()),
            only_in_backup: Vec::new(),
            key: KeyFacts::There,
            bundle: BundleFacts::Missing,
            archived: false,
            lines: 0,
            delivery: None,
            failed_jobs: Vec::new(),
        }],
        strangers: vec!["record/x".to_owned()],
    }
}

#[test]
fn the_report_of_a_day_reads_alone() {
    let report = report(date(2026, 11, 22), &a_day(), &Config::default());
    for language in [Language::Kk, Language::Ru, Language::En] {
        let text = Words::of(language).report(&report);
        insta::assert_snapshot!(format!("the_end_of_the_day_{}", language.code()), text);
    }
}

#[test]
fn programs_get_ids_and_no_names() {
    let report = report(date(2026, 11, 22), &a_day(), &Config::default());
    insta::assert_json_snapshot!("the_end_of_the_day", report);
}
