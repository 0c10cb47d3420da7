//! What the edits of lines teach, and what people decide about it.

use crate::common::{Court, at, line};
use jiff::tz::Offset;
use otyrys_storage::{
    NewCorrectionChoice, NewHearing, NewLesson, NewLineEdit, NewParticipant, TaughtRow,
    TaughtWords,
    ids::{CorrectionChoiceId, HearingId, LineEditId, LineId, ParticipantId},
};
use serde_json::{Value, json};

fn words(heard: &str, written: &str) -> TaughtWords {
    TaughtWords {
        language: "ru".to_owned(),
        heard: heard.to_owned(),
        written: written.to_owned(),
    }
}

fn lesson(heard: &str, written: &str) -> NewLesson {
    NewLesson {
        words: words(heard, written),
        is_name: true,
    }
}

struct Seat {
    hearing: HearingId,
    person: ParticipantId,
}

/// A hearing of a court that is called so.
async fn hearing(court: &Court, name: &str, names: Value) -> Seat {
    let (hearing, person) = (HearingId::generate(), ParticipantId::generate());
    let new = NewHearing {
        id: hearing,
        case_number: "1".to_owned(),
        case_title: String::new(),
        court_name: name.to_owned(),
        court_names: names,
        courtroom: String::new(),
        language: "ru".to_owned(),
        scheduled_at: at(0),
        court_offset: Offset::UTC,
        participants: vec![NewParticipant {
            id: person,
            name: "A".to_owned(),
            role: "judge".to_owned(),
            place: "browser".to_owned(),
            language: "ru".to_owned(),
            order: 0,
        }],
    };
    court.database.create_hearing(&new).await.unwrap();
    Seat { hearing, person }
}

/// A new line, edited with these lessons.
async fn teach(court: &Court, seat: &Seat, lessons: &[NewLesson]) -> LineId {
    let line = line(seat.person, 0, "ахмедов");
    court.database.put_line(seat.hearing, &line).await.unwrap();
    edit(court, seat, line.id, lessons).await;
    line.id
}

async fn edit(court: &Court, seat: &Seat, line: LineId, lessons: &[NewLesson]) {
    let edit = NewLineEdit {
        id: LineEditId::generate(),
        line,
        text: Some("Ахметов".to_owned()),
        editor: seat.person,
        at: at(1),
    };
    let stored = court
        .database
        .append_line_edit(seat.hearing, Vec::new(), edit, lessons);
    stored.await.unwrap();
}

async fn choose(court: &Court, seat: &Seat, words: TaughtWords, applied: bool, second: i64) {
    let choice = NewCorrectionChoice {
        id: CorrectionChoiceId::generate(),
        words,
        applied,
        chooser: seat.person,
        at: at(second),
    };
    let stored = court
        .database
        .append_correction_choice(seat.hearing, Vec::new(), &choice);
    stored.await.unwrap();
}

async fn taught(court: &Court, seat: &Seat) -> Vec<TaughtRow> {
    court.database.taught(seat.hearing).await.unwrap()
}

#[tokio::test]
async fn the_lines_of_a_court_are_counted_and_those_of_another_are_not() {
    let court = Court::open().await;
    let names = json!({"kk": "Сот", "ru": "Суд"});
    let first = hearing(&court, "Суд", names.clone()).await;
    // The same court, in a hearing in the other language.
    let second = hearing(&court, "Сот", names).await;
    let elsewhere = hearing(&court, "Суд", json!({"ru": "Другой суд"})).await;
    teach(&court, &first, &[lesson("ахмедов", "Ахметов")]).await;
    teach(&court, &second, &[lesson("ахмедов", "Ахметов")]).await;
    teach(&court, &second, &[lesson("кин", "Ким")]).await;
    assert_eq!(taught(&court, &elsewhere).await, []);
    let row = |words, lines, here| TaughtRow {
        words,
        lines,
        is_name: true,
        here,
        choice: None,
    };
    assert_eq!(
        taught(&court, &first).await,
        [
            row(words("ахмедов", "Ахметов"), 2, true),
            row(words("кин", "Ким"), 1, false)
        ]
    );
    let nameless = [
        hearing(&court, "Суд", Value::Null).await,
        hearing(&court, "Суд", Value::Null).await,
        hearing(&court, "Сот", Value::Null).await,
    ];
    teach(&court, &nameless[0], &[lesson("кин", "Ким")]).await;
    assert_eq!(taught(&court, &nameless[1]).await.len(), 1);
    assert_eq!(taught(&court, &nameless[2]).await, []);
}

#[tokio::test]
async fn the_last_edit_of_a_line_counts_and_the_last_choice() {
    let court = Court::open().await;
    let seat = hearing(&court, "Суд", Value::Null).await;
    let line = teach(&court, &seat, &[lesson("ахмедов", "Ахметов")]).await;
    let name = words("ахмедов", "Ахметов");
    choose(&court, &seat, name.clone(), true, 3).await;
    choose(&court, &seat, name.clone(), false, 2).await;
    let [row]: [TaughtRow; 1] = taught(&court, &seat).await.try_into().unwrap();
    assert_eq!(
        row.choice,
        Some((true, at(3))),
        "by its time, not by its place"
    );
    choose(&court, &seat, name, false, 4).await;
    assert_eq!(taught(&court, &seat).await[0].choice, Some((false, at(4))));
    assert_eq!(taught(&court, &seat).await[0].lines, 1);
    edit(&court, &seat, line, &[lesson("ахмедов", "Хамитов")]).await;
    let rows = taught(&court, &seat).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].words, words("ахмедов", "Хамитов"));
    assert_eq!(rows[0].choice, None, "of other words");
    edit(&court, &seat, line, &[]).await;
    assert_eq!(taught(&court, &seat).await, []);
}
