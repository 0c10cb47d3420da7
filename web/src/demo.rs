//! The demo court: one case, one hearing, four seats.

use crate::{links::Links, stores::Stores};
use jiff::{Timestamp, tz::Offset};
use otyrys_storage::{
    Database, NewHearing, NewParticipant, StorageError,
    ids::{HearingId, ParticipantId},
    registry::{Case, Party, Sitting},
};
use serde_json::json;
use std::collections::BTreeMap;

/// A seeded demo hearing with its links.
#[derive(Debug, Clone)]
pub struct DemoHearing {
    /// Which.
    pub id: HearingId,
    /// Number of its case.
    pub case_number: String,
    /// The link of each seat.
    pub links: BTreeMap<ParticipantId, String>,
}

/// Who sits in the demo hearing: name, role, place.
const SEATS: [(&str, &str, &str); 4] = [
    ("Ахметова Гүлнар Нұрланқызы", "judge", "courtroom"),
    ("Сейітқали Дәурен Болатұлы", "clerk", "browser"),
    ("Ким Алексей Викторович", "defendant", "prison"),
    ("Орлова Марина Сергеевна", "witness", "phone"),
];

/// Kazakhstan is at UTC+5 throughout since 1 March 2024.
const KAZAKHSTAN: Offset = Offset::constant(5);

/// Schedules a new demo hearing, registers its case, and makes the links. Earlier demo hearings
/// stay as they are.
///
/// # Errors
/// Those of the database.
pub async fn seed(stores: &Stores, links: &Links) -> Result<DemoHearing, StorageError> {
    let now = Timestamp::now();
    let id = HearingId::generate();
    let case_number = next_case_number(&stores.database).await?;
    let people: Vec<ParticipantId> = SEATS.iter().map(|_| ParticipantId::generate()).collect();
    let hearing = NewHearing {
        id,
        case_number: case_number.clone(),
        case_title: "Уголовное дело по обвинению Кима А. В. по ст. 188 ч. 2 УК РК".to_owned(),
        court_name: "Бостандыкский районный суд города Алматы".to_owned(),
        court_names: json!({
            "kk": "Алматы қаласы Бостандық аудандық соты",
            "ru": "Бостандыкский районный суд города Алматы",
            "en": "Bostandyk District Court of Almaty",
        }),
        courtroom: "Зал № 3".to_owned(),
        language: "ru".to_owned(),
        scheduled_at: now,
        court_offset: KAZAKHSTAN,
        participants: SEATS
            .iter()
            .zip(&people)
            .zip(0..)
            .map(|(((name, role, place), id), order)| NewParticipant {
                id: *id,
                name: (*name).to_owned(),
                role: (*role).to_owned(),
                place: (*place).to_owned(),
                language: "ru".to_owned(),
                order,
            })
            .collect(),
    };
    stores.registry.put_case(&case_of(&hearing)).await?;
    stores.database.create_hearing(&hearing).await?;
    let mut made = BTreeMap::new();
    for person in people {
        made.insert(person, links.renew(person).await?);
    }
    Ok(DemoHearing {
        id,
        case_number,
        links: made,
    })
}

/// Demo cases are numbered in the form that the courts use: court, year, kind, number.
async fn next_case_number(database: &Database) -> Result<String, StorageError> {
    let year = Timestamp::now().to_zoned(KAZAKHSTAN.to_time_zone()).year() % 100;
    let count = database.hearings().await?.len() + 1;
    Ok(format!("7514-{year:02}-00-1/{count}"))
}

/// The case as the registry has it. Clerk and judge are not parties.
fn case_of(hearing: &NewHearing) -> Case {
    Case {
        number: hearing.case_number.clone(),
        title: hearing.case_title.clone(),
        kind: "criminal".to_owned(),
        court: hearing.court_name.clone(),
        parties: hearing
            .participants
            .iter()
            .filter(|person| !matches!(person.role.as_str(), "judge" | "clerk"))
            .map(|person| Party {
                name: person.name.clone(),
                role: person.role.clone(),
            })
            .collect(),
        schedule: vec![Sitting {
            hearing: hearing.id.to_string(),
            courtroom: hearing.courtroom.clone(),
            scheduled_at: hearing.scheduled_at,
        }],
    }
}
