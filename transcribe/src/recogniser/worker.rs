//! A worker: takes utterances from the queue until it is closed, and outlives a crash.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::engine::Engine;
use super::feed::Decoders;
use super::queue::{Job, Queue, Work};
use super::{FeedId, Guess, Language, RecogniserEvent, Word};
use crate::agreement::Agreement;

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
    /// The guesses at what is being spoken.
    pub(super) guesses: Mutex<HashMap<FeedId, Guessed>>,
}

/// The guesses at one utterance.
#[derive(Debug)]
pub(super) struct Guessed {
    start_ms: u64,
    agreement: Agreement,
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
            let is_guess = matches!(job.work, Work::Guess(..));
            let outcome = catch_unwind(AssertUnwindSafe(|| self.handle(&mut engine, job)));
            if outcome.is_err() {
                self.failed(feed, "the recogniser crashed on an utterance".to_owned());
                engine = make();
            }
            if !is_guess {
                self.end_guess(feed);
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
            Work::Guess(profile, segment) => {
                let start_ms = segment.speech_start_ms;
                // Nobody misses a guess that fails: the line comes.
                if let Ok(words) = engine.guess(&profile, &segment) {
                    self.tell_guess(feed, start_ms, profile.spoken(), words);
                }
            }
            Work::Damaged(reason) => self.failed(feed, reason),
            Work::End => {
                self.end_guess(feed);
                self.decoders.remove(feed);
                self.send(RecogniserEvent::FeedFinished { feed });
            }
        }
    }

    fn tell_guess(&self, feed: FeedId, start_ms: u64, language: Language, words: Vec<Word>) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let guessed = guesses
            .entry(feed)
            .and_modify(|guessed| {
                if guessed.start_ms != start_ms {
                    *guessed = Guessed::at(start_ms);
                }
            })
            .or_insert_with(|| Guessed::at(start_ms));
        guessed.agreement.hear(words);
        let guess = Guess {
            feed,
            start_ms,
            language,
            agreed: guessed.agreement.agreed().to_vec(),
            rest: guessed.agreement.rest().to_vec(),
        };
        // The next one says more.
        let _ = self.events.try_send(RecogniserEvent::Guess(guess));
    }

    /// What was guessed at is over, with a line or without one.
    fn end_guess(&self, feed: FeedId) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let guessed = guesses.remove(&feed);
        drop(guesses);
        if guessed.is_some() {
            self.send(RecogniserEvent::GuessOver { feed });
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

impl Guessed {
    fn at(start_ms: u64) -> Self {
        Self {
            start_ms,
            agreement: Agreement::default(),
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

    /// Says its segment's start; panics at 13 and fails at 14. Guesses a word for each second.
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
                language: profile.spoken(),
                confidence: 1.0,
                weak: false,
                doubt: None,
                words: Vec::new(),
            }))
        }

        fn guess(&mut self, _: &FeedProfile, segment: &Segment) -> Result<Vec<Word>, String> {
            let words = (0..segment.duration_ms() / 1_000).map(|at| Word {
                text: at.to_string(),
                start_ms: segment.start_ms + at * 1_000,
                end_ms: segment.start_ms + (at + 1) * 1_000,
                confidence: 1.0,
            });
            Ok(words.collect())
        }
    }

    fn run(jobs: Vec<(u64, Option<u64>)>, workers: usize) -> Vec<String> {
        let (events, mut heard) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            queue: Arc::default(),
            decoders: Arc::default(),
            events,
            told_behind_ms: AtomicU64::new(0),
            guesses: Mutex::default(),
        });
        let profile = Arc::new(FeedProfile::new(Language::RUSSIAN, Vec::new(), []));
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
                RecogniserEvent::Guess(_)
                | RecogniserEvent::GuessOver { .. }
                | RecogniserEvent::Behind { .. } => {}
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

    #[test]
    fn guesses_agree_until_the_line_comes() {
        let (events, mut heard) = mpsc::channel(100);
        let shared = Shared {
            queue: Arc::default(),
            decoders: Arc::default(),
            events,
            told_behind_ms: AtomicU64::new(0),
            guesses: Mutex::default(),
        };
        let feed = FeedId(1);
        let profile = Arc::new(FeedProfile::new(Language::RUSSIAN, Vec::new(), []));
        let segment = |seconds: u64| Segment {
            start_ms: 500,
            end_ms: 500 + seconds * 1_000,
            speech_start_ms: 500,
            speech_end_ms: 500 + seconds * 1_000,
            samples: Vec::new(),
        };
        for seconds in [2, 4] {
            let work = Work::Guess(Arc::clone(&profile), segment(seconds));
            shared.handle(&mut Fake, Job { feed, work });
        }
        let work = Work::Recognise(profile, segment(5));
        shared.queue.push(Job { feed, work });
        let queue = Arc::clone(&shared.queue);
        let worker = thread::spawn(move || shared.work(|| Fake));
        let mut seen = Vec::new();
        while seen.last() != Some(&"over".to_owned()) {
            seen.push(match heard.blocking_recv().unwrap() {
                RecogniserEvent::Guess(guess) => {
                    assert_eq!((guess.feed, guess.start_ms), (feed, 500));
                    format!("{} stay, {} may", guess.agreed.len(), guess.rest.len())
                }
                RecogniserEvent::Line(_) => "line".to_owned(),
                RecogniserEvent::GuessOver { .. } => "over".to_owned(),
                other => panic!("{other:?}"),
            });
        }
        queue.close();
        worker.join().unwrap();
        assert_eq!(seen, ["0 stay, 2 may", "2 stay, 2 may", "line", "over"]);
    }
}
