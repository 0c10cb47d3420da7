//! One track's way into the recogniser.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::names::Names;
use super::queue::{Job, Queue, Work};
use super::{Language, RecogniserError};
use crate::decode::{DecodeError, PcmSink, TailDecoder};
use crate::language_choice::LanguageChoice;
use crate::segments::{LONG_MS, Segment, Segmenter};

/// One file of one speaker, within one recogniser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(pub(super) u64);

/// What the recogniser is told about a file before its first byte.
#[derive(Clone)]
pub struct FeedInfo {
    /// The speaker's language, else the hearing's.
    pub language: Language,
    /// Names that are likely to be said, as a document writes them: of people, places, companies. Those
    /// in the letters of the language that is spoken are listened for.
    pub names: Vec<String>,
    /// Where the file begins on the record clock, in ms.
    pub starts_ms: u64,
    /// Utterances that begin earlier, in ms on the record clock, were recognised before: they are
    /// decoded and passed over. 0: none.
    pub known_until_ms: u64,
}

impl std::fmt::Debug for FeedInfo {
    // Names of parties are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedInfo")
            .field("language", &self.language)
            .field("starts_ms", &self.starts_ms)
            .finish_non_exhaustive()
    }
}

/// What a worker needs to know about a feed.
pub(super) struct FeedProfile {
    names: Vec<String>,
    /// Which language is spoken, as far as was heard.
    choice: Mutex<LanguageChoice>,
}

impl FeedProfile {
    /// The speaker may speak any of `languages` beside their own.
    pub(super) fn new(
        language: Language,
        names: Vec<String>,
        languages: impl IntoIterator<Item = Language>,
    ) -> Self {
        Self {
            names,
            choice: Mutex::new(LanguageChoice::new(language, languages)),
        }
    }

    /// The names that may be said in this language.
    pub(super) fn names(&self, language: Language) -> Names {
        Names::of(&self.names, language)
    }

    /// The language to assume.
    pub(super) fn spoken(&self) -> Language {
        self.lock().current()
    }

    /// How the language is chosen; a copy.
    pub(super) fn choice(&self) -> LanguageChoice {
        self.lock().clone()
    }

    /// What an utterance has made of it.
    pub(super) fn chose(&self, choice: LanguageChoice) {
        *self.lock() = choice;
    }

    fn lock(&self) -> MutexGuard<'_, LanguageChoice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FeedProfile {
    // Names of parties are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedProfile")
            .field("spoken", &self.spoken())
            .finish_non_exhaustive()
    }
}

/// The decoders of all feeds. A worker removes one when its feed has ended, for a decoder
/// cannot be taken down by its own thread.
#[derive(Debug, Default)]
pub(super) struct Decoders {
    running: Mutex<HashMap<FeedId, Arc<TailDecoder>>>,
}

impl Decoders {
    pub(super) fn insert(&self, feed: FeedId, decoder: Arc<TailDecoder>) {
        self.lock().insert(feed, decoder);
    }

    pub(super) fn remove(&self, feed: FeedId) {
        let decoder = self.lock().remove(&feed);
        // Taken down outside the lock: it joins a thread.
        drop(decoder);
    }

    /// Sound that waits to be decoded, in ms.
    pub(super) fn waiting_ms(&self) -> u64 {
        self.lock()
            .values()
            .map(|decoder| decoder.waiting_ms())
            .sum()
    }

