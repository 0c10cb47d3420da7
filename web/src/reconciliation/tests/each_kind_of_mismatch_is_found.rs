//! Facts in, mismatches out.

use crate::reconciliation::{
    facts::{BackupFacts, BundleFacts, Course, FileFacts, HearingFacts, KeyFacts, Stretch},
    mismatch::{Kind, Mismatch},
    rules::judge,
};
use jiff::{Timestamp, tz::Offset};
use otyrys_signaling::{HearingState, TrackRef, TrackSource};
use otyrys_storage::{
    Delivery, DeliveryState,
    ids::{HearingId, ParticipantId, SegmentId},
};
use serde_json::json;

/// Minutes after the hearing was to begin.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
}

const LOOKED_AT_MINUTES: i64 = 300;

/// A hearing of ten minutes on record that was closed after an hour, of which everything is there.
fn whole() -> HearingFacts {
    let track = TrackRef {
        participant: ParticipantId::generate(),
        source: TrackSource::Microphone,
    };
    let segment = SegmentId::generate();
    let documents = ["protocol.html", "protocol.docx", "protocol.json"];
    HearingFacts {
        id: HearingId::generate(),
        case_number: "1".to_owned(),
        courtroom: String::new(),
        scheduled_at: at(0),
        offset: Offset::constant(5),
        course: Ok(Course {
            state: HearingState::Closed,
            opened_at: Some(at(2)),
            closed_at: Some(at(60)),
            on_record_ms: 600_000,
            faults: 0,
            expected: vec![Stretch {
                track,
                from_ms: 0,
                to_ms: 600_000,
                end_explained: false,
            }],
            drafted: [segment].into(),
            names: Default::default(),
        }),
        files: Ok(vec![FileFacts {
            segment,
            track,
            holds: vec![(400, 599_000)],
            ended: true,
            sealed: true,
            damage: Vec::new(),
        }]),
        only_in_backup: Vec::new(),
        key: KeyFacts::There,
        bundle: BundleFacts::Holds(documents.map(str::to_owned).into()),
        archived: true,
        lines: 3,
        delivery: Some(Delivery {
            idempotency_key: "1".to_owned(),
            state: DeliveryState::Acknowledged { receipt: json!({}) },
            changed_at: at(70),
        }),
        failed_jobs: Vec::new(),
    }
}

fn judged(facts: &HearingFacts) -> Vec<Mismatch> {
    judge(facts, at(LOOKED_AT_MINUTES), true)
}

#[test]
fn a_hearing_of_which_everything_is_there_matches() {
    assert_eq!(judged(&whole()), []);
}

type Change = fn(&mut HearingFacts);

fn course(facts: &mut HearingFacts) -> &mut Course {
    facts.course.as_mut().unwrap()
}

fn files(facts: &mut HearingFacts) -> &mut Vec<FileFacts> {
    facts.files.as_mut().unwrap()
}

