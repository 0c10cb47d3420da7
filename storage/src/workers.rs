//! What recognisers in processes of their own and the server tell each other.
//!
//! A file of the record that is to be read is a job. Whoever leased it stores its lines and guesses,
//! and nobody else does: each of these writes looks at the lease, and keeps it.

use crate::{
    database::{Database, micros, parse, parse_json, timestamp},
    draft::{LineRow, insert_once, line_of},
    error::StorageError,
    ids::{HearingId, ParticipantId, SegmentId, WorkerId},
    jobs::{Job, job_of},
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::time::Duration;

/// A recogniser in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Which process.
    pub id: WorkerId,
    /// Its model's file, by name.
    pub model: String,
    /// SHA-256 of the model's file, hexadecimal.
    pub model_sha256: String,
    /// Speech that waits there or is being recognised, in ms.
    pub waiting_ms: u64,
    /// When it told this.
    pub seen_at: Timestamp,
}

/// What somebody is saying.
#[derive(Debug, Clone, PartialEq)]
pub struct GuessRow {
    /// In which hearing.
    pub hearing: HearingId,
    /// Who.
    pub participant: ParticipantId,
    /// As JSON of the crate above.
    pub guess: Value,
    /// When it was guessed.
    pub guessed_at: Timestamp,
}

/// Lines of a segment that begin later than this are wanted; nothing: all.
pub type LinesAfter = (SegmentId, Option<u32>);

/// Segments that one query asks for: SQLite takes a thousand terms.
const ASKED_AT_ONCE: usize = 200;

impl Database {
    /// A worker tells that it lives, and how it does. Those that told nothing for a day are forgotten.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_worker(&self, worker: &WorkerRow) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        let day_ago = worker.seen_at - Duration::from_secs(24 * 60 * 60);
        sqlx::query("DELETE FROM workers WHERE seen_us < $1")
            .bind(micros(day_ago))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO workers (id, model, model_sha256, waiting_ms, seen_us) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET waiting_ms = $4, seen_us = $5",
        )
        .bind(worker.id.to_string())
        .bind(&worker.model)
        .bind(&worker.model_sha256)
        .bind(i64::try_from(worker.waiting_ms).unwrap_or(i64::MAX))
        .bind(micros(worker.seen_at))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The workers, the one that told something last first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StorageError> {
        let rows = sqlx::query("SELECT * FROM workers ORDER BY seen_us DESC, id")
            .fetch_all(&self.readers)
            .await?;
        let worker = |row: &sqlx::sqlite::SqliteRow| {
            let waiting_ms: i64 = row.try_get("waiting_ms")?;
            Ok(WorkerRow {
                id: parse(row.try_get("id")?)?,
                model: row.try_get("model")?,
                model_sha256: row.try_get("model_sha256")?,
                waiting_ms: waiting_ms.unsigned_abs(),
                seen_at: timestamp(row.try_get("seen_us")?)?,
            })
        };
        rows.iter().map(worker).collect()
    }

    /// Stores a line that came of a leased job, and keeps the job for `lease` from `now`.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the lease was lost to another worker meanwhile, or as
    /// [`Self::put_line`].
    pub async fn put_line_of_job(
        &self,
        job: &Job,
        hearing: HearingId,
        line: &LineRow,
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        keep(&mut transaction, job, lease, now).await?;
        insert_once(&mut transaction, hearing, line).await?;
        Ok(transaction.commit().await?)
    }

    /// Stores what is being said in the segment of a leased job, or that it is over, and keeps the
    /// job for `lease` from `now`.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the lease was lost to another worker meanwhile.
    pub async fn put_guess_of_job(
        &self,
        job: &Job,
        segment: SegmentId,
        guess: Option<&GuessRow>,
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        keep(&mut transaction, job, lease, now).await?;
        sqlx::query("DELETE FROM draft_guesses WHERE segment = $1")
            .bind(segment.to_string())
            .execute(&mut *transaction)
            .await?;
        if let Some(guess) = guess {
            sqlx::query(
                "INSERT INTO draft_guesses (segment, hearing, participant, guess, guessed_us) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(segment.to_string())
            .bind(guess.hearing.to_string())
            .bind(guess.participant.to_string())
            .bind(guess.guess.to_string())
            .bind(micros(guess.guessed_at))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What is being said in all segments that workers read.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn guesses(&self) -> Result<Vec<GuessRow>, StorageError> {
        let rows = sqlx::query("SELECT * FROM draft_guesses")
            .fetch_all(&self.readers)
            .await?;
        let guess = |row: &sqlx::sqlite::SqliteRow| {
            Ok(GuessRow {
                hearing: parse(row.try_get("hearing")?)?,
                participant: parse(row.try_get("participant")?)?,
                guess: parse_json(row.try_get("guess")?)?,
                guessed_at: timestamp(row.try_get("guessed_us")?)?,
            })
        };
        rows.iter().map(guess).collect()
    }

    /// The lines of these segments, by segment and by the time they begin, each with its hearing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lines_after(
        &self,
        wanted: &[LinesAfter],
    ) -> Result<Vec<(HearingId, LineRow)>, StorageError> {
        let mut lines = Vec::new();
        for wanted in wanted.chunks(ASKED_AT_ONCE) {
            let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM draft_lines WHERE ");
            let mut any = query.separated(" OR ");
            for (segment, after) in wanted {
                any.push("(segment = ")
                    .push_bind_unseparated(segment.to_string());
                any.push_unseparated(" AND start_ms > ")
                    .push_bind_unseparated(after.map_or(-1, i64::from));
                any.push_unseparated(")");
            }
            query.push(" ORDER BY segment, start_ms");
            let rows = query.build().fetch_all(&self.readers).await?;
            for row in &rows {
                lines.push((parse(row.try_get("hearing")?)?, line_of(row)?));
            }
        }
        Ok(lines)
    }

    /// The jobs of a kind that are not over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_jobs(&self, kind: &str) -> Result<Vec<Job>, StorageError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE kind = $1 AND state IN ('waiting', 'leased') \
             ORDER BY due_us, id",
        )
        .bind(kind)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(job_of).collect()
    }
}

/// Keeps a leased job, if it is still the caller's.
async fn keep(
    transaction: &mut Transaction<'_, Sqlite>,
    job: &Job,
    lease: Duration,
    now: Timestamp,
) -> Result<(), StorageError> {
    let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
    let kept = sqlx::query(
        "UPDATE jobs SET leased_until_us = $1 WHERE id = $2 AND state = 'leased' AND attempts = $3",
    )
    .bind(micros(until))
    .bind(job.id.to_string())
    .bind(job.attempts)
    .execute(&mut **transaction)
    .await?;
    match kept.rows_affected() {
        0 => Err(job.lost()),
        _ => Ok(()),
    }
}