    pub(super) fn clear(&self) {
        let decoders = std::mem::take(&mut *self.lock());
        drop(decoders);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FeedId, Arc<TailDecoder>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to give one file to the recogniser. Dropping it is the same as
/// [`Feed::finish`]: what was pushed is still recognised.
#[derive(Debug)]
pub struct Feed {
    id: FeedId,
    decoder: Arc<TailDecoder>,
    ended: AtomicBool,
}

impl Feed {
    pub(super) fn new(id: FeedId, decoder: Arc<TailDecoder>) -> Self {
        Self {
            id,
            decoder,
            ended: AtomicBool::new(false),
        }
    }

    /// The feed's name in the recogniser's events.
    pub fn id(&self) -> FeedId {
        self.id
    }

    /// Gives the next chunk of the file, as the recorder acknowledged it. Chunks must come in
    /// order and without a gap; they need not match the file's own blocks. Never blocks:
    /// what the recogniser cannot take yet waits, compressed, up to
    /// [`MAX_WAITING_BYTES`](crate::decode::MAX_WAITING_BYTES) (32 MiB, two hours of speech).
    ///
    /// # Errors
    /// [`RecogniserError::FeedFull`] when that is reached: the chunk was not taken. The caller
    /// keeps its place in the file and pushes the same chunk later; the record has it.
    /// [`RecogniserError::FeedEnded`] after [`Self::finish`], after the file proved damaged,
    /// or after the recogniser was shut down.
    pub fn push(&self, chunk: Bytes) -> Result<(), RecogniserError> {
        if self.ended.load(Ordering::Acquire) {
            return Err(RecogniserError::FeedEnded);
        }
        self.decoder.push(chunk).map_err(|error| match error {
            DecodeError::Full => RecogniserError::FeedFull,
            _ => RecogniserError::FeedEnded,
        })
    }

    /// Bytes that were pushed and are not being decoded yet.
    pub fn waiting_bytes(&self) -> u64 {
        self.decoder.waiting_bytes()
    }

    /// No chunk follows. The last utterance is closed, and when all lines were delivered
    /// [`super::RecogniserEvent::FeedFinished`] comes.
    pub fn finish(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            self.decoder.finish();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.finish();
    }
}

/// An utterance that is being spoken is guessed at again when it has grown by this much, in ms; not when
/// it is long, for then it is about to end, and its line would wait for the guess.
const GUESS_EVERY_MS: u64 = 2_000;

/// Decoded sound -> utterances -> queue. Lives on the decoder's thread.
pub(super) struct FeedSink {
    pub(super) feed: FeedId,
    pub(super) profile: Arc<FeedProfile>,
    pub(super) segmenter: Segmenter,
    /// Utterances that begin earlier, in ms on the record clock, are passed over.
    pub(super) known_until_ms: u64,
    pub(super) queue: Arc<Queue>,
    /// Whether utterances are guessed at while they are being spoken.
    pub(super) guesses: bool,
    /// The last guess, and the utterance that it was at.
    pub(super) last_guess: LastGuess,
    /// The utterance that may be over; true takes it back.
    pub(super) early: Option<Arc<AtomicBool>>,
}

/// A guess at an utterance that is being spoken.
#[derive(Debug, Default)]
pub(super) struct LastGuess {
    /// Where the utterance begins, in ms on the record clock.
    start_ms: u64,
    /// How long it was, in ms.
    length_ms: u64,
    /// Nothing came of the guess.
    gave_way: Arc<AtomicBool>,
}

impl LastGuess {
    /// Whether there should be another one, at the utterance that begins there and is so long by now (ms).
    fn calls_for_another(&self, start_ms: u64, length_ms: u64) -> bool {
        let is_at = self.start_ms == start_ms && !self.gave_way.load(Ordering::Relaxed);
        let known_ms = if is_at { self.length_ms } else { 0 };
        (known_ms + GUESS_EVERY_MS..LONG_MS).contains(&length_ms)
    }
}

impl FeedSink {
    fn enqueue(&mut self, segment: Segment) {
        self.early = None;
        if segment.speech_start_ms < self.known_until_ms {
            return;
        }
        self.queue.push(Job {
            feed: self.feed,
            work: Work::Recognise(Arc::clone(&self.profile), segment),
        });
    }

    /// Takes back what may have been over and was not.
    fn go_on(&mut self) {
        if let Some(went_on) = self.early.take() {
            went_on.store(true, Ordering::Relaxed);
        }
    }

    /// Offers what is being spoken, if anything is.
    fn offer(&mut self) {
        let Some((start_ms, length_ms)) = self.segmenter.growing() else {
            return;
        };
        if start_ms < self.known_until_ms {
            return;
        }
        if self.segmenter.pauses() {
            self.offer_early();
        } else if self.last_guess.calls_for_another(start_ms, length_ms) {
            self.offer_guess(start_ms, length_ms);
        }
    }

    /// Whoever pauses has finished, more often than not: to recognise it at once saves the reader the
    /// rest of the silence that ends an utterance.
    fn offer_early(&mut self) {
        if self.early.is_some() {
            return;
        }
        let went_on = Arc::default();
        self.early = Some(Arc::clone(&went_on));
        self.queue.offer(self.feed, || {
            let so_far = self.segmenter.so_far()?;
            Some(Work::Early(Arc::clone(&self.profile), so_far, went_on))
        });
    }

    fn offer_guess(&mut self, start_ms: u64, length_ms: u64) {
        let gave_way = Arc::default();
        self.last_guess = LastGuess {
            start_ms,
            length_ms,
            gave_way: Arc::clone(&gave_way),
        };
        self.queue.offer(self.feed, || {
            let so_far = self.segmenter.so_far()?;
            Some(Work::Guess(Arc::clone(&self.profile), so_far, gave_way))
        });
    }
}

impl PcmSink for FeedSink {
    fn samples(&mut self, at: u64, samples: &[f32]) {
        for segment in self.segmenter.push(at, samples) {
            self.enqueue(segment);
        }
        if !self.segmenter.pauses() {
            self.go_on();
        }
    }

    // Not sooner: of a pause in the middle of a chunk it is known already that it ended nothing.
    fn caught_up(&mut self) {
        if self.guesses {
            self.offer();
        }
    }

    fn ended(&mut self, outcome: Result<(), DecodeError>) {
        if let Some(segment) = self.segmenter.finish() {
            self.enqueue(segment);
        }
        let feed = self.feed;
        if let Err(error) = outcome {
            let work = Work::Damaged(error.to_string());
            self.queue.push(Job { feed, work });
        }
        let work = Work::End;
        self.queue.push(Job { feed, work });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_utterance_is_guessed_at_every_two_seconds_until_it_is_about_to_end() {
        let last = LastGuess {
            start_ms: 500,
            length_ms: 4_000,
            gave_way: Arc::default(),
        };
        let calls = |start_ms, length_ms| last.calls_for_another(start_ms, length_ms);
        assert!(!calls(500, 5_990) && calls(500, 6_000));
        assert!(!calls(9_000, 1_990) && calls(9_000, 2_000), "the next one");
        assert!(!calls(500, 12_000));
        last.gave_way.store(true, Ordering::Relaxed);
        assert!(
            last.calls_for_another(500, 4_600),
            "nobody read the last one"
        );
    }
}
