//! `otyrys worker`: a recogniser in a process of its own. What it reads is a queue in the database, which
//! it shares with others of its kind.

#[cfg(test)]
mod tests;

use super::{DRAFT, Draft, Speech, elsewhere::GONE};
use crate::{
    cli::{CommandError, explain, tell},
    config::Config,
    hub::{self, DraftNotice, HubError},
    resume::known_until_ms,
    serve::shutdown_signal,
    stores::Stores,
};
use jiff::Timestamp;
use otyrys_signaling::wire::DraftGuess;
use otyrys_storage::{
    GuessRow, Job, SegmentFacts, StorageError, WorkerRow,
    ids::{HearingId, ParticipantId, SegmentId, WorkerId},
};
use serde_json::json;
use std::{collections::HashMap, io, process::ExitCode, time::Duration};
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// For how long a file is a worker's that tells nothing: when it is over another one takes the file.
pub(super) const LEASE: Duration = Duration::from_secs(8);
/// How often a worker tells that it is there, and keeps its files.
const KEEP: Duration = Duration::from_secs(2);
/// How often it looks for a file that nobody reads.
const LOOK: Duration = Duration::from_millis(250);
/// With so much speech waiting a worker leaves new files to others ...
const ENOUGH_MS: u64 = 2_000;
/// ... for so long. What nobody takes is taken in the end: final work is late, never dropped.
const PATIENCE: Duration = Duration::from_secs(3);
/// How soon a file that could not be read is tried again, and how often.
const TRY_AGAIN: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 10;
/// A file that was taken so often is what its readers die of: it keeps them from the others.
const TAKEN_IN_VAIN: u32 = 30;

// A worker that is alive must never look gone.
const _: () = assert!(KEEP.as_secs() * 3 < GONE.as_secs() && GONE.as_secs() < LEASE.as_secs());

/// Recognises until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub(crate) async fn run(config: &Config) -> Result<ExitCode, CommandError> {
    if !(config.draft.enabled && config.draft.apart) {
        return Err("the server recognises by itself, or nobody does: set draft.apart".into());
    }
    let stores = Stores::open_beside(&config.server.data_dir, &config.record).await?;
    let corrections = config.draft.corrections()?;
    let stop = CancellationToken::new();
    let started = Draft::here(&config.draft, corrections, stores.clone(), stop.clone()).await;
    let (draft, mut notices) = started?;
    let mut worker = Worker::new(draft.clone(), stores).ok_or("there is no model")?;
    let WorkerRow { id, model, .. } = &worker.row;
    tell(
        &mut io::stdout(),
        &format!("Worker {id} recognises with {model}."),
    );
    let told_to_stop = shutdown_signal();
    tokio::pin!(told_to_stop);
    let mut look = time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keep = time::interval(KEEP);
    keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let outcome = tokio::select! {
            told = &mut told_to_stop => {
                told?;
                break;
            }
            _ = keep.tick() => worker.keep().await,
            notice = notices.recv() => match notice {
                Some((hearing, notice)) => worker.noticed(hearing, notice).await,
                None => break,
            },
            _ = look.tick() => worker.take().await,
        };
        if let Err(error) = outcome {
            tracing::error!(error = explain(&error), "the queue cannot be reached");
            time::sleep(LOOK).await;
        }
    }
    stop.cancel();
    drop(notices);
    draft.stopped().await;
    worker.give_back().await?;
    worker.stores.database.close().await;
    Ok(ExitCode::SUCCESS)
}

struct Worker {
    row: WorkerRow,
    stores: Stores,
    draft: Draft,
    /// The files that it reads.
    held: HashMap<SegmentId, Held>,
}

struct Held {
    job: Job,
    participant: ParticipantId,
    hearing: HearingId,
    /// All lines of the file are stored.
    read: bool,
}

impl Worker {
    /// Around a recogniser of this process; nothing if it is none.
    fn new(draft: Draft, stores: Stores) -> Option<Self> {
        let model = draft.model()?;
        Some(Self {
            row: WorkerRow {
                id: WorkerId::generate(),
                model: model.name,
                model_sha256: model.sha256,
                waiting_ms: 0,
                seen_at: Timestamp::now(),
            },
            draft,
            stores,
            held: HashMap::new(),
        })
    }

    /// Takes a file that nobody reads, if there is one.
    async fn take(&mut self) -> Result<(), StorageError> {
        let database = &self.stores.database;
        let busy = self.draft.waiting_ms() > ENOUGH_MS;
        let patience = if busy { PATIENCE } else { Duration::ZERO };
        let now = Timestamp::now() - patience;
        let Some(job) = database.lease(&[DRAFT], LEASE + patience, now).await? else {
            return Ok(());
        };
        if job.attempts > TAKEN_IN_VAIN {
            return self.cannot(&job, "too many workers ended over it").await;
        }
        match self.begin(&job).await {
            // Nobody can read it any more.
            Err(HubError::Storage(StorageError::KeyDestroyed(_))) => {
                self.stores.database.complete(&job).await
            }
            Err(error) => self.cannot(&job, &explain(&error)).await,
            Ok(()) => Ok(()),
        }
    }

