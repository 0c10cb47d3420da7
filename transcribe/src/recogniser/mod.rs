//! Recognises what tracks say: files in, lines of text out.
//!
//! Each [`Feed`] decodes and cuts its file on a thread of its own; [`RecogniserConfig::workers`]
//! threads share the loaded models and take the utterances in the order in which they end.
//! Nothing here is needed for the hearing or the record: every failure is an event, and what
//! was not recognised can be recognised from the record later.

mod engine;
mod feed;
mod guards;
mod language;
mod loaded;
mod names;
mod queue;
mod words;
mod worker;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use crate::corrections::Corrections;
use crate::decode::{DecodeError, TailDecoder};
use crate::models::ModelError;
use crate::rewriting::RewrittenWords;
use crate::segments::Segmenter;
use crate::written::written;
use engine::Whisper;
use feed::{FeedProfile, FeedSink, LastGuess};
use loaded::LoadedModels;
use worker::Shared;

pub use feed::{Feed, FeedId, FeedInfo};
pub use guards::Doubt;
pub use language::Language;
pub use words::Word;

/// Events that may wait for the reader. Workers pause when it is reached.
const EVENT_CAPACITY: usize = 1_024;

/// Which models to use and how much of the machine.
#[derive(Debug, Clone)]
pub struct RecogniserConfig {
    /// The ggml file for every language without its own.
    pub default_model: PathBuf,
    /// ggml files fitted to one language; their lines are not [`Line::weak`].
    pub language_models: BTreeMap<Language, PathBuf>,
    /// Languages that anybody may speak beside their own. Which one it is is told from each
    /// utterance of 5 s or more ([`crate::LanguageChoice`]); with none it is always their own.
    pub languages: Vec<Language>,
    /// Threads that run whisper, each with about 150 MB of its own for base. One keeps up
    /// with about four people who speak at once; more than there are idle cores only slows
    /// all of them.
    pub workers: NonZeroUsize,
    /// Width of the search for the likeliest words; 1 takes the likeliest one each time. With base
    /// 5 was measured to get 16.2 % of Russian words wrong, 1 to get 17.9 %, in two thirds of the
    /// time.
    pub beam: u8,
    /// Whether utterances are guessed at while they are being spoken
    /// ([`RecogniserEvent::Guess`]), and recognised as soon as they may be over, as far as workers have
    /// nothing else to do.
    pub guesses: bool,
}

/// Why the recogniser, or a feed, cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecogniserError {
    /// A model is missing or damaged; the message names the file and what is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// whisper.cpp does not take the model although its structure is sound.
    #[error("{path}: whisper.cpp does not take this model")]
    ModelRefused {
        /// The model's file.
        path: PathBuf,
    },
    /// whisper has no such language.
    #[error("there is no language {code:?} in whisper")]
    UnknownLanguage {
        /// The code as given.
        code: String,
    },
    /// The model for the language knows only English.
    #[error("the model for {language} knows only English")]
    EnglishOnly {
        /// The feed's language.
        language: Language,
    },
    /// The decoder does not start.
    #[error(transparent)]
    Decoder(#[from] DecodeError),
    /// A thread does not start: the machine's limit is reached.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// Too much of the feed waits; the chunk was not taken, push it again later.
    #[error("too much of this feed waits already")]
    FeedFull,
    /// The feed, or the recogniser, has ended.
    #[error("the feed has ended")]
    FeedEnded,
}

/// An utterance as text. Times are in ms on the record clock.
#[derive(Clone, PartialEq)]
pub struct Line {
    /// Whose words they are.
    pub feed: FeedId,
    /// When the speech begins.
    pub start_ms: u64,
    /// When the speech ends.
    pub end_ms: u64,
    /// The text, with punctuation.
    pub text: String,
    /// The language that was assumed.
    pub language: Language,
    /// Geometric mean of the tokens' probabilities, 0 to 1.
    pub confidence: f32,
    /// No model fits the language: the line must be shown as of a weak model.
    pub weak: bool,
    /// Why this line in particular should be listened to.
    pub doubt: Option<Doubt>,
    /// The words with their times; their texts, joined by spaces, are the line's.
    pub words: Vec<Word>,
}

impl Line {
    /// Which of the words a protocol writes otherwise: the court's dictionary first, then numbers,
    /// dates and articles.
    pub fn written(&self, corrections: &Corrections) -> Vec<RewrittenWords> {
        corrections
            .applied(self.language, &self.text)
            .then(|text| written(self.language, text))
            .in_words(self.words.iter().map(|word| word.text.as_str()))
    }
}

impl std::fmt::Debug for Line {
    // Spoken words are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("feed", &self.feed)
            .field("start_ms", &self.start_ms)
            .field("end_ms", &self.end_ms)
            .field("language", &self.language)
            .field("confidence", &self.confidence)
            .field("weak", &self.weak)
            .field("doubt", &self.doubt)
            .finish_non_exhaustive()
    }
}

/// An utterance that is still being spoken.
#[derive(Clone, PartialEq)]
pub struct Guess {
    /// Whose words they are.
    pub feed: FeedId,
    /// When the speech begins, in ms on the record clock: that of the line, unless it turns out too
    /// long for one.
    pub start_ms: u64,
    /// The language that is assumed.
    pub language: Language,
    /// The words that stay until the line comes ([`crate::Agreement`]).
    pub agreed: Vec<Word>,
    /// The words after those, which the next guess may change.
    pub rest: Vec<Word>,
}

