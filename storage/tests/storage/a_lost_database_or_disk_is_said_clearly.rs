//! What can be lost has an answer that a caller can act on.

use crate::common::{Court, chunk, event, master_key, new_hearing, segment, spool_of};
use otyrys_storage::{
    Database, RecordSpool, StorageError,
    ids::{HearingId, ParticipantId},
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{env, fs, path::Path, process::Command};

#[tokio::test]
async fn a_data_directory_in_use_is_refused_until_it_is_free() {
    let court = Court::open().await;
    let second = Database::open(court.dir.path()).await;
    assert!(matches!(second, Err(StorageError::InUse(_))));
    let Court {
        dir,
        database,
        hearing,
        judge,
        witness,
        ..
    } = court;
    drop(database);
    let database = Database::open(dir.path()).await.unwrap();
    database.migrate().await.unwrap();
    let again = database
        .create_hearing(&new_hearing(hearing, judge, witness))
        .await;
    assert!(matches!(again, Err(StorageError::Conflict(_))));
    let people = database.participants(hearing).await.unwrap();
    assert_eq!(
        people.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(),
        ["J", "W"]
    );
    assert_eq!(database.participant(judge).await.unwrap(), people[0]);
    let unknown = database.hearing(HearingId::generate()).await;
    assert!(matches!(unknown, Err(StorageError::NotFound(_))));
}

#[tokio::test]
async fn a_locked_database_is_busy_and_works_again_when_it_is_not() {
    let court = Court::open().await;
    let options = SqliteConnectOptions::new().filename(Database::path_in(court.dir.path()));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE")
        .execute(&mut other)
        .await
        .unwrap();
    let busy = court
        .database
        .append_events(court.hearing, vec![event("x", 1)])
        .await;
    assert!(matches!(busy, Err(StorageError::Busy)), "{busy:?}");
    assert!(
        court.database.hearing(court.hearing).await.is_ok(),
        "reading goes on"
    );
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    court
        .database
        .append_events(court.hearing, vec![event("x", 1)])
        .await
        .unwrap();
    assert_eq!(court.database.events(court.hearing).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(Database::path_in(dir.path()), [b'x'; 8192]).unwrap();
    let opened = Database::open(dir.path()).await;
    assert!(
        matches!(opened, Err(StorageError::Corrupt { .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_written_says_so_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 0);
    let spool = spool_of(dir.path(), facts.hearing).await;
    fs::remove_dir_all(spool.dir()).unwrap();
    fs::write(spool.dir(), "a file where the folder should be").unwrap();
    let opened = spool.open_segment(facts.clone());
    assert!(
        matches!(opened, Err(StorageError::NotWritable { .. })),
        "{opened:?}"
    );
    fs::remove_file(spool.dir()).unwrap();
    spool.keys().create(facts.hearing).unwrap();
    spool
        .open_segment(facts.clone())
        .unwrap()
        .append(&chunk(1, 10), 10)
        .unwrap();
    assert!(matches!(
        spool.open_segment(facts.clone()),
        Err(StorageError::Conflict(_))
    ));
    for source in ["", "../x", "Mic", "a/b"] {
        let bad = otyrys_storage::SegmentFacts {
            source: source.to_owned(),
            ..facts.clone()
        };
        assert!(
            matches!(spool.open_segment(bad), Err(StorageError::Invalid(_))),
            "{source:?}"
        );
    }
}

/// Runs [`write_until_full`] in a process of its own whose files may not pass 64 KiB, which the
/// kernel reports as it reports a full disk.
#[tokio::test]
async fn a_full_disk_takes_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "bash"])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_lost_database_or_disk_is_said_clearly::write_until_full",
            "--ignored",
        ])
        .env("OTYRYS_TEST_SPOOL", dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    let spool = RecordSpool::new(dir.path().join("record"), master_key(dir.path()).await);
    let recovery = spool.recover().unwrap();
    let mended = &recovery.mended[0];
    // 65,536 bytes hold six chunks of 10,000; the small seventh fitted, too.
    assert_eq!((mended.kept, mended.cut), (60_010, 0));
    assert_eq!(spool.segment(&mended.facts).unwrap().chunks.len(), 7);
}

#[tokio::test]
#[ignore = "the child of a_full_disk_takes_nothing_that_was_acknowledged"]
async fn write_until_full() {
    let dir = env::var_os("OTYRYS_TEST_SPOOL").unwrap();
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 0);
    let spool = spool_of(Path::new(&dir), facts.hearing).await;
    let mut writer = spool.open_segment(facts).unwrap();
    for n in 1..=6 {
        writer
            .append(&chunk(n, 10_000), 1000 * u64::from(n))
            .unwrap();
    }
    for _ in 0..2 {
        let full = writer.append(&chunk(7, 10_000), 7000);
        assert!(matches!(full, Err(StorageError::DiskFull(_))), "{full:?}");
    }
    assert_eq!(writer.acknowledged().len, 60_000);
    writer.append(&chunk(8, 10), 7000).unwrap();
}

/// Runs [`append_until_full_and_on`] in a process of its own whose files may not pass 1 MiB until
/// it lifts the limit, as an operator makes room on a full disk.
#[test]
fn a_database_that_met_a_full_disk_works_again_when_there_is_room() {
    let status = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1024; exec \"$@\"", "bash"])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_lost_database_or_disk_is_said_clearly::append_until_full_and_on",
            "--ignored",
        ])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
#[ignore = "the child of a_database_that_met_a_full_disk_works_again_when_there_is_room"]
async fn append_until_full_and_on() {
    let court = Court::open().await;
    let large = || {
        let mut event = event("x", 1);
        event.data = serde_json::Value::String("x".repeat(20_000));
        event
    };
    let mut acknowledged = 0;
    let full = loop {
        match court
            .database
            .append_events(court.hearing, vec![large()])
            .await
        {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the limit was never met");
    };
    assert!(
        matches!(
            full,
            StorageError::DiskFull(_) | StorageError::NotWritable { .. }
        ),
        "{full:?}"
    );
    let lifted = Command::new("prlimit")
        .args([
            "--pid",
            &std::process::id().to_string(),
            "--fsize=unlimited",
        ])
        .status()
        .unwrap();
    assert!(lifted.success());
    court
        .database
        .append_events(court.hearing, vec![large()])
        .await
        .unwrap();
    let Court {
        dir,
        database,
        hearing,
        ..
    } = court;
    database.close().await;
    drop(database);
    let database = Database::open(dir.path()).await.unwrap();
    let events = database.events(hearing).await.unwrap();
    assert_eq!(
        events.len(),
        acknowledged + 1,
        "what was acknowledged is there"
    );
}
