//! Two persons agree, and then nothing of the record can be read: neither here nor in the archive.

use crate::common::{Court, at, closed_hearing, event, files_under, line};
use otyrys_storage::{
    Approval, Bundle, Database, FinalPass, Kept, LineRow, NewCorrectionChoice, NewLesson,
    NewLineEdit, StorageError, TaughtWords,
    ids::{CorrectionChoiceId, LineEditId, LineId},
};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::fs;

fn approval(person: &str, second: i64) -> Approval {
    Approval {
        person: person.to_owned(),
        at: at(second),
        approved: event("approved", second),
        destroyed: event("destroyed", second),
    }
}

/// Closes the hearing.
async fn close(court: &Court) -> Kept {
    let Court {
        database, hearing, ..
    } = court;
    let closed = vec![event("closed", 71)];
    database
        .append_events_with_state(*hearing, closed, &json!(null), Some(at(71)))
        .await
        .unwrap();
    database.kept_hearing(*hearing).await.unwrap().unwrap()
}

#[tokio::test]
async fn two_different_persons_destroy_a_key_and_one_alone_does_not() {
    let (court, input, key) = closed_hearing().await;
    let (hearing, database, spool) = (court.hearing, &court.database, court.spool());
    let keys = spool.keys();
    let bundle = Bundle::write(&court.dir.path().join("bundle"), &input, &spool, &key).unwrap();
    let open = database.kept_hearing(hearing).await.unwrap();
    assert_eq!(open, None, "it is not closed");
    let kept = close(&court).await;
    let spoken = "words that were recognised";
    let corrected = "words that a person wrote";
    let line = line(court.judge, 0, spoken);
    database.put_line(hearing, &line).await.unwrap();
    let edit = NewLineEdit {
        id: LineEditId::generate(),
        line: line.id,
        text: Some(corrected.to_owned()),
        editor: court.judge,
        at: at(70),
    };
    let taught = "a name that somebody wrote";
    let lesson = NewLesson {
        words: TaughtWords {
            language: "kk".to_owned(),
            heard: "a name".to_owned(),
            written: taught.to_owned(),
        },
        is_name: true,
    };
    let choice = NewCorrectionChoice {
        id: CorrectionChoiceId::generate(),
        words: lesson.words.clone(),
        applied: true,
        chooser: court.judge,
        at: at(71),
    };
    database
        .append_line_edit(hearing, Vec::new(), edit, &[lesson])
        .await
        .unwrap();
    database
        .append_correction_choice(hearing, Vec::new(), &choice)
        .await
        .unwrap();
    let pass = FinalPass {
        segment: line.segment,
        model: "m".to_owned(),
        model_sha256: "00".to_owned(),
    };
    let again = LineRow {
        id: LineId::generate(),
        ..line.clone()
    };
    database
        .put_final_pass(hearing, &pass, &[again], &[line.id])
        .await
        .unwrap();
    let wrapped = fs::read_to_string(spool.hearing_dir(hearing).join("hearing.key")).unwrap();
    let secret = wrapped.split("\"key\":\"").nth(1).unwrap()[..96].to_owned();

    let first = database
        .approve_destruction(keys, &kept, approval("Judge A. Omarova", 80))
        .await;
    assert!(!first.unwrap());
    let again = database
        .approve_destruction(keys, &kept, approval("judge  a. omarova ", 81))
        .await;
    assert!(matches!(again, Err(StorageError::Conflict(_))), "{again:?}");
    let documents = "documents/protocol.html".parse().unwrap();
    assert!(bundle.contents(&documents, keys).is_ok());
    let second = database
        .approve_destruction(keys, &kept, approval("Archivist B. Kim", 82))
        .await;
    assert!(second.unwrap());

    let gone =
        |error: StorageError| matches!(error, StorageError::KeyDestroyed(of) if of == hearing);
    assert!(gone(bundle.contents(&documents, keys).unwrap_err()));
    let target = court.dir.path().join("export");
    assert!(gone(bundle.export(keys, &target).unwrap_err()));
    let left: Vec<_> = files_under(court.dir.path());
    assert!(
        left.iter().all(|file| !file.starts_with("export")),
        "{left:?}"
    );
    let record = &spool.segments(hearing).unwrap()[0];
    assert!(gone(spool.reader(record).unwrap_err()));
    assert!(gone(keys.ensure(database, hearing).await.unwrap_err()));
    assert!(gone(
        keys.create(hearing)
            .and_then(|()| spool.reader(record).map(|_| ()))
            .unwrap_err()
    ));
    let kept = database.kept().await.unwrap().remove(0);
    assert_eq!(kept.approved_by, ["Judge A. Omarova", "Archivist B. Kim"]);
    assert_eq!(kept.destroyed_at, Some(at(82)));
    let third = database.approve_destruction(keys, &kept, approval("C", 83));
    assert!(gone(third.await.unwrap_err()));

    // What stays: the events, and the seal over a manifest that anybody can read.
    let kinds: Vec<_> = database
        .events(hearing)
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.kind)
        .collect();
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["approved", "approved", "destroyed"]
    );
    for name in ["manifest.json", "seal.txt", "key.txt"] {
        assert!(fs::read_to_string(bundle.dir.join(name)).is_ok(), "{name}");
    }
    // What does not: the wrapped key and the words, in any file.
    for file in left {
        let bytes = fs::read(court.dir.path().join(&file)).unwrap();
        for lost in [secret.as_str(), spoken, corrected, taught] {
            let lost = lost.as_bytes();
            let found = bytes.windows(lost.len()).any(|window| window == lost);
            assert!(!found, "{file}");
        }
    }
}

#[tokio::test]
async fn a_key_file_that_comes_back_from_a_backup_does_not_bring_the_key_back() {
    let (court, ..) = closed_hearing().await;
    let (hearing, database, spool) = (court.hearing, &court.database, court.spool());
    let kept = close(&court).await;
    let file = spool.hearing_dir(hearing).join("hearing.key");
    let line = fs::read_to_string(&file).unwrap();
    for person in ["A", "B"] {
        let approved = database
            .approve_destruction(spool.keys(), &kept, approval(person, 80))
            .await;
        approved.unwrap();
    }
    fs::write(&file, line).unwrap();
    let ensured = spool.keys().ensure(database, hearing).await;
    assert!(
        matches!(ensured, Err(StorageError::KeyDestroyed(_))),
        "{ensured:?}"
    );
    assert!(fs::read_to_string(&file).unwrap().contains("destroyed"));
}

#[tokio::test]
async fn no_key_row_is_changed_by_hand() {
    let (court, ..) = closed_hearing().await;
    let options = SqliteConnectOptions::new().filename(Database::path_in(court.dir.path()));
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    for statement in [
        "DELETE FROM hearing_keys",
        "UPDATE hearing_keys SET wrapped = ''",
    ] {
        let words = sqlx::query(statement)
            .execute(&mut raw)
            .await
            .unwrap_err()
            .to_string();
        assert!(words.contains("a key is destroyed"), "{statement}: {words}");
    }
}
