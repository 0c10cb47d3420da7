//! The draft protocol: the recogniser reads the record while it grows.

mod compare;
mod final_pass;
mod learnt;
mod reading;
mod speech;

pub(crate) use final_pass::{FinalPassError, hear_again};
pub(crate) use speech::Speech;

use crate::{config::DraftConfig, hub::DraftNotice, stores::Stores};
use otyrys_signaling::{
    Language,
    wire::{DraftGuess, DraftLine, DraftOffReason, DraftState, LineEdit, Word, WrittenWords},
};
use otyrys_storage::{
    LineEditRow, LineRow, SegmentFacts, StorageError,
    ids::{HearingId, LineId, SegmentId},
};
use otyrys_transcribe::{
    Corrections, FeedId, Guess, Language as SpokenLanguage, Line, ModelError, Recogniser,
    RecogniserConfig, RecogniserError, RecogniserEvent, models,
};
use reading::{AtOnce, DraftError, read_record};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How soon a line is stored again that the database did not take. Recognition waits meanwhile.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// The draft of all hearings. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Draft {
    inner: Arc<Inner>,
}

struct Inner {
    stores: Stores,
    recogniser: Result<Recogniser, DraftOffReason>,
    model: Option<ModelUsed>,
    corrections: Corrections,
    state: Mutex<State>,
    notices: mpsc::Sender<(Option<HearingId>, DraftNotice)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The model behind the draft, as the protocol names it.
#[derive(Debug, Clone)]
pub(crate) struct ModelUsed {
    /// Its file's name.
    pub(crate) name: String,
    /// SHA-256 of the file, hexadecimal.
    pub(crate) sha256: String,
}

#[derive(Default)]
struct State {
    behind_ms: u64,
    feeds: HashMap<FeedId, Followed>,
    /// Segments that are being read, whose last line has not come yet.
    active: HashSet<(HearingId, SegmentId)>,
}

#[derive(Debug, Clone)]
struct Followed {
    facts: SegmentFacts,
    /// Lines that begin earlier are known from before a restart.
    known_until_ms: u64,
}

/// What the draft tells: a notice for one hearing, or for all of them.
pub(crate) type DraftNotices = mpsc::Receiver<(Option<HearingId>, DraftNotice)>;

impl Draft {
    /// Starts the recogniser, or says why there is no draft; hearings go on without one.
    /// `corrections` are the court's.
    pub(crate) async fn start(
        config: &DraftConfig,
        corrections: Corrections,
        stores: Stores,
        stop: CancellationToken,
    ) -> (Self, DraftNotices) {
        let (notices, receiver) = mpsc::channel(1024);
        let started = if config.enabled {
            let started = start_recogniser(config, config.live_models(), config.live).await;
            started.map_err(|error| {
                tracing::error!(%error, "no draft protocol is made: {error}; `otyrys model fetch base` installs the model");
                off_reason(&error)
            })
        } else {
            Err(DraftOffReason::Disabled)
        };
        let (recogniser, events, model) = match started {
            Ok((recogniser, events, model)) => (Ok(recogniser), Some(events), Some(model)),
            Err(reason) => (Err(reason), None, None),
        };
        let draft = Self {
            inner: Arc::new(Inner {
                stores,
                recogniser,
                model,
                corrections,
                state: Mutex::default(),
                notices,
                tasks: TaskTracker::new(),
                stop,
            }),
        };
        if let Some(events) = events {
            draft.inner.tasks.spawn(draft.clone().listen(events));
        }
        (draft, receiver)
    }

    /// How it is doing.
    pub(crate) fn state(&self) -> DraftState {
        match &self.inner.recogniser {
            Ok(_) => DraftState::Running {
                behind_ms: u32::try_from(self.lock().behind_ms).unwrap_or(u32::MAX),
            },
            Err(reason) => DraftState::Off { reason: *reason },
        }
    }

