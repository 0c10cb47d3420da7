//! Whatever the moment of a crash: every event and every acknowledged chunk becomes a leaf of the
//! hearing's log, once, and what was signed stays true.

use crate::common::{Court, at, chunk, event, published_key, segment};
use otyrys_storage::{
    BundleInput, Database, LogSource, NodeKey, Reach, SegmentWriter, StorageError, Verdict, verify,
};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::fs;

async fn sealed(court: &Court, key: &NodeKey) -> Verdict {
    let input = BundleInput {
        hearing: court.hearing,
        facts: json!({}),
        sealed_at: at(60),
        events: court.database.events(court.hearing).await.unwrap(),
        log: court.database.hearing_log(court.hearing).await.unwrap(),
        documents: Vec::new(),
        attachments: Vec::new(),
    };
    let out = court.dir.path().join("bundle");
    court.sealed(&out, &input, key).unwrap();
    verify(&out, Some(&key.public())).unwrap()
}

/// What a power cut may take from a segment that is being written: the last line, which the disk
/// may not have confirmed yet.
fn lose_the_last_line(court: &Court, writer: &SegmentWriter) {
    let path = court.spool().media_path(writer.facts());
    let log = path.with_extension("chunks.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let kept = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
    fs::write(&log, &text[..kept + (text.len() - kept) / 2]).unwrap();
}

#[tokio::test]
async fn crashes_at_any_moment_leave_a_log_with_every_line_once() {
    // A fixed seed: the same story in every run (xorshift64, Marsaglia 2003).
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for story in 0..12 {
        let court = Court::open().await;
        let key = published_key(court.dir.path());
        let mut log = court.log(&key).await.unwrap();
        let mut writers: Vec<SegmentWriter> = Vec::new();
        for step in 0..60 {
            match next(6) {
                0 => {
                    let act = event("act", step);
                    court
                        .database
                        .append_events(court.hearing, vec![act])
                        .await
                        .unwrap();
                }
                1 => {
                    let facts = segment(court.hearing, court.judge, step.unsigned_abs() * 1000);
                    writers.push(court.spool().open_segment(facts).unwrap());
                }
                2 | 3 => {
                    for writer in &mut writers {
                        let ends_ms = (step.unsigned_abs() + 1) * 1000;
                        writer.append(&chunk(next(9) as u8, 50), ends_ms).unwrap();
                    }
                }
                4 => {
                    court.sign(&mut log, &key, Reach::Confirmed).await.unwrap();
                }
                _ if next(3) == 0 => {
                    for writer in writers.drain(..) {
                        if next(2) == 0 {
                            lose_the_last_line(&court, &writer);
                        }
                    }
                    let recovery = court.spool().recover().unwrap();
                    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
                    log = court.log(&key).await.unwrap();
                }
                _ => {
                    if let Some(writer) = writers.pop() {
                        writer.finish().unwrap();
                    }
                }
            }
        }
        drop(writers);
        court.spool().recover().unwrap();
        court.sign(&mut log, &key, Reach::Whole).await.unwrap();
        let segments = court.spool().segments(court.hearing).unwrap();
        let lines = court.database.events(court.hearing).await.unwrap().len()
            + segments.iter().map(|s| s.chunks.len() + 1).sum::<usize>();
        let Verdict::Holds(report) = sealed(&court, &key).await else {
            panic!("story {story} does not hold");
        };
        assert_eq!(report.leaves, lines as u64 + 1, "story {story}");
        assert!(report.checkpoints > 2, "story {story}");
    }
}

#[tokio::test]
async fn a_chunk_is_a_leaf_when_the_next_one_shows_that_it_is_on_disk() {
    let court = Court::open().await;
    let key = published_key(court.dir.path());
    let mut log = court.log(&key).await.unwrap();
    let facts = segment(court.hearing, court.judge, 0);
    let mut writer = court.spool().open_segment(facts).unwrap();
    writer.append(&chunk(1, 50), 1000).unwrap();
    assert_eq!(
        court.sign(&mut log, &key, Reach::Confirmed).await.unwrap(),
        None
    );
    writer.append(&chunk(2, 50), 2000).unwrap();
    assert_eq!(
        court.sign(&mut log, &key, Reach::Confirmed).await.unwrap(),
        Some(1)
    );
    writer.finish().unwrap();
    assert_eq!(
        court.sign(&mut log, &key, Reach::Confirmed).await.unwrap(),
        Some(2)
    );
    assert_eq!(
        court.sign(&mut log, &key, Reach::Whole).await.unwrap(),
        Some(3)
    );
    assert_eq!(
        court.sign(&mut log, &key, Reach::Whole).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn of_two_that_let_a_log_grow_one_is_refused() {
    let court = Court::open().await;
    let key = published_key(court.dir.path());
    let mut first = court.log(&key).await.unwrap();
    let mut second = court.log(&key).await.unwrap();
    court
        .database
        .append_events(court.hearing, vec![event("a", 1)])
        .await
        .unwrap();
    court
        .sign(&mut first, &key, Reach::Confirmed)
        .await
        .unwrap();
    court
        .database
        .append_events(court.hearing, vec![event("b", 2)])
        .await
        .unwrap();
    let refused = court.sign(&mut second, &key, Reach::Confirmed).await;
    assert!(
        matches!(refused, Err(StorageError::Conflict(_))),
        "{refused:?}"
    );
    let stored = court.database.hearing_log(court.hearing).await.unwrap();
    assert_eq!((stored.checkpoints.len(), stored.events()), (1, 1));
    assert_eq!(stored.runs[0].source, LogSource::Events);
}

#[tokio::test]
async fn a_line_that_was_signed_cannot_be_lost_or_changed_unnoticed() {
    let court = Court::open().await;
    let key = published_key(court.dir.path());
    let mut log = court.log(&key).await.unwrap();
    let facts = segment(court.hearing, court.judge, 0);
    let mut writer = court.spool().open_segment(facts.clone()).unwrap();
    for n in 1..=3 {
        writer.append(&chunk(n, 50), u64::from(n) * 1000).unwrap();
    }
    court.sign(&mut log, &key, Reach::Confirmed).await.unwrap();
    let path = court
        .spool()
        .media_path(&facts)
        .with_extension("chunks.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let first_line = text.find('\n').unwrap() + 1;
    for changed in [
        text.replacen("\"len\":50", "\"len\":51", 1),
        text[..first_line].to_owned(),
    ] {
        fs::write(&path, changed).unwrap();
        let found = court.log(&key).await;
        assert!(
            matches!(found, Err(StorageError::Corrupt { .. })),
            "{found:?}"
        );
    }
    fs::write(&path, text).unwrap();
    court.log(&key).await.unwrap();

    let options = SqliteConnectOptions::new().filename(Database::path_in(court.dir.path()));
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    for statement in [
        "UPDATE log_runs SET lines = 1",
        "DELETE FROM log_runs",
        "INSERT INTO log_runs SELECT hearing, 9, source, first_line, lines FROM log_runs",
        "INSERT OR REPLACE INTO log_runs SELECT hearing, first_leaf, source, 7, lines FROM log_runs",
        "UPDATE checkpoints SET note = ''",
        "DELETE FROM checkpoints",
        "INSERT OR REPLACE INTO checkpoints SELECT hearing, size, '' FROM checkpoints",
        "INSERT INTO checkpoints SELECT hearing, size - 1, note FROM checkpoints",
    ] {
        let refused = sqlx::query(statement).execute(&mut raw).await;
        let words = refused.unwrap_err().to_string();
        assert!(words.contains("append-only"), "{statement}: {words}");
    }
}
