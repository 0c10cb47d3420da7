//! Deferred work is done once, by one worker, whatever dies in between.

use crate::common::{Court, at};
use otyrys_storage::{Database, DeliveryState, JobState, NewJob, StorageError};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn job(court: &Court, kind: &str, due: i64) -> NewJob {
    NewJob {
        kind: kind.to_owned(),
        key: court.hearing.to_string(),
        hearing: Some(court.hearing),
        payload: json!({"try": due}),
        due: at(due),
    }
}

#[tokio::test]
async fn the_same_job_twice_is_one_job() {
    let court = Court::open().await;
    let first = court
        .database
        .enqueue(&job(&court, "seal", 0))
        .await
        .unwrap();
    assert_eq!(
        court
            .database
            .enqueue(&job(&court, "seal", 5))
            .await
            .unwrap(),
        first
    );
    assert_ne!(
        court
            .database
            .enqueue(&job(&court, "deliver", 0))
            .await
            .unwrap(),
        first
    );
    assert_eq!(court.database.jobs(court.hearing).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_belongs_to_one_worker_until_its_lease_runs_out() {
    let court = Court::open().await;
    let database = &court.database;
    database.enqueue(&job(&court, "seal", 10)).await.unwrap();
    assert!(
        database
            .lease(&["seal"], MINUTE, at(9))
            .await
            .unwrap()
            .is_none(),
        "not due"
    );
    assert!(
        database
            .lease(&["deliver"], MINUTE, at(10))
            .await
            .unwrap()
            .is_none()
    );
    assert!(database.lease(&[], MINUTE, at(10)).await.unwrap().is_none());
    let dead = database
        .lease(&["deliver", "seal"], MINUTE, at(10))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((dead.attempts, dead.state), (1, JobState::Leased));
    assert!(
        database
            .lease(&["seal"], MINUTE, at(69))
            .await
            .unwrap()
            .is_none(),
        "leased"
    );

    let heir = database
        .lease(&["seal"], MINUTE, at(70))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((heir.id, heir.attempts), (dead.id, 2));
    assert!(matches!(
        database.complete(&dead).await,
        Err(StorageError::Conflict(_))
    ));
    database.complete(&heir).await.unwrap();
    assert!(
        database
            .lease(&["seal"], MINUTE, at(1000))
            .await
            .unwrap()
            .is_none()
    );
    let jobs = database.jobs(court.hearing).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == JobState::Done));
}

#[tokio::test]
async fn a_failed_job_is_tried_again_later_or_given_up() {
    let court = Court::open().await;
    let database = &court.database;
    database.enqueue(&job(&court, "seal", 0)).await.unwrap();
    let leased = database
        .lease(&["seal"], MINUTE, at(0))
        .await
        .unwrap()
        .unwrap();
    database
        .fail(&leased, "no room", Some(at(30)))
        .await
        .unwrap();
    assert!(
        database
            .lease(&["seal"], MINUTE, at(29))
            .await
            .unwrap()
            .is_none()
    );
    let again = database
        .lease(&["seal"], MINUTE, at(30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (again.attempts, again.last_error.as_deref()),
        (2, Some("no room"))
    );
    database.fail(&again, "still no room", None).await.unwrap();
    assert!(
        database
            .lease(&["seal"], MINUTE, at(9999))
            .await
            .unwrap()
            .is_none()
    );
    let open = database.jobs(court.hearing).await.unwrap();
    assert_eq!((open.len(), open[0].state), (1, JobState::Failed));
    assert_eq!(open[0].last_error.as_deref(), Some("still no room"));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let court = Court::open().await;
    court
        .database
        .enqueue(&job(&court, "seal", 0))
        .await
        .unwrap();
    court
        .database
        .lease(&["seal"], MINUTE, at(0))
        .await
        .unwrap()
        .unwrap();
    court
        .database
        .open_delivery(court.hearing, "key", at(0))
        .await
        .unwrap();
    let Court {
        dir,
        database,
        hearing,
        ..
    } = court;
    drop(database);

    let database = Database::open(dir.path()).await.unwrap();
    database.migrate().await.unwrap();
    let taken = database
        .lease(&["seal"], MINUTE, at(60))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.attempts, 2);
    let delivery = database.delivery(hearing).await.unwrap().unwrap();
    assert_eq!(
        (delivery.idempotency_key.as_str(), delivery.state),
        ("key", DeliveryState::Pending)
    );
}

#[tokio::test]
async fn a_delivery_moves_only_forward_and_keeps_its_receipt() {
    let court = Court::open().await;
    let (database, hearing) = (&court.database, court.hearing);
    let acknowledged = DeliveryState::Acknowledged {
        receipt: json!({"package_id": 7}),
    };
    let rejected = DeliveryState::Rejected {
        reason: "no such case".to_owned(),
    };
    let nothing = database
        .move_delivery(hearing, &DeliveryState::Sent, at(0))
        .await;
    assert!(matches!(nothing, Err(StorageError::NotFound(_))));

    database.open_delivery(hearing, "key", at(0)).await.unwrap();
    database.open_delivery(hearing, "key", at(1)).await.unwrap();
    let other_key = database.open_delivery(hearing, "other", at(1)).await;
    assert!(matches!(other_key, Err(StorageError::Conflict(_))));
    let early = database.move_delivery(hearing, &acknowledged, at(2)).await;
    assert!(matches!(early, Err(StorageError::Conflict(_))));
    let path = [
        DeliveryState::Sent,
        rejected,
        DeliveryState::Pending,
        DeliveryState::Sent,
    ];
    for state in path.iter().chain([&acknowledged, &acknowledged]) {
        database.move_delivery(hearing, state, at(3)).await.unwrap();
        assert_eq!(
            database.delivery(hearing).await.unwrap().unwrap().state,
            *state
        );
    }
    let back = database
        .move_delivery(hearing, &DeliveryState::Pending, at(4))
        .await;
    assert!(matches!(back, Err(StorageError::Conflict(_))));
}