    async fn begin(&mut self, job: &Job) -> Result<(), HubError> {
        let facts: SegmentFacts = serde_json::from_value(job.payload.clone())
            .map_err(|error| StorageError::Invalid(error.to_string()))?;
        let database = &self.stores.database;
        let hearing = hub::load(database, facts.hearing).await?;
        let lines = database.lines(facts.hearing).await?;
        let known_until_ms = known_until_ms(&lines, facts.segment);
        tracing::info!(hearing.id = %facts.hearing, segment.id = %facts.segment, attempts = job.attempts, known_until_ms, "reading a file of the record");
        let held = Held {
            job: job.clone(),
            participant: facts.participant,
            hearing: facts.hearing,
            read: false,
        };
        self.held.insert(facts.segment, held);
        let speech = Speech::of(&hearing, facts.participant);
        self.draft
            .read(facts, speech, known_until_ms, Some(job.clone()));
        Ok(())
    }

    /// A file cannot be read, for now or for good.
    async fn cannot(&self, job: &Job, cause: &str) -> Result<(), StorageError> {
        tracing::error!(
            job.key,
            attempts = job.attempts,
            cause,
            "a file of the record is not being recognised"
        );
        let again = (job.attempts < ATTEMPTS).then(|| Timestamp::now() + TRY_AGAIN);
        self.stores.database.fail(job, cause, again).await
    }

    async fn noticed(
        &mut self,
        hearing: Option<HearingId>,
        notice: DraftNotice,
    ) -> Result<(), StorageError> {
        match (hearing, notice) {
            (_, DraftNotice::SegmentRead(segment)) => {
                if let Some(held) = self.held.get_mut(&segment) {
                    held.read = true;
                }
                self.complete(segment).await
            }
            (Some(hearing), DraftNotice::Guess(participant, guess)) => {
                self.guessed(hearing, participant, guess).await
            }
            // Lines are stored when they are told; how far behind it is, it tells in its own time.
            (_, DraftNotice::Line(_) | DraftNotice::State(_)) | (None, _) => Ok(()),
        }
    }

    async fn guessed(
        &mut self,
        hearing: HearingId,
        participant: ParticipantId,
        guess: Option<DraftGuess>,
    ) -> Result<(), StorageError> {
        let mut held = self.held.iter();
        let of = held.find(|(_, of)| of.hearing == hearing && of.participant == participant);
        let Some((segment, of)) = of else {
            return Ok(());
        };
        let now = Timestamp::now();
        let guess = guess.map(|guess| GuessRow {
            hearing,
            participant,
            guess: json!(guess),
            guessed_at: now,
        });
        let database = &self.stores.database;
        let stored = database
            .put_guess_of_job(&of.job, *segment, guess.as_ref(), LEASE, now)
            .await;
        let segment = *segment;
        self.unless_lost(segment, stored)
    }

    /// All of a file is stored.
    async fn complete(&mut self, segment: SegmentId) -> Result<(), StorageError> {
        let Some(held) = self.held.get(&segment).filter(|held| held.read) else {
            return Ok(());
        };
        let (database, job) = (&self.stores.database, &held.job);
        // A guess of somebody who read it before and died may be there still.
        let cleared = database.put_guess_of_job(job, segment, None, LEASE, Timestamp::now());
        let completed = match cleared.await {
            Ok(()) => database.complete(job).await,
            Err(error) => Err(error),
        };
        self.unless_lost(segment, completed)?;
        self.held.remove(&segment);
        self.draft.settled(segment);
        Ok(())
    }

    /// Somebody else has the file: what is heard in it here is nobody's.
    fn unless_lost(
        &mut self,
        segment: SegmentId,
        outcome: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        match outcome {
            Err(StorageError::Conflict(cause)) => {
                tracing::warn!(segment.id = %segment, cause, "another worker has taken the file");
                self.draft.abandon(segment);
                self.held.remove(&segment);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Keeps what it reads, ends what it has read or cannot read, and tells how it does.
    async fn keep(&mut self) -> Result<(), StorageError> {
        let now = Timestamp::now();
        self.row.seen_at = now;
        self.row.waiting_ms = self.draft.waiting_ms();
        self.stores.database.note_worker(&self.row).await?;
        let segments: Vec<SegmentId> = self.held.keys().copied().collect();
        for segment in segments {
            let Some(held) = self.held.get(&segment) else {
                continue;
            };
            if held.read {
                self.complete(segment).await?;
            } else if self.draft.reads(segment) {
                let job = &held.job;
                let kept = self
                    .stores
                    .database
                    .note_job(job, &job.payload, LEASE, now)
                    .await;
                self.unless_lost(segment, kept)?;
            } else if let Some(held) = self.held.remove(&segment) {
                // Why was logged where it happened.
                let ended = self
                    .cannot(&held.job, "it could not be read to its end")
                    .await;
                self.unless_lost(segment, ended)?;
            }
        }
        Ok(())
    }

    /// What it has not read to the end is anybody's at once.
    async fn give_back(&self) -> Result<(), StorageError> {
        let now = Timestamp::now();
        for held in self.held.values() {
            match self
                .stores
                .database
                .fail(&held.job, "the worker ended", Some(now))
                .await
            {
                Ok(()) | Err(StorageError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