#[test]
fn each_thing_that_is_missing_or_wrong_is_named_and_nothing_else() {
    let cases: &[(&[Kind], Change)] = &[
        (&[Kind::NotOpened], |h| {
            *course(h) = Course {
                state: HearingState::Scheduled,
                opened_at: None,
                closed_at: None,
                expected: Vec::new(),
                ..course(h).clone()
            };
            files(h).clear();
        }),
        (&[Kind::NotClosed], |h| {
            course(h).state = HearingState::Recess;
            course(h).closed_at = None;
        }),
        (&[Kind::NotRecorded], |h| {
            course(h).on_record_ms = 0;
            course(h).expected.clear();
        }),
        (&[Kind::TrackMissing], |h| files(h).clear()),
        (&[Kind::RecordGap], |h| {
            files(h)[0].holds = vec![(400, 580_000)]
        }),
        (&[Kind::RecordGap; 2], |h| {
            files(h)[0].holds = vec![(20_000, 100_000), (120_000, 600_000)];
        }),
        (&[], |h| {
            files(h)[0].holds = vec![(0, 100_000), (110_000, 600_000)]
        }),
        (&[], |h| {
            files(h)[0].holds = vec![(0, 300_000)];
            course(h).expected[0].end_explained = true;
        }),
        (&[Kind::TrackMissing], |h| {
            files(h).clear();
            course(h).expected[0].end_explained = true;
        }),
        (&[Kind::FileOpen], |h| files(h)[0].ended = false),
        (&[Kind::RecordDamaged], |h| h.files = Err("x".to_owned())),
        (&[Kind::PiecesDamaged; 2], |h| {
            files(h)[0].damage = vec![(600, 1_200), (60_000, 90_000)];
        }),
        (&[Kind::OnlyInBackup], |h| {
            let file = files(h)[0].clone();
            h.only_in_backup = vec![BackupFacts {
                segment: SegmentId::generate(),
                track: file.track,
                from_ms: 0,
                to_ms: 600_000,
                sealed_as: None,
            }];
        }),
        (&[Kind::LogDamaged], |h| h.course = Err("x".to_owned())),
        (&[Kind::KeyLost], |h| h.key = KeyFacts::Lost("x".to_owned())),
        (&[Kind::NotSealed], |h| h.bundle = BundleFacts::Missing),
        (&[Kind::BundleDamaged], |h| {
            h.bundle = BundleFacts::Broken("x".to_owned());
        }),
        (&[Kind::FileNotSealed], |h| files(h)[0].sealed = false),
        (&[Kind::DocumentMissing; 2], |h| {
            h.bundle = BundleFacts::Holds(["protocol.json".to_owned()].into());
        }),
        (&[Kind::NotArchived], |h| h.archived = false),
        (&[Kind::NotDrafted], |h| course(h).drafted.clear()),
        (&[Kind::NotDelivered], |h| h.delivery = None),
        (&[Kind::NotDelivered], |h| {
            h.delivery.as_mut().unwrap().state = DeliveryState::Sent;
        }),
        (&[Kind::Rejected], |h| {
            let reason = "x".to_owned();
            h.delivery.as_mut().unwrap().state = DeliveryState::Rejected { reason };
        }),
        (&[Kind::JobFailed], |h| {
            h.failed_jobs = vec![("attach".to_owned(), "x".to_owned())];
        }),
    ];
    let mut named = Vec::new();
    for (place, (expected, change)) in cases.iter().enumerate() {
        let mut facts = whole();
        change(&mut facts);
        let found: Vec<Kind> = judged(&facts).iter().map(|found| found.kind).collect();
        assert_eq!(found, *expected, "case {place}");
        named.extend(found);
    }
    let unnamed = Kind::ALL.into_iter().filter(|kind| !named.contains(kind));
    // It belongs to no hearing.
    assert_eq!(unnamed.collect::<Vec<_>>(), [Kind::UnknownFolder]);
}

#[test]
fn what_is_still_on_its_way_is_no_mismatch() {
    let mut facts = whole();
    facts.bundle = BundleFacts::Missing;
    facts.archived = false;
    facts.delivery = None;
    course(&mut facts).drafted.clear();
    files(&mut facts)[0].sealed = false;
    assert_eq!(judge(&facts, at(89), true), []);
    assert!(!judge(&facts, at(91), true).is_empty());

    // A refusal is not on its way.
    facts.delivery = Some(Delivery {
        idempotency_key: "1".to_owned(),
        state: DeliveryState::Rejected {
            reason: String::new(),
        },
        changed_at: at(61),
    });
    assert_eq!(judge(&facts, at(61), true)[0].kind, Kind::Rejected);
}

#[test]
fn a_hearing_that_is_not_due_yet_and_one_whose_time_is_over_are_left_alone() {
    let mut facts = whole();
    *course(&mut facts) = Course {
        state: HearingState::Lobby,
        opened_at: None,
        closed_at: None,
        expected: Vec::new(),
        ..course(&mut facts).clone()
    };
    files(&mut facts).clear();
    facts.bundle = BundleFacts::Missing;
    facts.key = KeyFacts::Lost("none was made yet".to_owned());
    assert_eq!(judge(&facts, at(20), true), []);

    let mut over = whole();
    over.key = KeyFacts::Destroyed;
    over.bundle = BundleFacts::Broken("it cannot be read".to_owned());
    assert_eq!(judged(&over), []);
}

#[test]
fn without_a_recogniser_nothing_has_to_be_drafted() {
    let mut facts = whole();
    course(&mut facts).drafted.clear();
    assert_eq!(judge(&facts, at(LOOKED_AT_MINUTES), false), []);
}

#[test]
fn each_kind_has_one_name_in_report_and_metric() {
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(json!(kind), json!(kind.name()));
        assert_eq!(kind as usize, place, "the words are in this order");
    }
}
