//! The server's side of recognisers in processes of their own: files that they are to read go into
//! the queue, and what they store is told to the hearings.

use super::{Draft, ModelUsed, Recognition, line_of};
use crate::hub::DraftNotice;
use jiff::Timestamp;
use otyrys_signaling::wire::{DraftGuess, DraftOffReason, DraftState};
use otyrys_storage::{
    GuessRow, Job, JobState, LinesAfter, NewJob, SegmentFacts, StorageError, WorkerRow,
    ids::{HearingId, ParticipantId, SegmentId},
};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use tokio::time;

/// Jobs of workers. The key is the segment, the payload its facts.
pub(crate) const DRAFT: &str = "draft";

/// How often it is looked at what the workers stored.
const LOOK: Duration = Duration::from_millis(250);
/// How soon it is looked at again when the database failed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A worker that told nothing for so long is not there, and what it guessed is over.
pub(super) const GONE: Duration = Duration::from_secs(7);
/// Speech that waits for less is no delay: a worker takes a file when it is ready for it.
const BEHIND_WORTH_TELLING: Duration = Duration::from_secs(10);

/// What is known of the workers, and what the hearings were told of their work.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// Segments that are being read, with the beginning of the last line that was told.
    followed: HashMap<SegmentId, Followed>,
    guesses: HashMap<(HearingId, ParticipantId), DraftGuess>,
    state: DraftState,
    waiting_ms: u64,
    model: Option<ModelUsed>,
}

#[derive(Debug)]
struct Followed {
    facts: SegmentFacts,
    told_ms: Option<u32>,
    queued: bool,
}

impl Default for Elsewhere {
    fn default() -> Self {
        Self {
            followed: HashMap::new(),
            guesses: HashMap::new(),
            state: DraftState::Off {
                reason: DraftOffReason::NoWorker,
            },
            waiting_ms: 0,
            model: None,
        }
    }
}

impl Elsewhere {
    pub(super) fn state(&self) -> DraftState {
        self.state.clone()
    }

    pub(super) fn model(&self) -> Option<ModelUsed> {
        self.model.clone()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.waiting_ms > 0
    }

    /// Lets the workers read a file; its lines are known before a time of the record.
    pub(super) fn follow(&mut self, facts: SegmentFacts, known_until_ms: u64) {
        let told_ms = known_until_ms.checked_sub(1);
        let told_ms = told_ms.and_then(|told| u32::try_from(told).ok());
        let followed = Followed {
            told_ms,
            facts,
            queued: false,
        };
        self.followed.insert(followed.facts.segment, followed);
    }
}

