//! Hearings and the people called to them.

use crate::{
    database::{Database, micros, parse, parse_json, timestamp},
    error::StorageError,
    ids::{HearingId, ParticipantId},
};
use jiff::{Timestamp, tz::Offset};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};

/// A hearing to be created. What the texts mean is for the crate above.
#[derive(Debug, Clone)]
pub struct NewHearing {
    /// Chosen by the caller, so that creating twice is a [`StorageError::Conflict`].
    pub id: HearingId,
    /// Number of the case in the registry.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court in the hearing's language.
    pub court_name: String,
    /// Names of the court by language, as JSON (`{"kk": …, "ru": …, "en": …}`).
    pub court_names: Value,
    /// Name of the courtroom.
    pub courtroom: String,
    /// Language of the proceedings (ISO 639-1).
    pub language: String,
    /// When it is to begin.
    pub scheduled_at: Timestamp,
    /// The court's offset from UTC at that time, for showing it.
    pub court_offset: Offset,
    /// Everybody called.
    pub participants: Vec<NewParticipant>,
}

/// A person called to a hearing.
#[derive(Debug, Clone)]
pub struct NewParticipant {
    /// Chosen by the caller.
    pub id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role, in the words of the crate above.
    pub role: String,
    /// Where they join from, in the words of the crate above.
    pub place: String,
    /// Language of their pages (ISO 639-1).
    pub language: String,
    /// Place in lists, smallest first.
    pub order: u32,
}

/// A stored hearing.
#[derive(Debug, Clone, PartialEq)]
pub struct Hearing {
    /// Which.
    pub id: HearingId,
    /// Number of the case in the registry.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court in the hearing's language.
    pub court_name: String,
    /// Names of the court by language.
    pub court_names: Value,
    /// Name of the courtroom.
    pub courtroom: String,
    /// Language of the proceedings (ISO 639-1).
    pub language: String,
    /// When it was to begin.
    pub scheduled_at: Timestamp,
    /// The court's offset from UTC at that time.
    pub court_offset: Offset,
    /// When it was closed; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// The state that was stored with the latest events, in the words of the crate above.
    pub state: Option<Value>,
}

/// A stored participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Who.
    pub id: ParticipantId,
    /// In which hearing.
    pub hearing: HearingId,
    /// Name as in the case.
    pub name: String,
    /// Role, in the words of the crate above.
    pub role: String,
    /// Where they join from, in the words of the crate above.
    pub place: String,
    /// Language of their pages (ISO 639-1).
    pub language: String,
    /// Place in lists, smallest first.
    pub order: u32,
}

impl Database {
    /// Stores a hearing with everybody called to it, or nothing of it.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing or a participant exists already.
    pub async fn create_hearing(&self, hearing: &NewHearing) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO hearings (id, case_number, case_title, court, court_names, courtroom, \
             language, scheduled_us, offset_seconds) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(hearing.id.to_string())
        .bind(&hearing.case_number)
        .bind(&hearing.case_title)
        .bind(&hearing.court_name)
        .bind(hearing.court_names.to_string())
        .bind(&hearing.courtroom)
        .bind(&hearing.language)
        .bind(micros(hearing.scheduled_at))
        .bind(hearing.court_offset.seconds())
        .execute(&mut *transaction)
        .await?;
        for participant in &hearing.participants {
            sqlx::query(
                "INSERT INTO participants (id, hearing, name, role, place, language, ordinal) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(participant.id.to_string())
            .bind(hearing.id.to_string())
            .bind(&participant.name)
            .bind(&participant.role)
            .bind(&participant.place)
            .bind(&participant.language)
            .bind(participant.order)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// A hearing.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is none.
    pub async fn hearing(&self, id: HearingId) -> Result<Hearing, StorageError> {
        sqlx::query("SELECT * FROM hearings WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(hearing_of)
            .transpose()?
            .ok_or_else(|| StorageError::NotFound(format!("hearing {id}")))
    }

    /// All hearings, by the time they were scheduled for.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hearings(&self) -> Result<Vec<Hearing>, StorageError> {
        let rows = sqlx::query("SELECT * FROM hearings ORDER BY scheduled_us, id")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(hearing_of).collect()
    }

    /// Everybody called to a hearing, in their order; empty for an unknown hearing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn participants(&self, hearing: HearingId) -> Result<Vec<Participant>, StorageError> {
        let rows =
            sqlx::query("SELECT * FROM participants WHERE hearing = $1 ORDER BY ordinal, id")
                .bind(hearing.to_string())
                .fetch_all(&self.readers)
                .await?;
        rows.iter().map(participant_of).collect()
    }

    /// One participant.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is none.
    pub async fn participant(&self, id: ParticipantId) -> Result<Participant, StorageError> {
        sqlx::query("SELECT * FROM participants WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(participant_of)
            .transpose()?
            .ok_or_else(|| StorageError::NotFound(format!("participant {id}")))
    }
}

fn hearing_of(row: &SqliteRow) -> Result<Hearing, StorageError> {
    let state: Option<String> = row.try_get("state")?;
    let closed_us: Option<i64> = row.try_get("closed_us")?;
    Ok(Hearing {
        id: parse(row.try_get("id")?)?,
        case_number: row.try_get("case_number")?,
        case_title: row.try_get("case_title")?,
        court_name: row.try_get("court")?,
        court_names: parse_json(row.try_get("court_names")?)?,
        courtroom: row.try_get("courtroom")?,
        language: row.try_get("language")?,
        scheduled_at: timestamp(row.try_get("scheduled_us")?)?,
        court_offset: Offset::from_seconds(row.try_get("offset_seconds")?)
            .map_err(|error| StorageError::corrupt("an offset from UTC", error))?,
        closed_at: closed_us.map(timestamp).transpose()?,
        state: state.as_deref().map(parse_json).transpose()?,
    })
}

fn participant_of(row: &SqliteRow) -> Result<Participant, StorageError> {
    Ok(Participant {
        id: parse(row.try_get("id")?)?,
        hearing: parse(row.try_get("hearing")?)?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        place: row.try_get("place")?,
        language: row.try_get("language")?,
        order: row.try_get("ordinal")?,
    })
}