    /// Whether somebody's speech is being recognised, or waits to be.
    fn is_busy(&self) -> bool {
        let recogniser = self.inner.recogniser.as_ref();
        recogniser.is_ok_and(|recogniser| recogniser.waiting_ms() > 0)
    }

    /// The model in use.
    pub(crate) fn model(&self) -> Option<&ModelUsed> {
        self.inner.model.as_ref()
    }

    /// Follows a growing file of the record to its end.
    pub(crate) fn follow(&self, facts: SegmentFacts, speech: Speech) {
        self.follow_from(facts, speech, 0);
    }

    /// As [`Self::follow`], without the lines that begin before `known_until_ms`.
    pub(crate) fn follow_from(&self, facts: SegmentFacts, speech: Speech, known_until_ms: u64) {
        if self.inner.recogniser.is_err() {
            return;
        }
        self.lock().active.insert((facts.hearing, facts.segment));
        let draft = self.clone();
        self.inner.tasks.spawn(async move {
            let (hearing, segment) = (facts.hearing, facts.segment);
            let participant = facts.participant;
            if let Err(error) = draft.tail(facts, speech, known_until_ms).await {
                tracing::error!(hearing.id = %hearing, segment.id = %segment, %error, "a file of the record is not being recognised");
                {
                    let mut state = draft.lock();
                    // Its feed ends here without the file having been read to its end: when the server
                    // starts again, it is read again.
                    state.feeds.retain(|_, followed| followed.facts.segment != segment);
                    state.active.remove(&(hearing, segment));
                }
                // What the feed tells from now on is nobody's, the end of a guess too.
                let over = DraftNotice::Guess(participant, None);
                let _ended = draft.inner.notices.send((Some(hearing), over)).await;
            }
        });
    }

    /// The hearing has stored that a file was read to its end.
    pub(crate) fn settled(&self, segment: SegmentId) {
        self.lock().active.retain(|(_, active)| *active != segment);
    }

    /// Whether every followed file of a hearing has been read to its end and its lines are stored.
    pub(crate) fn is_settled(&self, hearing: HearingId) -> bool {
        self.lock().active.iter().all(|(of, _)| *of != hearing)
    }

    /// The stored lines of a hearing, in the order in which they were spoken. Whom an interpreter's
    /// line interprets is not stored: [`otyrys_signaling::Hearing::interprets_at`] says it.
    pub(crate) async fn lines(&self, hearing: HearingId) -> Result<Vec<DraftLine>, StorageError> {
        let database = &self.inner.stores.database;
        // The lines first: an edit that comes in between is of a line that is known.
        let rows = database.lines(hearing).await?;
        // Of one line the last edit stays, as they come in their order.
        let edits = database.line_edits(hearing).await?;
        let mut last: HashMap<LineId, LineEditRow> = edits
            .into_iter()
            .map(|edit| (edit.edit.line, edit))
            .collect();
        rows.into_iter()
            .map(|row| {
                let edit = last.remove(&row.id);
                line_of(row, edit)
            })
            .collect()
    }

