//! Deferred work: rows that are leased, retried and never forgotten.

use crate::{
    database::{Database, micros, parse, parse_json, timestamp},
    error::StorageError,
    ids::{HearingId, JobId},
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};
use std::time::Duration;

/// Work to be done once.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What kind of work, in the words of the crate above.
    pub kind: String,
    /// Tells one job of the kind from another: the same key twice is one job.
    pub key: String,
    /// For which hearing, if for one.
    pub hearing: Option<HearingId>,
    /// What the work needs to know.
    pub payload: Value,
    /// Not before this time.
    pub due: Timestamp,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// To be done when due.
    Waiting,
    /// Somebody works on it, or died over it if the lease ran out.
    Leased,
    /// Done.
    Done,
    /// Given up.
    Failed,
}

/// A job as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Which.
    pub id: JobId,
    /// What kind of work.
    pub kind: String,
    /// What tells it from others of its kind.
    pub key: String,
    /// For which hearing.
    pub hearing: Option<HearingId>,
    /// What the work needs to know, or how far it is.
    pub payload: Value,
    /// Where it stands.
    pub state: JobState,
    /// How often it was leased, this time included.
    pub attempts: u32,
    /// When it is (or was) due.
    pub due: Timestamp,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Job {
    /// Somebody else has it now.
    pub(crate) fn lost(&self) -> StorageError {
        StorageError::Conflict(format!("the lease of job {} was lost", self.id))
    }
}

impl Database {
    /// Stores a job, or finds the one with the same kind and key, whatever its state.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing is unknown.
    pub async fn enqueue(&self, job: &NewJob) -> Result<JobId, StorageError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO jobs (id, kind, dedup_key, hearing, payload, state, attempts, due_us) \
             VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6) ON CONFLICT (kind, dedup_key) DO NOTHING",
        )
        .bind(JobId::generate().to_string())
        .bind(&job.kind)
        .bind(&job.key)
        .bind(job.hearing.map(|hearing| hearing.to_string()))
        .bind(job.payload.to_string())
        .bind(micros(job.due))
        .execute(&mut *transaction)
        .await?;
        let id: String =
            sqlx::query_scalar("SELECT id FROM jobs WHERE kind = $1 AND dedup_key = $2")
                .bind(&job.kind)
                .bind(&job.key)
                .fetch_one(&mut *transaction)
                .await?;
        transaction.commit().await?;
        parse(&id)
    }

    /// Takes the job of one of these kinds that has been due longest, for `lease` from `now`. A
    /// job whose lease ran out (its worker died) is taken again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lease(
        &self,
        kinds: &[&str],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Option<Job>, StorageError> {
        if kinds.is_empty() {
            return Ok(None);
        }
        let until = now
            .checked_add(lease)
            .map_err(|_| StorageError::Invalid("the lease is too long".to_owned()))?;
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE jobs SET state = 'leased', ");
        query
            .push("attempts = attempts + 1, leased_until_us = ")
            .push_bind(micros(until));
        query.push(" WHERE id = (SELECT id FROM jobs WHERE kind IN (");
        let mut list = query.separated(", ");
        for kind in kinds {
            list.push_bind(*kind);
        }
        query
            .push(") AND ((state = 'waiting' AND due_us <= ")
            .push_bind(micros(now));
        query
            .push(") OR (state = 'leased' AND leased_until_us <= ")
            .push_bind(micros(now));
        query.push(")) ORDER BY due_us, id LIMIT 1) RETURNING *");
        let mut transaction = self.write().await?;
        let row = query.build().fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        row.as_ref().map(job_of).transpose()
    }

    /// Keeps the leased job for `lease` from `now`, and notes in its payload how far it is.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the lease was lost to another worker meanwhile.
    pub async fn note_job(
        &self,
        job: &Job,
        payload: &Value,
        lease: Duration,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let changed = sqlx::query(
            "UPDATE jobs SET payload = $1, leased_until_us = $2 \
             WHERE id = $3 AND state = 'leased' AND attempts = $4",
        )
        .bind(payload.to_string())
        .bind(micros(until))
        .bind(job.id.to_string())
        .bind(job.attempts)
        .execute(&self.writer)
        .await?;
        match changed.rows_affected() {
            0 => Err(job.lost()),
            _ => Ok(()),
        }
    }

    /// The leased job is done.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the lease was lost to another worker meanwhile.
    pub async fn complete(&self, job: &Job) -> Result<(), StorageError> {
        self.settle(job, "done", None, job.due).await
    }

    /// The leased job failed: it is tried again at `retry_at`, or never if that is `None`.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the lease was lost to another worker meanwhile.
    pub async fn fail(
        &self,
        job: &Job,
        error: &str,
        retry_at: Option<Timestamp>,
    ) -> Result<(), StorageError> {
        let state = if retry_at.is_some() {
            "waiting"
        } else {
            "failed"
        };
        self.settle(job, state, Some(error), retry_at.unwrap_or(job.due))
            .await
    }

    /// The jobs of a hearing, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn jobs(&self, hearing: HearingId) -> Result<Vec<Job>, StorageError> {
        let rows = sqlx::query("SELECT * FROM jobs WHERE hearing = $1 ORDER BY id")
            .bind(hearing.to_string())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(job_of).collect()
    }

    /// Makes every leased job of these kinds waiting again. For the start of the only process that runs
    /// them: what a crash interrupted need not wait for its lease to end.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_leases(&self, kinds: &[&str]) -> Result<(), StorageError> {
        for kind in kinds {
            sqlx::query(
                "UPDATE jobs SET state = 'waiting', leased_until_us = NULL \
                 WHERE state = 'leased' AND kind = $1",
            )
            .bind(kind)
            .execute(&self.writer)
            .await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        job: &Job,
        state: &str,
        error: Option<&str>,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        // The number of attempts is the fence: whoever leased the job since has raised it.
        let changed = sqlx::query(
            "UPDATE jobs SET state = $1, last_error = COALESCE($2, last_error), due_us = $3, \
             leased_until_us = NULL WHERE id = $4 AND state = 'leased' AND attempts = $5",
        )
        .bind(state)
        .bind(error)
        .bind(micros(due))
        .bind(job.id.to_string())
        .bind(job.attempts)
        .execute(&self.writer)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(job.lost());
        }
        Ok(())
    }
}

pub(crate) fn job_of(row: &SqliteRow) -> Result<Job, StorageError> {
    let hearing: Option<String> = row.try_get("hearing")?;
    Ok(Job {
        id: parse(row.try_get("id")?)?,
        kind: row.try_get("kind")?,
        key: row.try_get("dedup_key")?,
        hearing: hearing.as_deref().map(parse).transpose()?,
        payload: parse_json(row.try_get("payload")?)?,
        state: match row.try_get("state")? {
            "waiting" => JobState::Waiting,
            "leased" => JobState::Leased,
            "done" => JobState::Done,
            "failed" => JobState::Failed,
            other => return Err(StorageError::corrupt("a job", format!("state {other:?}"))),
        },
        attempts: row.try_get("attempts")?,
        due: timestamp(row.try_get("due_us")?)?,
        last_error: row.try_get("last_error")?,
    })
}
