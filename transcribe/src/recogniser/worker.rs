//! A worker: takes utterances from the queue until it is closed, and outlives a crash.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::engine::Engine;
use super::feed::Decoders;
use super::queue::{Job, Queue, Work};
use super::{FeedId, RecogniserEvent};

/// The page should say so when a line comes this much later than it could.
const BEHIND_FROM_MS: u64 = 10_000;
/// The backlog is told again when it has changed by this much.
const BEHIND_STEP_MS: u64 = 5_000;

/// How often a worker that cannot deliver looks whether it should stop.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// What all workers of a recogniser share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Arc<Queue>,
    pub(super) decoders: Arc<Decoders>,
    pub(super) events: Sender<RecogniserEvent>,
    /// The backlog last told, in ms.
    pub(super) told_behind_ms: AtomicU64,
}

impl Shared {
    /// Works until the queue closes. `make` builds the engine, and builds it anew after a
    /// panic, since nothing is known of the old one's state.
    pub(super) fn work<E: Engine>(&self, make: impl Fn() -> E) {
        let mut engine = make();
        while let Some(job) = self.queue.take() {
            let feed = job.feed;
            let speech_ms = match &job.work {
                Work::Recognise(_, segment) => segment.duration_ms(),
                _ => 0,
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(&mut engine, job)));
            if outcome.is_err() {
                self.failed(feed, "the recogniser crashed on an utterance".to_owned());
                engine = make();
            }
            self.queue.done(feed, speech_ms);
            self.tell_backlog();
        }
    }

    fn handle<E: Engine>(&self, engine: &mut E, job: Job) {
        let feed = job.feed;
        match job.work {
            Work::Recognise(profile, segment) => match engine.recognise(feed, &profile, &segment) {
                Ok(Some(line)) => self.send(RecogniserEvent::Line(line)),
                Ok(None) => {}
                Err(reason) => self.failed(feed, reason),
            },
            Work::Damaged(reason) => self.failed(feed, reason),
            Work::End => {
                self.decoders.remove(feed);
                self.send(RecogniserEvent::FeedFinished { feed });
            }
        }
    }

    fn failed(&self, feed: FeedId, reason: String) {
        self.send(RecogniserEvent::Failed { feed, reason });
    }

    fn tell_backlog(&self) {
        let now = self.queue.waiting_ms();
        let now = if now < BEHIND_FROM_MS { 0 } else { now };
        let told = self.told_behind_ms.load(Ordering::Relaxed);
        if now.abs_diff(told) >= BEHIND_STEP_MS || (now == 0 && told > 0) {
            self.told_behind_ms.store(now, Ordering::Relaxed);
            // A reader who is behind with the events too learns it from the next one.
            let _ = self.events.try_send(RecogniserEvent::Behind { ms: now });
        }
    }

    /// Waits while the reader is slow, but not past the end of the recogniser.
    fn send(&self, mut event: RecogniserEvent) {
        loop {
            match self.events.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(_)) if self.queue.is_closed() => return,
                Err(TrySendError::Full(back)) => {
                    event = back;
                    self.queue.pause(FULL_PAUSE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::sync::mpsc;

    use super::super::feed::FeedProfile;
    use super::super::{Language, Line};
    use super::*;
    use crate::segments::Segment;

    /// Says its segment's start; panics at 13 and fails at 14.
    struct Fake;

    impl Engine for Fake {
        fn recognise(
            &mut self,
            feed: FeedId,
            profile: &FeedProfile,
            segment: &Segment,
        ) -> Result<Option<Line>, String> {
            assert_ne!(segment.start_ms, 13, "the test's own panic");
            if segment.start_ms == 14 {
                return Err("the test's own failure".to_owned());
            }
            Ok(Some(Line {
                feed,
                start_ms: segment.start_ms,
                end_ms: segment.end_ms,
                text: String::new(),
                language: profile.language,
                confidence: 1.0,
                weak: false,
                doubt: None,
                words: Vec::new(),
            }))
        }
    }

    fn run(jobs: Vec<(u64, Option<u64>)>, workers: usize) -> Vec<String> {
        let (events, mut heard) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            queue: Arc::default(),
            decoders: Arc::default(),
            events,
            told_behind_ms: AtomicU64::new(0),
        });
        let profile = Arc::new(FeedProfile {
            language: Language::RUSSIAN,
            prompt: String::new(),
            model: 0,
            weak: false,
        });
        let ends = jobs.iter().filter(|(_, start)| start.is_none()).count();
        for (feed, start) in jobs {
            let work = start.map_or(Work::End, |start_ms| {
                let segment = Segment {
                    start_ms,
                    end_ms: start_ms + 1_000,
                    speech_start_ms: start_ms,
                    speech_end_ms: start_ms,
                    samples: Vec::new(),
                };
                Work::Recognise(Arc::clone(&profile), segment)
            });
            let feed = FeedId(feed);
            shared.queue.push(Job { feed, work });
        }
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.work(|| Fake))
            })
            .collect();
        let mut seen = Vec::new();
        let mut ended = 0;
        while ended < ends {
            match heard.blocking_recv().unwrap() {
                RecogniserEvent::Line(line) => {
                    seen.push(format!("{} {}", line.feed.0, line.start_ms))
                }
                RecogniserEvent::Failed { feed, .. } => seen.push(format!("{} failed", feed.0)),
                RecogniserEvent::FeedFinished { feed } => {
                    ended += 1;
                    seen.push(format!("{} end", feed.0));
                }
                RecogniserEvent::Behind { .. } => {}
            }
        }
        shared.queue.close();
        for thread in threads {
            thread.join().unwrap();
        }
        seen
    }

    #[test]
    fn a_crash_costs_one_utterance_and_is_told() {
        let seen = run(
            vec![
                (1, Some(10)),
                (1, Some(13)),
                (1, Some(14)),
                (1, Some(20)),
                (1, None),
            ],
            1,
        );
        assert_eq!(seen, ["1 10", "1 failed", "1 failed", "1 20", "1 end"]);
    }

    #[test]
    fn lines_of_a_feed_come_in_order_however_many_workers_there_are() {
        let mut jobs = Vec::new();
        for start in 100..140 {
            jobs.push((1, Some(start)));
            jobs.push((2, Some(start)));
        }
        jobs.extend([(1, None), (2, None)]);
        let seen = run(jobs, 3);
        for feed in ["1", "2"] {
            let of: Vec<_> = seen.iter().filter(|s| s.starts_with(feed)).collect();
            assert_eq!(of.len(), 41);
            assert!(of.is_sorted() && of[40].ends_with("end"), "{of:?}");
        }
    }
}