impl std::fmt::Debug for Guess {
    // Spoken words are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guess")
            .field("feed", &self.feed)
            .field("start_ms", &self.start_ms)
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}

/// What the recogniser tells.
#[derive(Debug, Clone, PartialEq)]
pub enum RecogniserEvent {
    /// An utterance was recognised. Those of one feed come in order.
    Line(Line),
    /// What is being said, as far as it is known. Left out where the reader is slow.
    Guess(Guess),
    /// What was guessed at is over. The line, if it gave one, came just before.
    GuessOver {
        /// The feed.
        feed: FeedId,
    },
    /// All lines of the feed were delivered; the feed is gone.
    FeedFinished {
        /// The feed.
        feed: FeedId,
    },
    /// This much speech waits, and sound that may be speech, over all feeds. Comes when it reaches
    /// 10 s, when it changes by 5 s, and with 0 when it is under 10 s again.
    Behind {
        /// The speech in ms.
        ms: u64,
    },
    /// An utterance was lost, or the rest of the feed's file cannot be decoded. The feed's
    /// [`RecogniserEvent::FeedFinished`] still comes.
    Failed {
        /// The feed.
        feed: FeedId,
        /// What happened, in English, without spoken words.
        reason: String,
    },
}

/// The running recogniser. Dropping it stops it, like [`Recogniser::shutdown`], but waits for
/// the utterances at hand.
#[derive(Debug)]
pub struct Recogniser {
    models: Arc<LoadedModels>,
    /// Those of the configuration that a model serves.
    languages: Vec<Language>,
    shared: Arc<Shared>,
    guesses: bool,
    workers: Vec<JoinHandle<()>>,
    next_feed: AtomicU64,
}

impl Recogniser {
    /// Checks and loads the models and starts the workers. Takes about a second for base:
    /// call it off the async threads.
    ///
    /// # Errors
    /// [`RecogniserError`] names the model that is missing, damaged or refused.
    pub fn start(
        config: RecogniserConfig,
    ) -> Result<(Self, mpsc::Receiver<RecogniserEvent>), RecogniserError> {
        // Without a logging back end the hook drops what whisper.cpp prints.
        whisper_rs::install_logging_hooks();
        let models = LoadedModels::load(config.default_model, config.language_models)?;
        let models = Arc::new(models);
        let served = config.languages.into_iter();
        let languages = served.filter(|language| models.serves(*language)).collect();

        let (events, receiver) = mpsc::channel(EVENT_CAPACITY);
        let shared = Arc::new(Shared {
            queue: Arc::default(),
            decoders: Arc::default(),
            events,
            told_behind_ms: AtomicU64::new(0),
            guesses: Mutex::default(),
            early: Mutex::default(),
        });
        // Made first: its Drop stops the workers that did start if one does not.
        let mut recogniser = Self {
            models,
            languages,
            shared,
            guesses: config.guesses,
            workers: Vec::new(),
            next_feed: AtomicU64::new(1),
        };
        let beam = config.beam;
        for index in 0..config.workers.get() {
            let shared = Arc::clone(&recogniser.shared);
            let models = Arc::clone(&recogniser.models);
            let worker = thread::Builder::new()
                .name(format!("whisper-{index}"))
                .spawn(move || shared.work(|| Whisper::new(Arc::clone(&models), beam)))
                .map_err(RecogniserError::Thread)?;
            recogniser.workers.push(worker);
        }
        Ok((recogniser, receiver))
    }

    /// Opens a feed for one file. Cheap; takes a few milliseconds for the decoder.
    ///
    /// # Errors
    /// [`RecogniserError::EnglishOnly`] or [`RecogniserError::Decoder`].
    pub fn open_feed(&self, info: FeedInfo) -> Result<Feed, RecogniserError> {
        let language = info.language;
        if !self.models.serves(language) {
            return Err(RecogniserError::EnglishOnly { language });
        }
        let feed = FeedId(self.next_feed.fetch_add(1, Ordering::Relaxed));
        let decoder = Arc::new(TailDecoder::start(FeedSink {
            feed,
            profile: Arc::new(FeedProfile::new(
                language,
                info.names,
                self.languages.iter().copied(),
            )),
            segmenter: Segmenter::new(info.starts_ms),
            known_until_ms: info.known_until_ms,
            queue: Arc::clone(&self.shared.queue),
            guesses: self.guesses,
            last_guess: LastGuess::default(),
            early: None,
        })?);
        self.shared.decoders.insert(feed, Arc::clone(&decoder));
        Ok(Feed::new(feed, decoder))
    }

    /// Speech that waits or is being recognised, and sound that waits to be decoded, over all feeds,
    /// in ms.
    pub fn waiting_ms(&self) -> u64 {
        self.shared.waiting_ms()
    }

    /// Stops: utterances at hand are finished (some seconds), those that wait are dropped.
    /// To get every line, finish all feeds and wait for their
    /// [`RecogniserEvent::FeedFinished`] first.
    pub async fn shutdown(self) {
        // Joins threads; a failure to join means that one panicked, which was told.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Recogniser {
    fn drop(&mut self) {
        self.shared.queue.close();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        self.shared.decoders.clear();
    }
}
