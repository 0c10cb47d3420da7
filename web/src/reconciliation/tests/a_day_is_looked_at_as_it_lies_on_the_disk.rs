//! Looking at a court's folder beside its server.

use crate::{
    hub::new_event,
    reconciliation::{facts::DayFacts, gather, mismatch::Kind, report},
    test_court::TestCourt,
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::Offset};
use otyrys_signaling::HearingEvent;
use otyrys_storage::{
    DeliveryState, Depth, NewParticipant,
    ids::{HearingId, ParticipantId},
};
use serde_json::json;
use std::fs;

/// An hour and a half ago, so that what follows closing is overdue, and its day on the court's clock.
fn then() -> (Timestamp, Date) {
    let then = Timestamp::now().checked_sub(90.minutes()).unwrap();
    (then, Offset::constant(5).to_datetime(then).date())
}

/// A judge who spoke for 3 s on record, in a hearing that was closed.
async fn held(court: &TestCourt, then: Timestamp) -> (HearingId, ParticipantId) {
    let judge = ParticipantId::generate();
    let person = NewParticipant {
        id: judge,
        name: "A. Omarova".to_owned(),
        role: "judge".to_owned(),
        place: "courtroom".to_owned(),
        language: "kk".to_owned(),
        order: 1,
    };
    let hearing = court.hearing_of(then, vec![person]).await;
    let file = court.recorded_of(hearing, judge, 0).segment;
    let happened = [
        (0, HearingEvent::LobbyOpened),
        (
            0,
            HearingEvent::Connected {
                participant: judge,
                rehearsal: false,
            },
        ),
        (
            0,
            HearingEvent::Waiting {
                participant: judge,
                microphone: true,
                camera: false,
            },
        ),
        (0, HearingEvent::Admitted { participant: judge }),
        (0, HearingEvent::SessionStarted),
        (0, HearingEvent::OnRecord),
        (3, HearingEvent::SegmentDrafted { segment: file }),
        (3, HearingEvent::OffRecord),
        (3, HearingEvent::Closed),
    ];
    let at = |second: i64| then.checked_add(second.seconds()).unwrap();
    let events = happened.map(|(second, event)| new_event(at(second), None, None, &event).unwrap());
    let database = &court.stores.database;
    database
        .append_events_with_state(hearing, events.into(), &json!(null), Some(at(3)))
        .await
        .unwrap();
    (hearing, judge)
}

async fn delivered(court: &TestCourt, hearing: HearingId) {
    let (database, now) = (&court.stores.database, Timestamp::now());
    let key = hearing.to_string();
    database.open_delivery(hearing, &key, now).await.unwrap();
    let receipt = json!({"receipt": "1", "received_at": now});
    for state in [DeliveryState::Sent, DeliveryState::Acknowledged { receipt }] {
        database.move_delivery(hearing, &state, now).await.unwrap();
    }
}

async fn looked(court: &TestCourt, day: Date, depth: Depth) -> DayFacts {
    gather(&court.stores, day, depth).await.unwrap()
}

async fn kinds(court: &TestCourt, day: Date, depth: Depth) -> Vec<Kind> {
    let report = report(day, &looked(court, day, depth).await, &court.config);
    let of_hearings = report.hearings.iter().flat_map(|h| &h.mismatches);
    let all = of_hearings.chain(&report.others);
    let all: Vec<Kind> = all.map(|found| found.kind).collect();
    assert_eq!(report.matches, all.is_empty());
    all
}

#[tokio::test]
async fn a_day_whose_hearing_was_held_sealed_and_delivered_matches_also_when_copies_have_gone() {
    let (then, day) = then();
    let court = TestCourt::open().await;
    let (hearing, _) = held(&court, then).await;
    assert_eq!(
        kinds(&court, day, Depth::Sizes).await,
        [Kind::NotSealed, Kind::NotDelivered]
    );
    court.seal(hearing).await;
    delivered(&court, hearing).await;
    for depth in [Depth::Sizes, Depth::Bytes] {
        assert_eq!(kinds(&court, day, depth).await, []);
    }
    crate::spent_copies::remove(&court.stores, hearing)
        .await
        .unwrap();
    for depth in [Depth::Sizes, Depth::Bytes] {
        assert_eq!(kinds(&court, day, depth).await, []);
    }
}

#[tokio::test]
async fn what_was_cut_flipped_lost_or_left_behind_on_the_disk_is_named() {
    let (then, day) = then();
    let court = TestCourt::open().await;
    let stores = &court.stores;
    let (hearing, judge) = held(&court, then).await;
    court.seal(hearing).await;
    delivered(&court, hearing).await;

    // A stranger's folder.
    let stranger = stores.spool.hearing_dir(HearingId::generate());
    fs::create_dir(&stranger).unwrap();
    assert_eq!(
        kinds(&court, day, Depth::Sizes).await,
        [Kind::UnknownFolder]
    );
    fs::remove_dir(&stranger).unwrap();

    // A byte in the archive's copy is found when all is read, one that is cut off at once.
    let archived = stores.archive.folder(hearing).unwrap();
    let events = archived.join("events.jsonl");
    let sealed = fs::read(&events).unwrap();
    let mut flipped = sealed.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&events, flipped).unwrap();
    assert_eq!(kinds(&court, day, Depth::Sizes).await, []);
    assert_eq!(
        kinds(&court, day, Depth::Bytes).await,
        [Kind::BundleDamaged]
    );
    fs::write(&events, &sealed[..sealed.len() - 1]).unwrap();
    assert_eq!(
        kinds(&court, day, Depth::Sizes).await,
        [Kind::BundleDamaged]
    );
    fs::write(&events, sealed).unwrap();

    // A file that is in no bundle, and one that nobody has ended.
    court.recorded_of(hearing, judge, 60_000);
    assert_eq!(
        kinds(&court, day, Depth::Sizes).await,
        [Kind::FileNotSealed, Kind::NotDrafted]
    );

    // The key.
    let key = stores.spool.hearing_dir(hearing).join("hearing.key");
    fs::remove_file(&key).unwrap();
    let found = kinds(&court, day, Depth::Sizes).await;
    assert!(found.contains(&Kind::KeyLost), "{found:?}");
}

#[tokio::test]
async fn a_hearing_that_was_left_open_is_told_every_day_until_it_is_closed() {
    let (then, day) = then();
    let court = TestCourt::open().await;
    let hearing = court.hearing(then).await;
    let tomorrow = day.tomorrow().unwrap();
    assert_eq!(kinds(&court, day, Depth::Sizes).await, [Kind::NotOpened]);
    assert_eq!(kinds(&court, tomorrow, Depth::Sizes).await, []);
    let event = new_event(then, None, None, &HearingEvent::SessionStarted).unwrap();
    let database = &court.stores.database;
    database.append_events(hearing, vec![event]).await.unwrap();
    for day in [day, tomorrow] {
        assert_eq!(kinds(&court, day, Depth::Sizes).await, [Kind::NotClosed]);
    }
    let yesterday = day.yesterday().unwrap();
    let facts = looked(&court, yesterday, Depth::Sizes).await;
    assert!(facts.hearings.is_empty());
}