impl Draft {
    /// Tells the hearings what the workers store, until everything stops.
    pub(super) async fn watch_workers(self) {
        loop {
            let pause = match self.look_at_workers().await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::error!(%error, "it cannot be seen what the recognisers do");
                    LOOK_AGAIN
                }
            };
            let stop = &self.inner.stop;
            if stop.run_until_cancelled(time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn look_at_workers(&self) -> Result<(), StorageError> {
        let database = &self.inner.stores.database;
        let now = Timestamp::now();
        for facts in self.elsewhere(|there| unqueued(&there.followed)) {
            let job = NewJob {
                kind: DRAFT.to_owned(),
                key: facts.segment.to_string(),
                hearing: Some(facts.hearing),
                payload: json!(facts),
                due: now,
            };
            database.enqueue(&job).await?;
            self.elsewhere(|there| {
                if let Some(followed) = there.followed.get_mut(&facts.segment) {
                    followed.queued = true;
                }
            });
        }
        // In this order: when a job is over all its lines are stored, and a line is stored before its
        // guess is over.
        let open = database.open_jobs(DRAFT).await?;
        let followed: Vec<LinesAfter> = self.elsewhere(|there| {
            let followed = there.followed.iter();
            followed
                .map(|(segment, of)| (*segment, of.told_ms))
                .collect()
        });
        for (hearing, row) in database.lines_after(&followed).await? {
            let (segment, start_ms) = (row.segment, row.start_ms);
            if let Ok(line) = line_of(row, None) {
                self.tell(Some(hearing), DraftNotice::Line(line)).await;
            }
            self.elsewhere(|there| {
                if let Some(followed) = there.followed.get_mut(&segment) {
                    followed.told_ms = Some(start_ms);
                }
            });
        }
        let guesses = database.guesses().await?;
        for (hearing, participant, guess) in self.elsewhere(|there| there.guessed(guesses, now)) {
            self.tell(Some(hearing), DraftNotice::Guess(participant, guess))
                .await;
        }
        self.tell_what_is_read(&open).await?;
        let workers = database.workers().await?;
        if self.elsewhere(|there| there.worked(&workers, &open, now)) {
            self.tell(None, DraftNotice::State(self.state())).await;
        }
        Ok(())
    }

    /// Tells of the files whose jobs are over.
    async fn tell_what_is_read(&self, open: &[Job]) -> Result<(), StorageError> {
        let open: HashSet<&str> = open.iter().map(|job| job.key.as_str()).collect();
        let over: Vec<SegmentFacts> = self.elsewhere(|there| {
            let over = there.followed.values().filter(|followed| {
                followed.queued && !open.contains(followed.facts.segment.to_string().as_str())
            });
            over.map(|followed| followed.facts.clone()).collect()
        });
        for facts in over {
            let key = facts.segment.to_string();
            let jobs = self.inner.stores.database.jobs(facts.hearing).await?;
            let job = jobs.iter().find(|job| job.kind == DRAFT && job.key == key);
            match job.map(|job| job.state) {
                Some(JobState::Done) => {
                    let read = DraftNotice::SegmentRead(facts.segment);
                    self.tell(Some(facts.hearing), read).await;
                }
                Some(JobState::Failed) => {
                    let cause = job.and_then(|job| job.last_error.as_deref());
                    tracing::error!(hearing.id = %facts.hearing, segment.id = %facts.segment, cause, "a file of the record is not being recognised");
                    self.settled(facts.segment);
                }
                // It was queued after the look at the queue.
                Some(JobState::Waiting | JobState::Leased) | None => continue,
            }
            self.elsewhere(|there| there.followed.remove(&facts.segment));
        }
        Ok(())
    }

    /// Does something with what is known of the workers. Only where they are.
    fn elsewhere<T: Default>(&self, does: impl FnOnce(&mut Elsewhere) -> T) -> T {
        match &self.inner.recognition {
            Recognition::Elsewhere(there) => does(&mut super::lock(there)),
            Recognition::Here(..) | Recognition::Off(_) => T::default(),
        }
    }
}

fn unqueued(followed: &HashMap<SegmentId, Followed>) -> Vec<SegmentFacts> {
    let unqueued = followed.values().filter(|followed| !followed.queued);
    unqueued.map(|followed| followed.facts.clone()).collect()
}

impl Elsewhere {
    /// What of these guesses is new to the hearings, and which are over.
    fn guessed(
        &mut self,
        rows: Vec<GuessRow>,
        now: Timestamp,
    ) -> Vec<(HearingId, ParticipantId, Option<DraftGuess>)> {
        let mut current = HashMap::new();
        for row in rows {
            if now.duration_since(row.guessed_at).unsigned_abs() < GONE
                && let Ok(guess) = serde_json::from_value::<DraftGuess>(row.guess)
            {
                current.insert((row.hearing, row.participant), guess);
            }
        }
        let before = std::mem::replace(&mut self.guesses, current);
        let over = before.keys().filter(|of| !self.guesses.contains_key(of));
        let over = over.map(|(hearing, participant)| (*hearing, *participant, None));
        let new = self
            .guesses
            .iter()
            .filter(|(of, guess)| before.get(of) != Some(guess));
        let new = new
            .map(|((hearing, participant), guess)| (*hearing, *participant, Some(guess.clone())));
        over.chain(new).collect()
    }

    /// Takes what the workers told of themselves; whether the draft does otherwise than before.
    fn worked(&mut self, workers: &[WorkerRow], open: &[Job], now: Timestamp) -> bool {
        if let Some(latest) = workers.first() {
            self.model = Some(ModelUsed {
                name: latest.model.clone(),
                sha256: latest.model_sha256.clone(),
            });
        }
        let alive = workers
            .iter()
            .filter(|worker| now.duration_since(worker.seen_at).unsigned_abs() < GONE);
        let waiting: Vec<u64> = alive.map(|worker| worker.waiting_ms).collect();
        self.waiting_ms = waiting.iter().sum();
        // Who speaks into a file that nobody took waits for all of it.
        let untaken = open.iter().filter(|job| job.state == JobState::Waiting);
        let untaken = untaken.map(|job| now.duration_since(job.due).as_millis());
        let untaken = untaken.max().and_then(|ms| u64::try_from(ms).ok());
        let behind_ms = waiting.iter().copied().max().max(untaken).unwrap_or(0);
        let told_ms = match u128::from(behind_ms) >= BEHIND_WORTH_TELLING.as_millis() {
            true => behind_ms / 1_000 * 1_000,
            false => 0,
        };
        let state = match waiting.is_empty() {
            true => DraftState::Off {
                reason: DraftOffReason::NoWorker,
            },
            false => DraftState::Running {
                behind_ms: super::ms(told_ms),
            },
        };
        std::mem::replace(&mut self.state, state.clone()) != state
    }
}
