//! An invitation opens one seat for one browser, until a newer link is made.

use crate::common::{Court, at};
use otyrys_storage::{
    Digest, LineRow, Seat, SeatClient, StorageError,
    ids::{LineId, SegmentId},
};
use serde_json::json;

#[tokio::test]
async fn a_new_link_replaces_the_old_one_and_frees_the_seat() {
    let court = Court::open().await;
    let (database, witness) = (&court.database, court.witness);
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    assert_eq!(database.invitation(old).await.unwrap(), None);
    database
        .create_invitation(witness, old, at(0))
        .await
        .unwrap();
    let found = database.invitation(old).await.unwrap().unwrap();
    assert_eq!(
        (found.participant, found.hearing, found.replaced),
        (witness, court.hearing, false)
    );
    database
        .take_seat(witness, Digest::of(b"s"), SeatClient::Browser, at(1))
        .await
        .unwrap();

    database
        .create_invitation(witness, new, at(2))
        .await
        .unwrap();
    assert!(database.invitation(old).await.unwrap().unwrap().replaced);
    assert!(!database.invitation(new).await.unwrap().unwrap().replaced);
    assert_eq!(database.seat(witness).await.unwrap(), None);
    let reused = database.create_invitation(court.judge, old, at(3)).await;
    assert!(matches!(reused, Err(StorageError::Conflict(_))));
}

#[tokio::test]
async fn a_person_takes_the_seat_of_a_rehearsal_client_but_never_of_another_person() {
    let court = Court::open().await;
    let (database, witness) = (&court.database, court.witness);
    let (robot, person, other) = (Digest::of(b"r"), Digest::of(b"p"), Digest::of(b"o"));
    let take = |secret, client| database.take_seat(witness, secret, client, at(0));
    assert_eq!(take(robot, SeatClient::Rehearsal).await.unwrap(), None);
    let second_robot = take(other, SeatClient::Rehearsal).await;
    assert!(matches!(second_robot, Err(StorageError::Conflict(_))));
    let robots = Seat {
        secret_hash: robot,
        client: SeatClient::Rehearsal,
    };
    assert_eq!(
        take(person, SeatClient::Browser).await.unwrap(),
        Some(robots)
    );
    assert_eq!(
        take(person, SeatClient::Browser).await.unwrap(),
        None,
        "the same browser again"
    );
    for client in [SeatClient::Browser, SeatClient::Rehearsal] {
        assert!(matches!(
            take(other, client).await,
            Err(StorageError::Conflict(_))
        ));
    }
    let persons = Seat {
        secret_hash: person,
        client: SeatClient::Browser,
    };
    assert_eq!(database.seat(witness).await.unwrap(), Some(persons));
}

#[tokio::test]
async fn the_text_of_the_machine_is_never_overwritten() {
    let court = Court::open().await;
    let line = |start_ms, text: &str| LineRow {
        id: LineId::generate(),
        participant: court.judge,
        segment: SegmentId::generate(),
        start_ms,
        end_ms: start_ms + 900,
        text: text.to_owned(),
        language: "kk".to_owned(),
        confidence: 0.1,
        weak: true,
        words: json!([{"text": text}]),
        model: "base".to_owned(),
        written: json!([{"text": "2"}]),
    };
    let (late, early) = (line(5000, "екінші"), line(1000, "бірінші"));
    for line in [&late, &early, &late] {
        court.database.put_line(court.hearing, line).await.unwrap();
    }
    let changed = LineRow {
        text: "басқа".to_owned(),
        ..late.clone()
    };
    let refused = court.database.put_line(court.hearing, &changed).await;
    assert!(matches!(refused, Err(StorageError::Conflict(_))));
    assert_eq!(
        court.database.lines(court.hearing).await.unwrap(),
        [early, late]
    );
}
