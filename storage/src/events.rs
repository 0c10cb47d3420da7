//! The event log of a hearing: append-only, hash-chained, kept as the very lines it is exported as.

use crate::{
    chain::{check_line, close_line},
    database::{Database, micros, parse},
    digest::Digest,
    error::StorageError,
    ids::HearingId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Sqlite, Transaction};

/// Something that happened in a hearing.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// What, in the words of the crate above.
    pub kind: String,
    /// Who did it, if a person did.
    pub actor: Option<String>,
    /// From where (IP address), if over the network.
    pub origin: Option<String>,
    /// The rest.
    pub data: Value,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Place in the hearing's log, from 1.
    pub seq: u64,
    /// In which hearing.
    pub hearing: HearingId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: String,
    /// Who did it, if a person did.
    pub actor: Option<String>,
    /// From where, if over the network.
    pub origin: Option<String>,
    /// The rest.
    pub data: Value,
    /// Hash of the event before; of the first, [`genesis`].
    pub prev: Digest,
    /// Hash of this one.
    pub hash: Digest,
    /// The line as it is stored, hashed and exported, without line end.
    pub line: String,
}

/// The members of a line in their order; `hash` follows them.
#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    hearing: HearingId,
    at: Timestamp,
    kind: String,
    actor: Option<String>,
    origin: Option<String>,
    data: Value,
    prev: Digest,
}

/// What the first event of a hearing is chained to: it ties the log to its hearing.
#[must_use]
pub fn genesis(hearing: HearingId) -> Digest {
    Digest::of(format!("otyrys-events/1:{hearing}").as_bytes())
}

impl StoredEvent {
    /// Reads a line and checks its own hash (not the chain).
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn from_line(text: &str) -> Result<Self, &'static str> {
        let hash = check_line(text)?;
        let line: Line = serde_json::from_str(text).map_err(|_| "the line is not an event")?;
        Ok(Self {
            seq: line.seq,
            hearing: line.hearing,
            at: line.at,
            kind: line.kind,
            actor: line.actor,
            origin: line.origin,
            data: line.data,
            prev: line.prev,
            hash,
            line: text.to_owned(),
        })
    }

    /// Checks that this event follows another (`None`: is the first) in its hearing's log.
    pub(crate) fn follows(&self, hearing: HearingId, before: Option<(u64, Digest)>) -> bool {
        let (seq, hash) = before.unwrap_or((0, genesis(hearing)));
        self.hearing == hearing && self.seq == seq + 1 && self.prev == hash
    }
}

impl Database {
    /// Appends events, all or none. When this returns, they are on disk.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing is unknown.
    pub async fn append_events(
        &self,
        hearing: HearingId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        let mut transaction = self.write().await?;
        let stored = append(&mut transaction, hearing, events).await?;
        transaction.commit().await?;
        Ok(stored)
    }

    /// Appends events and stores the state that they lead to, all or nothing. `closed_at` closes
    /// the hearing.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing is unknown or closed already.
    pub async fn append_events_with_state(
        &self,
        hearing: HearingId,
        events: Vec<NewEvent>,
        state: &Value,
        closed_at: Option<Timestamp>,
    ) -> Result<Vec<StoredEvent>, StorageError> {
        let mut transaction = self.write().await?;
        let stored = append(&mut transaction, hearing, events).await?;
        let changed = sqlx::query(
            "UPDATE hearings SET state = $1, closed_us = $2 WHERE id = $3 AND closed_us IS NULL",
        )
        .bind(state.to_string())
        .bind(closed_at.map(micros))
        .bind(hearing.to_string())
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(StorageError::Conflict(format!(
                "hearing {hearing} is closed or unknown"
            )));
        }
        transaction.commit().await?;
        Ok(stored)
    }

    /// The whole log of a hearing in order, checked while it is read; empty for an unknown one.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if the chain does not hold.
    pub async fn events(&self, hearing: HearingId) -> Result<Vec<StoredEvent>, StorageError> {
        let lines: Vec<String> =
            sqlx::query_scalar("SELECT line FROM events WHERE hearing = $1 ORDER BY seq")
                .bind(hearing.to_string())
                .fetch_all(&self.readers)
                .await?;
        let mut last = None;
        let mut events = Vec::with_capacity(lines.len());
        for line in lines {
            let event = StoredEvent::from_line(&line)
                .ok()
                .filter(|event| event.follows(hearing, last))
                .ok_or_else(|| {
                    StorageError::corrupt(
                        format!("event {} of hearing {hearing}", events.len() + 1),
                        "the hash chain does not hold",
                    )
                })?;
            last = Some((event.seq, event.hash));
            events.push(event);
        }
        Ok(events)
    }
}

pub(crate) async fn append(
    transaction: &mut Transaction<'static, Sqlite>,
    hearing: HearingId,
    events: Vec<NewEvent>,
) -> Result<Vec<StoredEvent>, StorageError> {
    let last: Option<(i64, String)> =
        sqlx::query_as("SELECT seq, hash FROM events WHERE hearing = $1 ORDER BY seq DESC LIMIT 1")
            .bind(hearing.to_string())
            .fetch_optional(&mut **transaction)
            .await?;
    let (mut seq, mut prev) = match last {
        Some((seq, hash)) => (seq, parse(&hash)?),
        None => (0, genesis(hearing)),
    };
    let mut stored = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        let body = Line {
            seq: seq.unsigned_abs(),
            hearing,
            at: event.at,
            kind: event.kind,
            actor: event.actor,
            origin: event.origin,
            data: event.data,
            prev,
        };
        let text = serde_json::to_string(&body)
            .map_err(|error| StorageError::Invalid(format!("an event is not JSON: {error}")))?;
        let (line, hash) = close_line(&text);
        sqlx::query(
            "INSERT INTO events (hearing, seq, kind, hash, line) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(hearing.to_string())
        .bind(seq)
        .bind(&body.kind)
        .bind(hash.to_string())
        .bind(&line)
        .execute(&mut **transaction)
        .await?;
        prev = hash;
        stored.push(StoredEvent {
            seq: body.seq,
            hearing,
            at: body.at,
            kind: body.kind,
            actor: body.actor,
            origin: body.origin,
            data: body.data,
            prev: body.prev,
            hash,
            line,
        });
    }
    Ok(stored)
}
