//! The draft protocol: the recogniser reads the record while it grows.

mod compare;
mod elsewhere;
mod final_pass;
mod learnt;
mod reading;
mod speech;
mod worker;

pub(crate) use elsewhere::DRAFT;
pub(crate) use final_pass::{FinalPassError, hear_again};
pub(crate) use speech::Speech;
pub(crate) use worker::run as run_worker;

use crate::{config::DraftConfig, hub::DraftNotice, stores::Stores};
use elsewhere::Elsewhere;
use jiff::Timestamp;
use otyrys_signaling::{
    Language,
    wire::{DraftGuess, DraftLine, DraftOffReason, DraftState, LineEdit, Word, WrittenWords},
};
use otyrys_storage::{
    Job, LineEditRow, LineRow, SegmentFacts, StorageError,
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
    recognition: Recognition,
    corrections: Corrections,
    state: Mutex<State>,
    notices: mpsc::Sender<(Option<HearingId>, DraftNotice)>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Who recognises.
enum Recognition {
    /// This process.
    Here(Recogniser, ModelUsed),
    /// Processes of their own, through the database.
    Elsewhere(Mutex<Elsewhere>),
    /// Nobody.
    Off(DraftOffReason),
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
    /// What a worker leased in order to read it.
    job: Option<Job>,
    /// Ends it.
    stop: CancellationToken,
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
        if !config.enabled {
            let off = Recognition::Off(DraftOffReason::Disabled);
            return Self::of(off, corrections, stores, stop);
        }
        if config.apart {
            let there = Recognition::Elsewhere(Mutex::default());
            let (draft, notices) = Self::of(there, corrections, stores, stop);
            draft.inner.tasks.spawn(draft.clone().watch_workers());
            return (draft, notices);
        }
        match Self::here(config, corrections.clone(), stores.clone(), stop.clone()).await {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(%error, "no draft protocol is made: {error}; `otyrys model fetch base` installs the model");
                let off = Recognition::Off(off_reason(&error));
                Self::of(off, corrections, stores, stop)
            }
        }
    }

    /// Starts the recogniser in this process.
    async fn here(
        config: &DraftConfig,
        corrections: Corrections,
        stores: Stores,
        stop: CancellationToken,
    ) -> Result<(Self, DraftNotices), RecogniserError> {
        let (recogniser, events, model) =
            start_recogniser(config, config.live_models(), config.live).await?;
        let here = Recognition::Here(recogniser, model);
        let (draft, notices) = Self::of(here, corrections, stores, stop);
        draft.inner.tasks.spawn(draft.clone().listen(events));
        Ok((draft, notices))
    }

    fn of(
        recognition: Recognition,
        corrections: Corrections,
        stores: Stores,
        stop: CancellationToken,
    ) -> (Self, DraftNotices) {
        let (notices, receiver) = mpsc::channel(1024);
        let draft = Self {
            inner: Arc::new(Inner {
                stores,
                recognition,
                corrections,
                state: Mutex::default(),
                notices,
                tasks: TaskTracker::new(),
                stop,
            }),
        };
        (draft, receiver)
    }

    /// How it is doing.
    pub(crate) fn state(&self) -> DraftState {
        match &self.inner.recognition {
            Recognition::Here(..) => DraftState::Running {
                behind_ms: ms(self.lock().behind_ms),
            },
            Recognition::Elsewhere(there) => lock(there).state(),
            Recognition::Off(reason) => DraftState::Off { reason: *reason },
        }
    }

    /// Speech that waits to be recognised in this process, or is being, in ms.
    fn waiting_ms(&self) -> u64 {
        match &self.inner.recognition {
            Recognition::Here(recogniser, _) => recogniser.waiting_ms(),
            Recognition::Elsewhere(_) | Recognition::Off(_) => 0,
        }
    }

    /// Whether a file is being read, or its last line has not been dealt with.
    fn reads(&self, segment: SegmentId) -> bool {
        self.lock()
            .active
            .iter()
            .any(|(_, active)| *active == segment)
    }

    /// Whether somebody's speech is being recognised, or waits to be.
    fn is_busy(&self) -> bool {
        match &self.inner.recognition {
            Recognition::Here(recogniser, _) => recogniser.waiting_ms() > 0,
            Recognition::Elsewhere(there) => lock(there).is_busy(),
            Recognition::Off(_) => false,
        }
    }

    /// The model in use.
    pub(crate) fn model(&self) -> Option<ModelUsed> {
        match &self.inner.recognition {
            Recognition::Here(_, model) => Some(model.clone()),
            Recognition::Elsewhere(there) => lock(there).model(),
            Recognition::Off(_) => None,
        }
    }

    /// Follows a growing file of the record to its end.
    pub(crate) fn follow(&self, facts: SegmentFacts, speech: Speech) {
        self.follow_from(facts, speech, 0);
    }

    /// As [`Self::follow`], without the lines that begin before `known_until_ms`.
    pub(crate) fn follow_from(&self, facts: SegmentFacts, speech: Speech, known_until_ms: u64) {
        match &self.inner.recognition {
            Recognition::Here(..) => self.read(facts, speech, known_until_ms, None),
            Recognition::Elsewhere(there) => {
                self.lock().active.insert((facts.hearing, facts.segment));
                lock(there).follow(facts, known_until_ms);
            }
            Recognition::Off(_) => {}
        }
    }

    /// Gives a file to the recogniser of this process, which has leased `job` for it.
    fn read(&self, facts: SegmentFacts, speech: Speech, known_until_ms: u64, job: Option<Job>) {
        self.lock().active.insert((facts.hearing, facts.segment));
        let draft = self.clone();
        self.inner.tasks.spawn(async move {
            let (hearing, segment) = (facts.hearing, facts.segment);
            let participant = facts.participant;
            if let Err(error) = draft.tail(facts, speech, known_until_ms, job).await {
                tracing::error!(hearing.id = %hearing, segment.id = %segment, %error, "a file of the record is not being recognised");
                // Its feed ends here without the file having been read to its end: when the server starts
                // again, it is read again.
                draft.abandon(segment);
                // What the feed tells from now on is nobody's, the end of a guess too.
                let over = DraftNotice::Guess(participant, None);
                draft.tell(Some(hearing), over).await;
            }
        });
    }

    /// What comes of a file from now on is nobody's.
    fn abandon(&self, segment: SegmentId) {
        let mut state = self.lock();
        state.feeds.retain(|_, followed| {
            let keeps = followed.facts.segment != segment;
            if !keeps {
                followed.stop.cancel();
            }
            keeps
        });
        state.active.retain(|(_, active)| *active != segment);
    }

    async fn tell(&self, hearing: Option<HearingId>, notice: DraftNotice) {
        // Whoever listens ends after the draft; until then it reads.
        let _ended = self.inner.notices.send((hearing, notice)).await;
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
        job: Option<Job>,
    ) -> Result<(), DraftError> {
        let Recognition::Here(recogniser, _) = &self.inner.recognition else {
            return Ok(());
        };
        let feed = recogniser.open_feed(speech.feed(facts.starts_ms, known_until_ms))?;
        let stop = self.inner.stop.child_token();
        let followed = Followed {
            facts: facts.clone(),
            job,
            stop: stop.clone(),
        };
        self.lock().feeds.insert(feed.id(), followed);
        read_record(&self.inner.stores.spool, &facts, &feed, &stop, &AtOnce).await?;
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
            if let Some((hearing, notice)) = notice {
                self.tell(hearing, notice).await;
            }
        }
    }

    fn guessed(&self, guess: Guess) -> Option<(Option<HearingId>, DraftNotice)> {
        let facts = self.followed(guess.feed)?.facts;
        let text = |words: &[otyrys_transcribe::Word]| {
            let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            words.join(" ")
        };
        let guess = DraftGuess {
            start_ms: ms(guess.start_ms),
            language: serde_json::from_value(guess.language.code().into()).ok()?,
            agreed: text(&guess.agreed),
            rest: text(&guess.rest),
            interprets: None,
        };
        let notice = DraftNotice::Guess(facts.participant, Some(guess));
        Some((Some(facts.hearing), notice))
    }

    fn followed(&self, feed: FeedId) -> Option<Followed> {
        self.lock().feeds.get(&feed).cloned()
    }

    async fn store(&self, line: Line) -> Option<(Option<HearingId>, DraftNotice)> {
        let Followed { facts, job, .. } = self.followed(line.feed)?;
        let model = self.model().map_or(String::new(), |model| model.sha256);
        let hearing = facts.hearing;
        // Without what was learnt a line can be written; without the database it cannot.
        let corrections = self.corrections(hearing).await.unwrap_or_else(|error| {
            tracing::error!(hearing.id = %hearing, %error, "what was learnt of corrections cannot be read");
            self.inner.corrections.clone()
        });
        let row = row_of(line, &facts, &model, &corrections);
        while let Err(error) = self.put(hearing, &row, job.as_ref()).await {
            tracing::error!(hearing.id = %hearing, %error, "a line of the draft was not stored");
            let waited = self
                .inner
                .stop
                .run_until_cancelled(time::sleep(STORE_AGAIN));
            if matches!(error, StorageError::Conflict(_)) {
                if job.is_some() {
                    self.abandon(facts.segment);
                }
                return None;
            }
            waited.await?;
        }
        let line = line_of(row, None).ok()?;
        Some((Some(hearing), DraftNotice::Line(line)))
    }

    async fn put(
        &self,
        hearing: HearingId,
        row: &LineRow,
        job: Option<&Job>,
    ) -> Result<(), StorageError> {
        let (database, now) = (&self.inner.stores.database, Timestamp::now());
        match job {
            Some(job) => {
                let lease = worker::LEASE;
                database
                    .put_line_of_job(job, hearing, row, lease, now)
                    .await
            }
            None => database.put_line(hearing, row).await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section is a single change of a map.
    state.lock().unwrap_or_else(PoisonError::into_inner)
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
