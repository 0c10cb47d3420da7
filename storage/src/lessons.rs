//! What the dictionary of a court learns of the edits of lines, and what people decide about it.

use crate::{
    database::{Database, micros, timestamp},
    digest::Digest,
    error::StorageError,
    events::{NewEvent, append},
    ids::{CorrectionChoiceId, HearingId, LineId, ParticipantId},
};
use jiff::Timestamp;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use std::fmt;

/// Words, and what is to be written in their place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaughtWords {
    /// In which language they are heard (ISO 639-1).
    pub language: String,
    /// What is heard, in small letters.
    pub heard: String,
    /// What is written. The same as `heard`: it stays as it is.
    pub written: String,
}

/// What was spoken is never logged.
impl fmt::Debug for TaughtWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaughtWords").finish_non_exhaustive()
    }
}

/// What an edit of a line teaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLesson {
    /// The words.
    pub words: TaughtWords,
    /// Whether they are a name, which is right wherever it is heard so.
    pub is_name: bool,
}

/// A person's decision about an entry of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCorrectionChoice {
    /// Which.
    pub id: CorrectionChoiceId,
    /// About what.
    pub words: TaughtWords,
    /// Whether it is applied from now on.
    pub applied: bool,
    /// Who decided.
    pub chooser: ParticipantId,
    /// When.
    pub at: Timestamp,
}

impl NewCorrectionChoice {
    /// What the log of the hearing holds of the words, as [`crate::NewLineEdit::sha256`]: the hash of
    /// the choice's identifier and of the words, with colons between them.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        let TaughtWords {
            language,
            heard,
            written,
        } = &self.words;
        Digest::of(format!("{}:{language}:{heard}:{written}", self.id).as_bytes())
    }
}

/// An entry that the dictionary of a court may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaughtRow {
    /// The words.
    pub words: TaughtWords,
    /// In how many lines somebody wrote it so.
    pub lines: u32,
    /// Whether it was a name in one of them.
    pub is_name: bool,
    /// Whether one of the lines is of the hearing that was asked for.
    pub here: bool,
    /// What somebody decided about it last, and when.
    pub choice: Option<(bool, Timestamp)>,
}

/// Replaces what a line taught by what its last edit teaches.
pub(crate) async fn put_lessons(
    transaction: &mut Transaction<'_, Sqlite>,
    hearing: HearingId,
    line: LineId,
    lessons: &[NewLesson],
) -> Result<(), StorageError> {
    sqlx::query("DELETE FROM lessons WHERE line = $1")
        .bind(line.to_string())
        .execute(&mut **transaction)
        .await?;
    for lesson in lessons {
        sqlx::query(
            "INSERT INTO lessons (hearing, line, language, heard, written, is_name) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(hearing.to_string())
        .bind(line.to_string())
        .bind(&lesson.words.language)
        .bind(&lesson.words.heard)
        .bind(&lesson.words.written)
        .bind(lesson.is_name)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

impl Database {
    /// What was taught in hearings of the same court as this one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn taught(&self, hearing: HearingId) -> Result<Vec<TaughtRow>, StorageError> {
        // A court has one set of names, and in the hearing's language one name.
        let rows = sqlx::query(
            "WITH of_court AS ( \
                 SELECT other.id FROM hearings AS other JOIN hearings AS this ON this.id = $1 \
                 WHERE other.court_names = this.court_names \
                   AND (other.court_names <> 'null' OR other.court = this.court) \
             ), chosen AS ( \
                 SELECT language, heard, written, applied, chosen_us, ROW_NUMBER() OVER ( \
                     PARTITION BY language, heard, written ORDER BY chosen_us DESC, id DESC \
                 ) AS nth \
                 FROM correction_choices WHERE hearing IN (SELECT id FROM of_court) \
             ) \
             SELECT lessons.language, lessons.heard, lessons.written, COUNT(*) AS lines, \
                    MAX(lessons.is_name) AS is_name, MAX(lessons.hearing = $1) AS here, \
                    chosen.applied, chosen.chosen_us \
             FROM lessons LEFT JOIN chosen ON chosen.language = lessons.language \
                  AND chosen.heard = lessons.heard AND chosen.written = lessons.written \
                  AND chosen.nth = 1 \
             WHERE lessons.hearing IN (SELECT id FROM of_court) \
             GROUP BY lessons.language, lessons.heard, lessons.written, chosen.applied, \
                      chosen.chosen_us \
             ORDER BY lessons.language, lessons.heard, lessons.written",
        )
        .bind(hearing.to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(taught_of).collect()
    }

    /// Stores a decision together with the events that tell of it, all or nothing.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing or the person is unknown.
    pub async fn append_correction_choice(
        &self,
        hearing: HearingId,
        events: Vec<NewEvent>,
        choice: &NewCorrectionChoice,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        append(&mut transaction, hearing, events).await?;
        sqlx::query(
            "INSERT INTO correction_choices (id, hearing, language, heard, written, applied, \
             chooser, chosen_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(choice.id.to_string())
        .bind(hearing.to_string())
        .bind(&choice.words.language)
        .bind(&choice.words.heard)
        .bind(&choice.words.written)
        .bind(choice.applied)
        .bind(choice.chooser.to_string())
        .bind(micros(choice.at))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn taught_of(row: &SqliteRow) -> Result<TaughtRow, StorageError> {
    let applied: Option<bool> = row.try_get("applied")?;
    let chosen: Option<i64> = row.try_get("chosen_us")?;
    let choice = match applied.zip(chosen) {
        Some((applied, at)) => Some((applied, timestamp(at)?)),
        None => None,
    };
    Ok(TaughtRow {
        words: TaughtWords {
            language: row.try_get("language")?,
            heard: row.try_get("heard")?,
            written: row.try_get("written")?,
        },
        lines: row.try_get("lines")?,
        is_name: row.try_get("is_name")?,
        here: row.try_get("here")?,
        choice,
    })
}
