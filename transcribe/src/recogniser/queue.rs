//! Utterances that wait for a worker: bounded, first come first served, one at a time for
//! each feed so that its lines come in order. Guesses at utterances that are still being spoken come
//! after all of them, and are dropped rather than late.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::FeedId;
use super::feed::FeedProfile;
use crate::segments::Segment;

/// Speech that may wait decoded, over all feeds: 2 MB. Behind it the feeds wait compressed, which takes a
/// sixteenth.
pub(super) const MAX_WAITING_MS: u64 = 30 * 1_000;

/// What a worker does next.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) feed: FeedId,
    pub(super) work: Work,
}

#[derive(Debug)]
pub(super) enum Work {
    Recognise(Arc<FeedProfile>, Segment),
    /// The utterance is still being spoken: this much of it. True once the guess gave way.
    Guess(Arc<FeedProfile>, Segment, Arc<AtomicBool>),
    /// The utterance may be over. True once it has gone on.
    Early(Arc<FeedProfile>, Segment, Arc<AtomicBool>),
    /// The feed's file could not be decoded further.
    Damaged(String),
    /// All of the feed was given before.
    End,
}

impl Work {
    fn may_be_over(&self) -> bool {
        matches!(self, Self::Early(_, _, went_on) if !went_on.load(Ordering::Relaxed))
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// At utterances that are not over, the newest of each feed.
    guesses: BTreeMap<FeedId, Work>,
    busy: HashSet<FeedId>,
    waiting_ms: u64,
    closed: bool,
}

impl Queue {
    /// Offers a guess in place of the feed's last one, unless there is more than guesses to do.
    pub(super) fn offer(&self, feed: FeedId, guess: impl FnOnce() -> Option<Work>) {
        let mut state = self.lock();
        if state.closed || !state.jobs.is_empty() {
            return;
        }
        if let Some(guess) = guess() {
            state.guesses.insert(feed, guess);
            self.changed.notify_all();
        }
    }

    /// Whether a guess should give way: there is an utterance to recognise that is over or may be, or
    /// an end.
    pub(super) fn is_pressed(&self) -> bool {
        let state = self.lock();
        state.closed || !state.jobs.is_empty() || state.guesses.values().any(Work::may_be_over)
    }

    /// Whether an utterance of `feed` that may be over should give way: somebody else's is.
    pub(super) fn is_pressed_beside(&self, feed: FeedId) -> bool {
        let state = self.lock();
        state.closed || state.jobs.front().is_some_and(|job| job.feed != feed)
    }

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
            // What it was a guess at has ended.
            state.guesses.remove(&job.feed);
            state.jobs.push_back(job);
            self.changed.notify_all();
        }
    }

    /// The oldest job of a feed that no other worker serves, else what may be over, else a guess; waits
    /// for one. `None` once the queue is closed. [`Self::done`] must follow.
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
            let free = state
                .guesses
                .iter()
                .filter(|(feed, _)| !state.busy.contains(feed));
            let next = free.min_by_key(|(_, work)| !work.may_be_over());
            if state.jobs.is_empty()
                && let Some(feed) = next.map(|(feed, _)| *feed)
                && let Some(work) = state.guesses.remove(&feed)
            {
                state.busy.insert(feed);
                return Some(Job { feed, work });
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
        state.guesses.clear();
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

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::*;

    fn segment(start_ms: u64) -> (Arc<FeedProfile>, Segment) {
        let profile = Arc::new(FeedProfile::new(Language::RUSSIAN, Vec::new(), []));
        let segment = Segment {
            start_ms,
            end_ms: start_ms + 1_000,
            speech_start_ms: start_ms,
            speech_end_ms: start_ms + 1_000,
            samples: Vec::new(),
        };
        (profile, segment)
    }

    fn offer(queue: &Queue, feed: u64, start_ms: u64) {
        let (profile, segment) = segment(start_ms);
        queue.offer(FeedId(feed), || {
            Some(Work::Guess(profile, segment, Arc::default()))
        });
    }

    fn push(queue: &Queue, feed: u64, start_ms: u64) {
        let (profile, segment) = segment(start_ms);
        queue.push(Job {
            feed: FeedId(feed),
            work: Work::Recognise(profile, segment),
        });
    }

    /// The next job: of which feed, from where on, and whether it is a guess.
    fn take(queue: &Queue) -> (u64, u64, bool) {
        let job = queue.take().unwrap();
        match job.work {
            Work::Recognise(_, segment) => (job.feed.0, segment.start_ms, false),
            Work::Guess(_, segment, _) => (job.feed.0, segment.start_ms, true),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_may_be_over_gives_way_to_others_alone() {
        let queue = Queue::default();
        push(&queue, 1, 10);
        assert!(!queue.is_pressed_beside(FeedId(1)), "it is over");
        push(&queue, 2, 20);
        assert!(!queue.is_pressed_beside(FeedId(1)), "it was over before");
        assert!(queue.is_pressed_beside(FeedId(2)));
        queue.close();
        assert!(queue.is_pressed_beside(FeedId(1)));
    }

    #[test]
    fn a_guess_gives_way_to_what_may_be_over() {
        let queue = Queue::default();
        let may_be_over = |feed, start_ms, went_on| {
            let (profile, segment) = segment(start_ms);
            let went_on = Arc::new(AtomicBool::new(went_on));
            queue.offer(FeedId(feed), || {
                Some(Work::Early(profile, segment, went_on))
            });
        };
        offer(&queue, 1, 10);
        may_be_over(2, 20, true);
        assert!(!queue.is_pressed(), "it went on");
        may_be_over(3, 30, false);
        assert!(queue.is_pressed());
        assert_eq!(queue.take().unwrap().feed, FeedId(3));
        assert_eq!(take(&queue), (1, 10, true));
    }

    #[test]
    fn guesses_wait_for_all_that_is_final_and_are_dropped_rather_than_late() {
        let queue = Queue::default();
        offer(&queue, 1, 10);
        offer(&queue, 1, 20);
        offer(&queue, 2, 30);
        push(&queue, 2, 40);
        offer(&queue, 3, 50);
        assert!(queue.is_pressed());
        assert_eq!(take(&queue), (2, 40, false), "what is final comes first");
        assert!(!queue.is_pressed());
        queue.done(FeedId(2), 1_000);
        assert_eq!(take(&queue), (1, 20, true), "only the newest guess");
        offer(&queue, 1, 60);
        offer(&queue, 4, 70);
        assert_eq!(take(&queue), (4, 70, true), "one at a time for each feed");
        queue.done(FeedId(1), 0);
        assert_eq!(take(&queue), (1, 60, true));
        assert_eq!(queue.waiting_ms(), 0, "guesses make nobody behind");
    }
}
