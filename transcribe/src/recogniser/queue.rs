//! Utterances that wait for a worker: bounded, first come first served, one at a time for
//! each feed so that its lines come in order.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::FeedId;
use super::feed::FeedProfile;
use crate::segments::Segment;

/// Speech that may wait decoded, over all feeds: ten minutes are 38 MB. Behind it the feeds
/// wait compressed, which takes a sixteenth.
pub(super) const MAX_WAITING_MS: u64 = 10 * 60 * 1_000;

/// What a worker does next.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) feed: FeedId,
    pub(super) work: Work,
}

#[derive(Debug)]
pub(super) enum Work {
    Recognise(Arc<FeedProfile>, Segment),
    /// The feed's file could not be decoded further.
    Damaged(String),
    /// All of the feed was given before.
    End,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    busy: HashSet<FeedId>,
    waiting_ms: u64,
    closed: bool,
}

impl Queue {
    /// Adds a job. Speech waits while too much of it is queued, until there is room or the
    /// queue is closed.
    pub(super) fn push(&self, job: Job) {
        let mut state = self.lock();
        if let Work::Recognise(_, segment) = &job.work {
            while state.waiting_ms >= MAX_WAITING_MS && !state.closed {
                state = self.wait(state);
            }
            state.waiting_ms += segment.duration_ms();
        }
        if !state.closed {
            state.jobs.push_back(job);
            self.changed.notify_all();
        }
    }

    /// The oldest job of a feed that no other worker serves; waits for one. `None` once the
    /// queue is closed. [`Self::done`] must follow.
    pub(super) fn take(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let next = state
                .jobs
                .iter()
                .position(|job| !state.busy.contains(&job.feed));
            if let Some(job) = next.and_then(|index| state.jobs.remove(index)) {
                state.busy.insert(job.feed);
                return Some(job);
            }
            state = self.wait(state);
        }
    }

    /// A worker has finished with the feed's job, of so much speech.
    pub(super) fn done(&self, feed: FeedId, speech_ms: u64) {
        let mut state = self.lock();
        state.busy.remove(&feed);
        state.waiting_ms = state.waiting_ms.saturating_sub(speech_ms);
        self.changed.notify_all();
    }

    /// Speech that waits or is being recognised, in ms.
    pub(super) fn waiting_ms(&self) -> u64 {
        self.lock().waiting_ms
    }

    /// Drops all jobs and lets everybody go who waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.jobs.clear();
        self.changed.notify_all();
    }

    /// Waits for `time`, less where something changes meanwhile.
    pub(super) fn pause(&self, time: Duration) {
        // Woken or not, and poisoned or not, the caller looks again.
        let _ = self.changed.wait_timeout(self.lock(), time);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
