//! The end of what is kept: two persons agree, and the key of the hearing is destroyed.
//!
//! For how long a hearing is kept, and what the events are called, is for the crate above.

use crate::{
    at_rest::{HearingKeys, WrappedKey},
    database::{Database, micros, parse, timestamp},
    error::StorageError,
    events::{NewEvent, append},
    ids::HearingId,
};
use jiff::Timestamp;
use sqlx::Row;

/// How many persons must agree. One could err, or be made to.
const PERSONS: usize = 2;

/// A closed hearing, and what became of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub hearing: HearingId,
    /// Number of its case.
    pub case_number: String,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// Who agreed that its key be destroyed, in the order in which they did.
    pub approved_by: Vec<String>,
    /// When the key was destroyed, if it was.
    pub destroyed_at: Option<Timestamp>,
}

/// A person's word that the key of a hearing be destroyed, and the events that tell of it.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Who.
    pub person: String,
    /// When.
    pub at: Timestamp,
    /// What is stored of the approval.
    pub approved: NewEvent,
    /// What is stored when the key is destroyed with it.
    pub destroyed: NewEvent,
}

impl Database {
    /// The hearings that were closed, the earliest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept(&self) -> Result<Vec<Kept>, StorageError> {
        self.kept_of(None).await
    }

    /// A hearing that was closed; nothing if it is unknown or not closed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn kept_hearing(&self, hearing: HearingId) -> Result<Option<Kept>, StorageError> {
        Ok(self.kept_of(Some(hearing)).await?.pop())
    }

    /// All closed hearings, or one of them.
    async fn kept_of(&self, hearing: Option<HearingId>) -> Result<Vec<Kept>, StorageError> {
        // A row for each who agreed, and one where nobody did.
        let rows = sqlx::query(
            "SELECT h.id, h.case_number, h.closed_us, k.destroyed_us, a.person FROM hearings h \
             LEFT JOIN hearing_keys k ON k.hearing = h.id \
             LEFT JOIN key_approvals a ON a.hearing = h.id \
             WHERE h.closed_us IS NOT NULL AND h.id = COALESCE($1, h.id) \
             ORDER BY h.closed_us, h.id, a.approved_us, a.person",
        )
        .bind(hearing.map(|hearing| hearing.to_string()))
        .fetch_all(&self.readers)
        .await?;
        let mut kept: Vec<Kept> = Vec::new();
        for row in &rows {
            let hearing = parse(row.try_get("id")?)?;
            let person: Option<String> = row.try_get("person")?;
            if let Some(same) = kept.last_mut().filter(|last| last.hearing == hearing) {
                same.approved_by.extend(person);
                continue;
            }
            let destroyed_us: Option<i64> = row.try_get("destroyed_us")?;
            kept.push(Kept {
                hearing,
                case_number: row.try_get("case_number")?,
                closed_at: timestamp(row.try_get("closed_us")?)?,
                approved_by: person.into_iter().collect(),
                destroyed_at: destroyed_us.map(timestamp).transpose()?,
            });
        }
        Ok(kept)
    }

    /// Stores that a person agrees. With the second one the key of the hearing is destroyed, row
    /// and file, and the lines of its draft with it; tells whether it was. Events and seal stay.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the person has agreed before,
    /// [`StorageError::KeyDestroyed`], [`StorageError::KeyMissing`]; those of the disk, after which
    /// the file goes when the hearing is [ensured](HearingKeys::ensure) its key.
    pub async fn approve_destruction(
        &self,
        keys: &HearingKeys,
        kept: &Kept,
        approval: Approval,
    ) -> Result<bool, StorageError> {
        let hearing = kept.hearing;
        if kept.destroyed_at.is_some() {
            return Err(StorageError::KeyDestroyed(hearing));
        }
        let (person, at) = (approval.person.as_str(), approval.at);
        let mut transaction = self.write().await?;
        let before: Vec<String> =
            sqlx::query_scalar("SELECT person FROM key_approvals WHERE hearing = $1")
                .bind(hearing.to_string())
                .fetch_all(&mut *transaction)
                .await?;
        if before.iter().any(|other| is_same_name(other, person)) {
            return Err(StorageError::Conflict(format!(
                "{person} has agreed before: another person must agree"
            )));
        }
        sqlx::query("INSERT INTO key_approvals (hearing, person, approved_us) VALUES ($1, $2, $3)")
            .bind(hearing.to_string())
            .bind(person)
            .bind(micros(at))
            .execute(&mut *transaction)
            .await?;
        let destroyed = before.len() + 1 >= PERSONS;
        let mut events = vec![approval.approved];
        if destroyed {
            events.push(approval.destroyed);
            let left = WrappedKey::destroyed(hearing, at).to_line()?;
            let changed = sqlx::query(
                "UPDATE hearing_keys SET wrapped = $1, destroyed_us = $2 WHERE hearing = $3",
            )
            .bind(left)
            .bind(micros(at))
            .bind(hearing.to_string())
            .execute(&mut *transaction)
            .await?;
            if changed.rows_affected() == 0 {
                return Err(StorageError::KeyMissing(hearing));
            }
            // Edits, what they taught and what gave way refer to the lines.
            for said in [
                "DELETE FROM draft_guesses WHERE hearing = $1",
                "DELETE FROM correction_choices WHERE hearing = $1",
                "DELETE FROM lessons WHERE hearing = $1",
                "DELETE FROM line_edits WHERE hearing = $1",
                "DELETE FROM replaced_lines WHERE hearing = $1",
                "DELETE FROM draft_lines WHERE hearing = $1",
            ] {
                sqlx::query(said)
                    .bind(hearing.to_string())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        append(&mut transaction, hearing, events).await?;
        transaction.commit().await?;
        if destroyed {
            keys.destroy(hearing, at)?;
            // What was overwritten in the database still stands in its write-ahead log.
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&self.writer)
                .await?;
        }
        Ok(destroyed)
    }
}

/// Whether two spellings are one name.
fn is_same_name(one: &str, other: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split_whitespace();
        words.map(str::to_lowercase).collect()
    };
    words(one) == words(other)
}
