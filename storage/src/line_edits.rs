//! What people write in place of lines of the draft. The machine's text stays beside it.

use crate::{
    database::{Database, micros, parse, timestamp},
    digest::Digest,
    error::StorageError,
    events::{NewEvent, append},
    ids::{HearingId, LineEditId, LineId, ParticipantId},
    lessons::{NewLesson, put_lessons},
};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use std::fmt;

/// An edit of a line, as a person asks for it.
#[derive(Clone, PartialEq, Eq)]
pub struct NewLineEdit {
    /// Which.
    pub id: LineEditId,
    /// Of which line.
    pub line: LineId,
    /// What is written in its place; nothing: the machine's text again.
    pub text: Option<String>,
    /// Who did it.
    pub editor: ParticipantId,
    /// When.
    pub at: Timestamp,
}

impl NewLineEdit {
    /// What the log of the hearing holds of the text: the hash of the edit's identifier, a colon
    /// and the text. Log lines outlive the hearing's key and go to witnesses, and a short text
    /// could be found from its hash alone. The identifier, which is random and is kept beside the
    /// text only, prevents that.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        let text = self.text.as_ref()?;
        Some(Digest::of(format!("{}:{text}", self.id).as_bytes()))
    }
}

/// What a person wrote is never logged.
impl fmt::Debug for NewLineEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewLineEdit")
            .field("id", &self.id)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// An edit as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEditRow {
    /// What was asked for.
    pub edit: NewLineEdit,
    /// The line's edits counted from 1: the highest counts.
    pub revision: u32,
}

impl Database {
    /// Stores an edit together with what it teaches, in place of what the line taught before, and with
    /// the events that tell of it, all or nothing.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if the hearing has no such line.
    pub async fn append_line_edit(
        &self,
        hearing: HearingId,
        events: Vec<NewEvent>,
        edit: NewLineEdit,
        lessons: &[NewLesson],
    ) -> Result<LineEditRow, StorageError> {
        let mut transaction = self.write().await?;
        let there: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM draft_lines WHERE id = $1 AND hearing = $2)",
        )
        .bind(edit.line.to_string())
        .bind(hearing.to_string())
        .fetch_one(&mut *transaction)
        .await?;
        if !there {
            return Err(StorageError::NotFound(format!("line {}", edit.line)));
        }
        let revision: u32 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(revision), 0) + 1 FROM line_edits WHERE line = $1",
        )
        .bind(edit.line.to_string())
        .fetch_one(&mut *transaction)
        .await?;
        append(&mut transaction, hearing, events).await?;
        sqlx::query(
            "INSERT INTO line_edits (id, hearing, line, revision, text, editor, edited_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(edit.id.to_string())
        .bind(hearing.to_string())
        .bind(edit.line.to_string())
        .bind(revision)
        .bind(&edit.text)
        .bind(edit.editor.to_string())
        .bind(micros(edit.at))
        .execute(&mut *transaction)
        .await?;
        put_lessons(&mut transaction, hearing, edit.line, lessons).await?;
        transaction.commit().await?;
        Ok(LineEditRow { edit, revision })
    }

    /// All edits of a hearing's lines, those of one line in their order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn line_edits(&self, hearing: HearingId) -> Result<Vec<LineEditRow>, StorageError> {
        let rows =
            sqlx::query("SELECT * FROM line_edits WHERE hearing = $1 ORDER BY line, revision")
                .bind(hearing.to_string())
                .fetch_all(&self.readers)
                .await?;
        rows.iter().map(edit_of).collect()
    }
}

fn edit_of(row: &SqliteRow) -> Result<LineEditRow, StorageError> {
    Ok(LineEditRow {
        edit: NewLineEdit {
            id: parse(row.try_get("id")?)?,
            line: parse(row.try_get("line")?)?,
            text: row.try_get("text")?,
            editor: parse(row.try_get("editor")?)?,
            at: timestamp(row.try_get("edited_us")?)?,
        },
        revision: row.try_get("revision")?,
    })
}
