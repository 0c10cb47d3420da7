//! What people write in place of a line is kept, each time, and the machine's text beside it.

use crate::common::{Court, at, line};
use otyrys_storage::{
    LineRow, NewEvent, NewLineEdit, StorageError,
    ids::{HearingId, LineEditId, LineId},
};
use serde_json::json;

fn event() -> Vec<NewEvent> {
    vec![NewEvent {
        at: at(1),
        kind: "line_edited".to_owned(),
        actor: None,
        origin: None,
        data: json!({}),
    }]
}

async fn court_with_a_line() -> (Court, LineRow) {
    let court = Court::open().await;
    let line = line(court.judge, 0, "кимов");
    court.database.put_line(court.hearing, &line).await.unwrap();
    (court, line)
}

fn edit(court: &Court, line: &LineRow, text: Option<&str>) -> NewLineEdit {
    NewLineEdit {
        id: LineEditId::generate(),
        line: line.id,
        text: text.map(str::to_owned),
        editor: court.judge,
        at: at(1),
    }
}

#[tokio::test]
async fn every_edit_is_kept_and_the_last_one_counts() {
    let (court, line) = court_with_a_line().await;
    let database = &court.database;
    let mut stored = Vec::new();
    for text in [Some("Хакимов"), Some("Акимов"), None] {
        let edit = edit(&court, &line, text);
        let row = database.append_line_edit(court.hearing, event(), edit, &[]);
        stored.push(row.await.unwrap());
    }
    assert_eq!(
        stored.iter().map(|row| row.revision).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(database.line_edits(court.hearing).await.unwrap(), stored);
    assert_eq!(database.lines(court.hearing).await.unwrap(), [line]);
    assert_eq!(database.events(court.hearing).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_line_of_another_hearing_is_not_edited_and_no_event_says_so() {
    let (court, line) = court_with_a_line().await;
    let database = &court.database;
    let edit = edit(&court, &line, Some("Акимов"));
    let elsewhere = database.append_line_edit(HearingId::generate(), event(), edit, &[]);
    assert!(matches!(elsewhere.await, Err(StorageError::NotFound(_))));
    assert!(database.events(court.hearing).await.unwrap().is_empty());
}

#[test]
fn the_hash_in_the_log_does_not_give_a_short_text_away() {
    let edit = |text: Option<&str>| NewLineEdit {
        id: LineEditId::generate(),
        line: LineId::generate(),
        text: text.map(str::to_owned),
        editor: otyrys_storage::ids::ParticipantId::generate(),
        at: at(1),
    };
    assert_ne!(edit(Some("да")).sha256(), edit(Some("да")).sha256());
    assert_eq!(edit(None).sha256(), None);
    assert!(!format!("{:?}", edit(Some("да"))).contains("да"));
}