    /// Waits for the tasks. The stop token must be cancelled first.
    pub(crate) async fn stopped(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    async fn tail(
        &self,
        facts: SegmentFacts,
        speech: Speech,
        known_until_ms: u64,
    ) -> Result<(), DraftError> {
        let Ok(recogniser) = &self.inner.recogniser else {
            return Ok(());
        };
        let feed = recogniser.open_feed(speech.feed(facts.starts_ms))?;
        self.lock().feeds.insert(
            feed.id(),
            Followed {
                facts: facts.clone(),
                known_until_ms,
            },
        );
        let stop = &self.inner.stop;
        read_record(&self.inner.stores.spool, &facts, &feed, stop, &AtOnce).await?;
        Ok(())
    }

    async fn listen(self, mut events: mpsc::Receiver<RecogniserEvent>) {
        loop {
            let event = tokio::select! {
                () = self.inner.stop.cancelled() => return,
                event = events.recv() => event,
            };
            let Some(event) = event else { return };
            let notice = match event {
                RecogniserEvent::Line(line) => self.store(line).await,
                RecogniserEvent::Guess(guess) => self.guessed(guess),
                RecogniserEvent::GuessOver { feed } => self.followed(feed).map(|of| {
                    (
                        Some(of.facts.hearing),
                        DraftNotice::Guess(of.facts.participant, None),
                    )
                }),
                RecogniserEvent::FeedFinished { feed } => {
                    let followed = self.lock().feeds.remove(&feed);
                    followed.map(|Followed { facts, .. }| {
                        let read = DraftNotice::SegmentRead(facts.segment);
                        (Some(facts.hearing), read)
                    })
                }
                RecogniserEvent::Behind { ms } => {
                    self.lock().behind_ms = ms;
                    Some((None, DraftNotice::State(self.state())))
                }
                RecogniserEvent::Failed { reason, .. } => {
                    tracing::error!(reason, "speech was not recognised");
                    None
                }
            };
            if let Some(notice) = notice {
                // The hub ends after the draft; until then it reads.
                let _ended = self.inner.notices.send(notice).await;
            }
        }
    }

    fn guessed(&self, guess: Guess) -> Option<(Option<HearingId>, DraftNotice)> {
        let Followed {
            facts,
            known_until_ms,
        } = self.followed(guess.feed)?;
        if guess.start_ms < known_until_ms {
            return None;
        }
        let text = |words: &[otyrys_transcribe::Word]| {
            let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            words.join(" ")
        };
        let guess = DraftGuess {
            start_ms: ms(guess.start_ms),
            language: serde_json::from_value(guess.language.code().into()).ok()?,
            agreed: text(&guess.agreed),
            rest: text(&guess.rest),
        };
        let notice = DraftNotice::Guess(facts.participant, Some(guess));
        Some((Some(facts.hearing), notice))
    }

    fn followed(&self, feed: FeedId) -> Option<Followed> {
        self.lock().feeds.get(&feed).cloned()
    }

    async fn store(&self, line: Line) -> Option<(Option<HearingId>, DraftNotice)> {
        let followed = self.followed(line.feed)?;
        if line.start_ms < followed.known_until_ms {
            return None;
        }
        let facts = followed.facts;
        let model = self.model().map_or("", |model| &model.sha256);
        let hearing = facts.hearing;
        // Without what was learnt a line can be written; without the database it cannot.
        let corrections = self.corrections(hearing).await.unwrap_or_else(|error| {
            tracing::error!(hearing.id = %hearing, %error, "what was learnt of corrections cannot be read");
            self.inner.corrections.clone()
        });
        let row = row_of(line, &facts, model, &corrections);
        while let Err(error) = self.inner.stores.database.put_line(hearing, &row).await {
            tracing::error!(hearing.id = %hearing, %error, "a line of the draft was not stored");
            let waited = self
                .inner
                .stop
                .run_until_cancelled(time::sleep(STORE_AGAIN));
            if matches!(error, StorageError::Conflict(_)) || waited.await.is_none() {
                return None;
            }
        }
        let line = line_of(row, None).ok()?;
        Some((Some(hearing), DraftNotice::Line(line)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each critical section is a single change of a map.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Models by the language that they serve.
#[derive(Debug, Clone)]
pub(crate) struct ModelFiles {
    /// For every language without one of its own.
    pub(crate) default: PathBuf,
    of_languages: BTreeMap<SpokenLanguage, PathBuf>,
}

impl ModelFiles {
    /// `fitted` are those for Kazakh, Russian and English.
    pub(crate) fn new(default: PathBuf, fitted: [Option<PathBuf>; 3]) -> Self {
        let languages = [Language::Kk, Language::Ru, Language::En].map(spoken);
        let fitted = languages.into_iter().zip(fitted);
        Self {
            default,
            of_languages: fitted.filter_map(|(l, model)| Some((l, model?))).collect(),
        }
    }
}

/// Loads these models.
async fn start_recogniser(
    config: &DraftConfig,
    files: ModelFiles,
    guesses: bool,
) -> Result<(Recogniser, mpsc::Receiver<RecogniserEvent>, ModelUsed), RecogniserError> {
    let config = config.clone();
    let started = tokio::task::spawn_blocking(move || {
        let path = files.default;
        let info = models::check(&path)?;
        let (recogniser, events) = Recogniser::start(RecogniserConfig {
            default_model: path.clone(),
            language_models: files.of_languages,
            languages: config.languages.iter().copied().map(spoken).collect(),
            workers: NonZeroUsize::new(config.workers).unwrap_or(NonZeroUsize::MIN),
            beam: config.beam,
            guesses,
        })?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let model = ModelUsed {
            name,
            sha256: info.sha256,
        };
        Ok((recogniser, events, model))
    });
    // It ends otherwise only when the runtime does.
    let interrupted = |error| RecogniserError::Thread(std::io::Error::other(error));
    started.await.map_err(interrupted)?
}

fn off_reason(error: &RecogniserError) -> DraftOffReason {
    match error {
        RecogniserError::Model(ModelError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            DraftOffReason::ModelMissing
        }
        RecogniserError::Model(_) | RecogniserError::ModelRefused { .. } => {
            DraftOffReason::ModelDamaged
        }
        _ => DraftOffReason::Failed,
    }
}

/// A hearing's language, as the recogniser names it.
pub(crate) fn spoken(language: Language) -> SpokenLanguage {
    match language {
        Language::Kk => SpokenLanguage::KAZAKH,
        Language::Ru => SpokenLanguage::RUSSIAN,
        Language::En => SpokenLanguage::ENGLISH,
    }
}

fn row_of(line: Line, facts: &SegmentFacts, model: &str, corrections: &Corrections) -> LineRow {
    let written: Vec<WrittenWords> = line
        .written(corrections)
        .into_iter()
        .map(|words| WrittenWords {
            first: index(words.first),
            count: index(words.count),
            text: words.text,
        })
        .collect();
    let words: Vec<Word> = line
        .words
        .into_iter()
        .map(|word| Word {
            text: word.text,
            start_ms: ms(word.start_ms),
            end_ms: ms(word.end_ms),
            confidence: word.confidence,
        })
        .collect();
    LineRow {
        id: LineId::generate(),
        participant: facts.participant,
        segment: facts.segment,
        start_ms: ms(line.start_ms),
        end_ms: ms(line.end_ms),
        text: line.text,
        language: line.language.code().to_owned(),
        confidence: line.confidence,
        weak: line.weak || line.doubt.is_some(),
        words: serde_json::json!(words),
        model: model.to_owned(),
        written: serde_json::json!(written),
    }
}

/// A line has as many words as anybody speaks in half a minute.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn line_of(row: LineRow, edit: Option<LineEditRow>) -> Result<DraftLine, StorageError> {
    let corrupt = |error: serde_json::Error| StorageError::Corrupt {
        what: format!("line {}", row.id),
        reason: error.to_string(),
    };
    Ok(DraftLine {
        id: row.id,
        participant: row.participant,
        start_ms: row.start_ms,
        end_ms: row.end_ms,
        language: serde_json::from_value(row.language.as_str().into()).map_err(corrupt)?,
        words: serde_json::from_value(row.words).map_err(corrupt)?,
        written: serde_json::from_value(row.written).map_err(corrupt)?,
        text: row.text,
        confidence: row.confidence,
        weak: row.weak,
        edited: edit.map(|LineEditRow { edit, revision }| LineEdit {
            text: edit.text,
            by: edit.editor,
            at: edit.at.to_string(),
            revision,
        }),
        interprets: None,
    })
}

/// Record times in the wire's 32 bits: 49 days.
fn ms(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
