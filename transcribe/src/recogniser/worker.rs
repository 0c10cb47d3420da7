//! A worker: takes utterances from the queue until it is closed, and outlives a crash.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::engine::{Engine, Recognised};
use super::feed::Decoders;
use super::names::Asked;
use super::queue::{Job, Queue, Work};
use super::{FeedId, Guess, Language, RecogniserEvent, Word};
use crate::agreement::Agreement;
use crate::segments::Segment;

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
    /// What was recognised before it was over.
    pub(super) early: Mutex<HashMap<FeedId, Early>>,
}

/// What an utterance says that may be over.
#[derive(Debug)]
pub(super) struct Early {
    start_ms: u64,
    end_ms: u64,
    recognised: Recognised,
}

/// The guesses at one utterance.
#[derive(Debug)]
pub(super) struct Guessed {
    start_ms: u64,
    agreement: Agreement,
    asked: Asked,
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
            let is_guess = matches!(job.work, Work::Guess(..) | Work::Early(..));
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
            Work::Recognise(profile, segment) => {
                let recognised = match self.take_early(feed, &segment) {
                    Some(recognised) => Ok(recognised),
                    None => {
                        let asked = self.asked(feed, &segment);
                        engine.recognise(feed, &profile, &segment, &asked, None)
                    }
                };
                match recognised {
                    Ok(Recognised { line, choice }) => {
                        // Only what somebody said tells what they speak.
                        if let Some(line) = line {
                            profile.chose(choice);
                            self.send(RecogniserEvent::Line(line));
                        }
                    }
                    Err(reason) => self.failed(feed, reason),
                }
            }
            Work::Guess(profile, segment, gave_way) => {
                let start_ms = segment.speech_start_ms;
                let queue = Arc::clone(&self.queue);
                let stop = Arc::new(move || queue.is_pressed());
                let mut asked = self.asked(feed, &segment);
                match engine.guess(&profile, &segment, &mut asked, stop) {
                    Ok(words) => {
                        self.tell_guess(feed, start_ms, profile.spoken(), words, asked);
                    }
                    // Nobody misses it if the line comes next.
                    Err(_) => gave_way.store(true, Ordering::Relaxed),
                }
            }
            Work::Early(profile, segment, went_on) => {
                let queue = Arc::clone(&self.queue);
                let stop = move || went_on.load(Ordering::Relaxed) || queue.is_pressed_beside(feed);
                let (stop, asked) = (Some(Arc::new(stop) as _), self.asked(feed, &segment));
                // What fails is tried again when it is over.
                if let Ok(recognised) = engine.recognise(feed, &profile, &segment, &asked, stop) {
                    self.keep_early(feed, &segment, recognised, asked);
                }
            }
            Work::Damaged(reason) => self.failed(feed, reason),
            Work::End => {
                self.end_guess(feed);
                let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
                early.remove(&feed);
                drop(early);
                self.decoders.remove(feed);
                self.send(RecogniserEvent::FeedFinished { feed });
            }
        }
    }

    /// Shows what was recognised, until it is known whether it is a line.
    fn keep_early(&self, feed: FeedId, segment: &Segment, recognised: Recognised, asked: Asked) {
        let sure = recognised.line.iter().find(|line| line.doubt.is_none());
        if let Some(line) = sure {
            let start_ms = segment.speech_start_ms;
            self.tell_guess(feed, start_ms, line.language, line.words.clone(), asked);
        }
        let early = Early {
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            recognised,
        };
        let mut all = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(feed, early);
    }

    /// What was recognised of an utterance before it was over, if it did not go on.
    fn take_early(&self, feed: FeedId, segment: &Segment) -> Option<Recognised> {
        let mut all = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let early = all.remove(&feed)?;
        let is_it = (early.start_ms, early.end_ms) == (segment.start_ms, segment.end_ms);
        is_it.then_some(early.recognised)
    }

    /// What became known of the names in an utterance before.
    fn asked(&self, feed: FeedId, segment: &Segment) -> Asked {
        let guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let guessed = guesses.get(&feed);
        let guessed = guessed.filter(|guessed| guessed.start_ms == segment.speech_start_ms);
        guessed
            .map(|guessed| guessed.asked.clone())
            .unwrap_or_default()
    }

    fn tell_guess(
        &self,
        feed: FeedId,
        start_ms: u64,
        language: Language,
        words: Vec<Word>,
        asked: Asked,
    ) {
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
        guessed.asked = asked;
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

    /// Speech that waits or is being recognised, and sound that waits to be decoded, in ms.
    pub(super) fn waiting_ms(&self) -> u64 {
        self.queue.waiting_ms() + self.decoders.waiting_ms()
    }

    fn tell_backlog(&self) {
        let now = self.waiting_ms();
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
            asked: Asked::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use tokio::sync::mpsc::{self, Receiver};

    use super::super::engine::Stop;
    use super::super::feed::FeedProfile;
    use super::super::{Language, Line};
    use super::*;

    /// Says its segment's start; panics at 13 and fails at 14. Guesses a word for each second.
    #[derive(Default)]
    struct Fake {
        recognised: usize,
    }

    impl Engine for Fake {
        fn recognise(
            &mut self,
            feed: FeedId,
            profile: &FeedProfile,
            segment: &Segment,
            _: &Asked,
            stop: Option<Stop>,
        ) -> Result<Recognised, String> {
            if stop.is_some_and(|stop| stop()) {
                return Err("the test's own end".to_owned());
            }
            self.recognised += 1;
            assert_ne!(segment.start_ms, 13, "the test's own panic");
            if segment.start_ms == 14 {
                return Err("the test's own failure".to_owned());
            }
            let line = Some(Line {
                feed,
                start_ms: segment.start_ms,
                end_ms: segment.end_ms,
                text: String::new(),
                language: profile.spoken(),
                confidence: 1.0,
                weak: false,
                doubt: None,
                words: Vec::new(),
            });
            let choice = profile.choice();
            Ok(Recognised { line, choice })
        }

        fn guess(
            &mut self,
            _: &FeedProfile,
            segment: &Segment,
            _: &mut Asked,
            stop: Stop,
        ) -> Result<Vec<Word>, String> {
            if stop() {
                return Err("the test's own end".to_owned());
            }
            let words = (0..segment.duration_ms() / 1_000).map(|at| Word {
                text: at.to_string(),
                start_ms: segment.start_ms + at * 1_000,
                end_ms: segment.start_ms + (at + 1) * 1_000,
                confidence: 1.0,
            });
            Ok(words.collect())
        }
    }

    fn shared(events: usize) -> (Shared, Receiver<RecogniserEvent>) {
        let (events, heard) = mpsc::channel(events);
        let shared = Shared {
            queue: Arc::default(),
            decoders: Arc::default(),
            events,
            told_behind_ms: AtomicU64::new(0),
            guesses: Mutex::default(),
            early: Mutex::default(),
        };
        (shared, heard)
    }

    fn run(jobs: Vec<(u64, Option<u64>)>, workers: usize) -> Vec<String> {
        let (shared, mut heard) = shared(1);
        let shared = Arc::new(shared);
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
                thread::spawn(move || shared.work(Fake::default))
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
        // Less than may wait decoded.
        for start in 100..110 {
            jobs.push((1, Some(start)));
            jobs.push((2, Some(start)));
        }
        jobs.extend([(1, None), (2, None)]);
        let seen = run(jobs, 3);
        for feed in ["1", "2"] {
            let of: Vec<_> = seen.iter().filter(|s| s.starts_with(feed)).collect();
            assert_eq!(of.len(), 11);
            assert!(of.is_sorted() && of[10].ends_with("end"), "{of:?}");
        }
    }

    #[test]
    fn what_was_over_when_it_seemed_to_be_is_recognised_once() {
        let (shared, mut heard) = shared(100);
        let feed = FeedId(1);
        let profile = Arc::new(FeedProfile::new(Language::RUSSIAN, Vec::new(), []));
        let segment = |start_ms, end_ms| Segment {
            start_ms,
            end_ms,
            speech_start_ms: start_ms,
            speech_end_ms: end_ms,
            samples: Vec::new(),
        };
        let mut fake = Fake::default();
        let mut handle = |segment, early: Option<bool>| {
            let profile = Arc::clone(&profile);
            let work = match early {
                Some(went_on) => Work::Early(profile, segment, Arc::new(went_on.into())),
                None => Work::Recognise(profile, segment),
            };
            shared.handle(&mut fake, Job { feed, work });
            fake.recognised
        };
        assert_eq!(handle(segment(20, 30), Some(false)), 1);
        assert_eq!(handle(segment(20, 30), None), 1, "it was over");
        assert_eq!(handle(segment(40, 50), Some(false)), 2);
        assert_eq!(handle(segment(40, 70), None), 3, "it went on");
        assert_eq!(handle(segment(80, 90), Some(true)), 3, "it goes on");
        assert_eq!(handle(segment(80, 90), None), 4);
        let mut lines = Vec::new();
        while let Ok(event) = heard.try_recv() {
            if let RecogniserEvent::Line(line) = event {
                lines.push((line.start_ms, line.end_ms));
            }
        }
        assert_eq!(lines, [(20, 30), (40, 70), (80, 90)]);
    }

    #[test]
    fn of_a_guess_that_gave_way_it_is_known() {
        let (shared, _heard) = shared(100);
        let profile = Arc::new(FeedProfile::new(Language::RUSSIAN, Vec::new(), []));
        let segment = || Segment {
            start_ms: 0,
            end_ms: 2_000,
            speech_start_ms: 0,
            speech_end_ms: 2_000,
            samples: Vec::new(),
        };
        let guess = || {
            let gave_way: Arc<AtomicBool> = Arc::default();
            let work = Work::Guess(Arc::clone(&profile), segment(), Arc::clone(&gave_way));
            let feed = FeedId(1);
            shared.handle(&mut Fake::default(), Job { feed, work });
            gave_way.load(Ordering::Relaxed)
        };
        assert!(!guess(), "nothing else waits");
        let work = Work::Recognise(Arc::clone(&profile), segment());
        let feed = FeedId(2);
        shared.queue.push(Job { feed, work });
        assert!(guess());
    }

    #[test]
    fn guesses_agree_until_the_line_comes() {
        let (shared, mut heard) = shared(100);
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
            let work = Work::Guess(Arc::clone(&profile), segment(seconds), Arc::default());
            shared.handle(&mut Fake::default(), Job { feed, work });
        }
        let work = Work::Recognise(profile, segment(5));
        shared.queue.push(Job { feed, work });
        let queue = Arc::clone(&shared.queue);
        let worker = thread::spawn(move || shared.work(Fake::default));
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
