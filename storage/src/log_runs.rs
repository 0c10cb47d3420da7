//! What the database keeps of a hearing's log: the order of its leaves, and its checkpoints.

use crate::{
    database::{Database, parse},
    error::StorageError,
    ids::{HearingId, SegmentId},
};
use std::{fmt, str::FromStr};

/// Whose lines are leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogSource {
    /// The event log.
    Events,
    /// The chunk log of a segment.
    Segment(SegmentId),
}

/// What stands for the event log in a text.
const EVENTS: &str = "events";

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str(EVENTS),
            Self::Segment(segment) => segment.fmt(f),
        }
    }
}

impl FromStr for LogSource {
    type Err = <SegmentId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            EVENTS => Ok(Self::Events),
            segment => segment.parse().map(Self::Segment),
        }
    }
}

/// Lines of one source that became leaves one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRun {
    /// Whose lines.
    pub source: LogSource,
    /// The first of them, from 1.
    pub first_line: u64,
    /// How many.
    pub lines: u64,
}

impl LogRun {
    /// Its lines among all lines of its source; nothing if they are not all there.
    pub(crate) fn of<'a, T>(&self, lines: &'a [T]) -> Option<&'a [T]> {
        let first = usize::try_from(self.first_line.checked_sub(1)?).ok()?;
        let count = usize::try_from(self.lines).ok()?;
        lines.get(first..)?.get(..count)
    }
}

/// The order of the leaves of a hearing's log, and what was signed of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLog {
    /// The leaves, in order.
    pub runs: Vec<LogRun>,
    /// The checkpoints, by size: signed notes, with the signatures of witnesses as further lines.
    pub checkpoints: Vec<String>,
}

impl StoredLog {
    /// How many events have their leaf.
    #[must_use]
    pub fn events(&self) -> u64 {
        let events = self
            .runs
            .iter()
            .filter(|run| run.source == LogSource::Events);
        events.map(|run| run.lines).sum()
    }
}

impl Database {
    /// The log of a hearing, empty if it has none.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if it is not a log.
    pub async fn hearing_log(&self, hearing: HearingId) -> Result<StoredLog, StorageError> {
        // One transaction, so that no checkpoint comes without its leaves.
        let mut reading = self.readers.begin().await?;
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT source, first_line, lines FROM log_runs WHERE hearing = $1 ORDER BY first_leaf",
        )
        .bind(hearing.to_string())
        .fetch_all(&mut *reading)
        .await?;
        let checkpoints = sqlx::query_scalar(
            "SELECT note || COALESCE((SELECT group_concat(line, '') FROM cosignatures \
                 WHERE hearing = checkpoints.hearing AND size = checkpoints.size), '') \
                 FROM checkpoints WHERE hearing = $1 ORDER BY size",
        )
        .bind(hearing.to_string())
        .fetch_all(&mut *reading)
        .await?;
        let run = |(source, first_line, lines): (String, i64, i64)| {
            Ok(LogRun {
                source: parse(&source)?,
                first_line: first_line.unsigned_abs(),
                lines: lines.unsigned_abs(),
            })
        };
        Ok(StoredLog {
            runs: rows
                .into_iter()
                .map(run)
                .collect::<Result<_, StorageError>>()?,
            checkpoints,
        })
    }

    /// How many leaves of a hearing's log a witness has signed for; 0 if none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn witnessed(&self, hearing: HearingId, witness: &str) -> Result<u64, StorageError> {
        let size: Option<i64> = sqlx::query_scalar(
            "SELECT MAX(size) FROM cosignatures WHERE hearing = $1 AND witness = $2",
        )
        .bind(hearing.to_string())
        .bind(witness)
        .fetch_one(&self.readers)
        .await?;
        Ok(size.unwrap_or_default().unsigned_abs())
    }

    /// Keeps the signature line of a witness under the checkpoint of this size.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if there is no such checkpoint.
    pub async fn add_cosignature(
        &self,
        hearing: HearingId,
        size: u64,
        witness: &str,
        line: &str,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO cosignatures (hearing, size, witness, line) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(hearing.to_string())
        .bind(size.cast_signed())
        .bind(witness)
        .bind(line)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The lines of a hearing's events after the first `known` ones, in order, not checked.
    pub(crate) async fn event_lines(
        &self,
        hearing: HearingId,
        known: u64,
    ) -> Result<Vec<String>, StorageError> {
        let lines = sqlx::query_scalar(
            "SELECT line FROM events WHERE hearing = $1 AND seq > $2 ORDER BY seq",
        )
        .bind(hearing.to_string())
        .bind(known.cast_signed())
        .fetch_all(&self.readers)
        .await?;
        Ok(lines)
    }

    /// Appends leaves to a log of `size` leaves, with the checkpoint over the whole, all or nothing.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the log has another size.
    pub(crate) async fn append_to_log(
        &self,
        hearing: HearingId,
        size: u64,
        runs: &[LogRun],
        checkpoint: &str,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        let mut leaf = size;
        for run in runs {
            sqlx::query(
                "INSERT INTO log_runs (hearing, first_leaf, source, first_line, lines) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(hearing.to_string())
            .bind(leaf.cast_signed())
            .bind(run.source.to_string())
            .bind(run.first_line.cast_signed())
            .bind(run.lines.cast_signed())
            .execute(&mut *transaction)
            .await?;
            leaf += run.lines;
        }
        sqlx::query("INSERT INTO checkpoints (hearing, size, note) VALUES ($1, $2, $3)")
            .bind(hearing.to_string())
            .bind(leaf.cast_signed())
            .bind(checkpoint)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}
