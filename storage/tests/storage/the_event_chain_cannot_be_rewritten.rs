//! Events are written once, in order, and whoever changes one is found out.

use crate::common::{Court, at, event};
use otyrys_storage::{Database, Digest, StorageError, events::genesis, ids::HearingId};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

async fn raw(court: &Court) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(Database::path_in(court.dir.path()));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn each_event_is_chained_to_the_one_before_by_the_line_that_is_stored() {
    let court = Court::open().await;
    let first = court
        .database
        .append_events(court.hearing, vec![event("opened", 1)])
        .await
        .unwrap();
    let rest = vec![event("admitted", 2), event("on_record", 3)];
    let rest = court
        .database
        .append_events(court.hearing, rest)
        .await
        .unwrap();

    let first = first[0].clone();
    assert_eq!((first.seq, rest[0].seq, rest[1].seq), (1, 2, 3));
    assert_eq!(first.prev, genesis(court.hearing));
    assert_eq!((rest[0].prev, rest[1].prev), (first.hash, rest[0].hash));
    // The rule that docs/RECORD-FORMAT.md gives to a stranger, applied by hand.
    let body = format!("{}}}", &first.line[..first.line.len() - 75]);
    assert_eq!(Digest::of(body.as_bytes()), first.hash);
    assert!(first.line.starts_with(&format!(
        "{{\"seq\":1,\"hearing\":\"{}\",\"at\":\"2027-01-15T08:00:01Z\",\"kind\":\"opened\",\
         \"actor\":\"judge\",\"origin\":\"127.0.0.1\",\"data\":{{",
        court.hearing
    )));
    let stored = court.database.events(court.hearing).await.unwrap();
    assert_eq!(stored, [vec![first], rest].concat());
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_delete_or_skip_events() {
    let court = Court::open().await;
    court
        .database
        .append_events(court.hearing, vec![event("opened", 1)])
        .await
        .unwrap();
    let mut raw = raw(&court).await;
    for statement in [
        "UPDATE events SET kind = 'other'",
        "DELETE FROM events",
        "INSERT INTO events SELECT hearing, 7, kind, hash, line FROM events",
        "INSERT OR REPLACE INTO events SELECT hearing, seq, 'other', hash, line FROM events",
    ] {
        let refused = sqlx::query(statement).execute(&mut raw).await;
        assert!(
            refused.unwrap_err().to_string().contains("append-only"),
            "{statement}"
        );
    }
    assert_eq!(court.database.events(court.hearing).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_or_missing_event_is_found_when_the_log_is_read() {
    for tampering in [
        "UPDATE events SET line = replace(line, '127.0.0.1', '127.0.0.2') WHERE seq = 2",
        "DELETE FROM events WHERE seq = 2",
        "DELETE FROM events WHERE seq = 1",
    ] {
        let court = Court::open().await;
        for second in 1..=3 {
            court
                .database
                .append_events(court.hearing, vec![event("act", second)])
                .await
                .unwrap();
        }
        let mut raw = raw(&court).await;
        for trigger in ["events_are_not_changed", "events_are_not_deleted"] {
            let drop = sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
            sqlx::query(drop).execute(&mut raw).await.unwrap();
        }
        sqlx::query(tampering).execute(&mut raw).await.unwrap();
        let read = court.database.events(court.hearing).await;
        assert!(
            matches!(read, Err(StorageError::Corrupt { .. })),
            "{tampering}"
        );
    }
}

#[tokio::test]
async fn events_and_the_state_they_lead_to_are_stored_together_or_not_at_all() {
    let court = Court::open().await;
    let (database, hearing) = (&court.database, court.hearing);
    let state = json!({"state": "closed"});
    database
        .append_events_with_state(hearing, vec![event("closed", 1)], &state, Some(at(1)))
        .await
        .unwrap();
    let stored = database.hearing(hearing).await.unwrap();
    assert_eq!(
        (stored.state, stored.closed_at),
        (Some(state.clone()), Some(at(1)))
    );

    let again = database
        .append_events_with_state(hearing, vec![event("x", 2)], &state, None)
        .await;
    assert!(matches!(again, Err(StorageError::Conflict(_))));
    assert_eq!(database.events(hearing).await.unwrap().len(), 1);

    let nowhere = database
        .append_events(HearingId::generate(), vec![event("x", 3)])
        .await;
    assert!(matches!(nowhere, Err(StorageError::Conflict(_))));
}
