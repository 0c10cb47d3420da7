//! Lines of the draft protocol: the machine's own text, written once.

use crate::{
    database::{Database, parse, parse_json},
    error::StorageError,
    ids::{HearingId, LineId, ParticipantId, SegmentId},
};
use serde_json::Value;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

/// A line as the recogniser wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct LineRow {
    /// Which.
    pub id: LineId,
    /// Owner of the track it was heard on.
    pub participant: ParticipantId,
    /// The segment it was heard in.
    pub segment: SegmentId,
    /// Milliseconds on the hearing's record clock.
    pub start_ms: u32,
    /// Milliseconds on the hearing's record clock.
    pub end_ms: u32,
    /// What the machine heard.
    pub text: String,
    /// Language it was recognised in (ISO 639-1).
    pub language: String,
    /// Mean probability of the tokens, 0 to 1.
    pub confidence: f32,
    /// Not to be relied on without listening.
    pub weak: bool,
    /// The words with their times, as JSON of the crate above.
    pub words: Value,
    /// Which model wrote it.
    pub model: String,
    /// Which words a protocol writes otherwise, as JSON of the crate above.
    pub written: Value,
}

impl Database {
    /// Stores a line. Storing the same identifier again changes nothing: the machine's text is
    /// never overwritten.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing or the participant is unknown, or if the
    /// identifier is taken by a line that says something else.
    pub async fn put_line(&self, hearing: HearingId, line: &LineRow) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        insert_once(&mut transaction, hearing, line).await?;
        Ok(transaction.commit().await?)
    }

    /// The draft of a hearing, by the time the lines begin, without those that gave way to others
    /// after it ([`Self::put_final_pass`]).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lines(&self, hearing: HearingId) -> Result<Vec<LineRow>, StorageError> {
        let rows = sqlx::query(
            "SELECT * FROM draft_lines WHERE hearing = $1 \
             AND id NOT IN (SELECT line FROM replaced_lines WHERE hearing = $1) \
             ORDER BY start_ms, end_ms, id",
        )
        .bind(hearing.to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(line_of).collect()
    }
}

/// Adds a line that may be there already.
pub(crate) async fn insert_once(
    connection: &mut SqliteConnection,
    hearing: HearingId,
    line: &LineRow,
) -> Result<(), StorageError> {
    let there: Option<(String, i64)> =
        sqlx::query_as("SELECT text, start_ms FROM draft_lines WHERE id = $1")
            .bind(line.id.to_string())
            .fetch_optional(&mut *connection)
            .await?;
    match there {
        None => insert_line(connection, hearing, line).await,
        Some((text, start_ms)) if text == line.text && start_ms == i64::from(line.start_ms) => {
            Ok(())
        }
        Some(_) => Err(StorageError::Conflict(format!(
            "line {} says something else",
            line.id
        ))),
    }
}

/// Adds a line.
pub(crate) async fn insert_line(
    connection: &mut SqliteConnection,
    hearing: HearingId,
    line: &LineRow,
) -> Result<(), StorageError> {
    sqlx::query(
        "INSERT INTO draft_lines (id, hearing, participant, segment, start_ms, end_ms, text, \
         language, confidence, weak, words, model, written) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(line.id.to_string())
    .bind(hearing.to_string())
    .bind(line.participant.to_string())
    .bind(line.segment.to_string())
    .bind(line.start_ms)
    .bind(line.end_ms)
    .bind(&line.text)
    .bind(&line.language)
    .bind(f64::from(line.confidence))
    .bind(line.weak)
    .bind(line.words.to_string())
    .bind(&line.model)
    .bind(line.written.to_string())
    .execute(&mut *connection)
    .await?;
    Ok(())
}

pub(crate) fn line_of(row: &SqliteRow) -> Result<LineRow, StorageError> {
    // Stored from an f32, so nothing is lost.
    let confidence = row.try_get::<f64, _>("confidence")? as f32;
    Ok(LineRow {
        id: parse(row.try_get("id")?)?,
        participant: parse(row.try_get("participant")?)?,
        segment: parse(row.try_get("segment")?)?,
        start_ms: row.try_get("start_ms")?,
        end_ms: row.try_get("end_ms")?,
        text: row.try_get("text")?,
        language: row.try_get("language")?,
        confidence,
        weak: row.try_get("weak")?,
        words: parse_json(row.try_get("words")?)?,
        model: row.try_get("model")?,
        written: parse_json(row.try_get("written")?)?,
    })
}
