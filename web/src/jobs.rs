//! Work that is done after the answer: rows in the database, leased, retried, idempotent.

use crate::{
    attesting::{Attestation, Attestors},
    cli::explain,
    closing::{self, AttachError},
    config::{Config, ReconcileConfig, RetentionConfig},
    draft::{self, Draft, FinalPassError},
    hub::HubError,
    metrics::{MismatchFigures, PeopleFigures},
    reconciliation,
    recording::Recording,
    registry::delivery::{CaseRegistry, DeliveryPackage, Outcome, deliver_once, pause_before},
    room_file::{self, RoomFileError},
    spent_copies,
    stores::Stores,
};
use jiff::{Timestamp, civil::Date};
use otyrys_media::recorder::RecorderProgram;
use otyrys_storage::{
    Bundle, Database, DeliveryState, Depth, Job, JobState, NewJob, StorageError, ids::HearingId,
};
use serde_json::{Value, json};
use std::{error::Error, io, sync::Arc, time::Duration};
use tokio::{runtime::Handle, time};
use tokio_util::sync::CancellationToken;

/// Makes protocol and bundle of a closed hearing.
const ATTACH: &str = "attach";
/// Delivers a bundle to the case registry.
const DELIVER: &str = "deliver";
/// Removes the spent copies of a record that was delivered.
const REMOVE_COPIES: &str = "remove_copies";
/// Holds a day's hearings against what there is of them. Its key is the day.
const RECONCILE: &str = "reconcile";
/// Hears the record of a closed hearing again before it is sealed.
pub(crate) const FINAL_PASS: &str = "final_pass";
/// Makes the room file of a bundle.
pub(crate) const ROOM_FILE: &str = "room_file";

/// What must not wait for work that takes long.
pub(crate) const PROMPT: &[&str] = &[ATTACH, DELIVER, REMOVE_COPIES, RECONCILE];
/// Work that takes about as long as the hearing did, and for which a sealed record waits.
pub(crate) const BEFORE_SEAL: &[&str] = &[FINAL_PASS];
/// Work that takes about as long as the hearing did.
pub(crate) const LONG: &[&str] = &[ROOM_FILE];

/// The kinds that the server runs: of these it is the only one.
pub(crate) fn of_server() -> Vec<&'static str> {
    [PROMPT, BEFORE_SEAL, LONG].concat()
}

/// Work that takes long is given up when it has failed so often.
const LONG_ATTEMPTS: u32 = 10;

/// How long a job may take before somebody else may take it over: longer than packing the longest
/// hearing, and what takes longer keeps its own; a job of this process is never run twice at once,
/// since one loop runs all of its kind.
const LEASE: Duration = Duration::from_secs(30 * 60);
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How soon the queue is looked at again when the database failed.
const FAILED: Duration = Duration::from_secs(5);
/// How soon a hearing whose record or draft is not complete yet is looked at again.
const NOT_SETTLED: Duration = Duration::from_millis(500);
/// The same of one whose final pass is not over, which takes about as long as the hearing did: each
/// look reads the ends of the record's files.
const NOT_HEARD_AGAIN: Duration = Duration::from_secs(5);

/// Asks for protocol, bundle and delivery of a hearing that was closed.
///
/// # Errors
/// Those of the database.
pub(crate) async fn attach_when_settled(
    database: &Database,
    hearing: HearingId,
    now: Timestamp,
) -> Result<(), StorageError> {
    enqueue(database, ATTACH, hearing, now).await
}

/// Asks for the removal of the spent copies of a hearing, if its delivery was acknowledged.
///
/// # Errors
/// Those of the database.
pub(crate) async fn remove_copies_when_due(
    database: &Database,
    retention: &RetentionConfig,
    hearing: HearingId,
) -> Result<(), StorageError> {
    match database.delivery(hearing).await? {
        Some(delivery) if matches!(delivery.state, DeliveryState::Acknowledged { .. }) => {
            let due = retention.copies_until(delivery.changed_at);
            enqueue(database, REMOVE_COPIES, hearing, due).await
        }
        _ => Ok(()),
    }
}

/// Asks for the reconciliation of a day.
///
/// # Errors
/// Those of the database.
pub(crate) async fn reconcile_at(
    database: &Database,
    config: &ReconcileConfig,
    day: Date,
) -> Result<(), StorageError> {
    let job = NewJob {
        kind: RECONCILE.to_owned(),
        key: day.to_string(),
        hearing: None,
        payload: Value::Null,
        due: config.due(day),
    };
    database.enqueue(&job).await.map(|_| ())
}

async fn enqueue(
    database: &Database,
    kind: &str,
    hearing: HearingId,
    due: Timestamp,
) -> Result<(), StorageError> {
    let job = NewJob {
        kind: kind.to_owned(),
        key: hearing.to_string(),
        hearing: Some(hearing),
        payload: Value::Null,
        due,
    };
    database.enqueue(&job).await.map(|_| ())
}

/// What the jobs work with.
pub(crate) struct Jobs {
    pub(crate) stores: Stores,
    pub(crate) recording: Recording,
    pub(crate) draft: Draft,
    pub(crate) registry: Arc<dyn CaseRegistry>,
    pub(crate) config: Arc<Config>,
    pub(crate) mismatches: MismatchFigures,
    pub(crate) attestors: Attestors,
    pub(crate) people: PeopleFigures,
    /// Makes the room file.
    pub(crate) film: RecorderProgram,
}

/// How far a job is that takes long.
pub(crate) struct Progress<'a> {
    database: &'a Database,
    job: &'a Job,
}

impl<'a> Progress<'a> {
    /// Of this job, which is leased.
    pub(crate) fn new(database: &'a Database, job: &'a Job) -> Self {
        Self { database, job }
    }

    /// Notes the percentage that is done, and keeps the job.
    ///
    /// # Errors
    /// Those of the database, and [`StorageError::Conflict`] if somebody else has taken it over.
    pub(crate) async fn tell(&self, percent: u64) -> Result<(), StorageError> {
        let (state, now) = (json!({ "percent": percent }), Timestamp::now());
        self.database.note_job(self.job, &state, LEASE, now).await
    }
}

/// Why a job is not done.
#[derive(Debug)]
enum Undone {
    /// Try again after the pause; `tell` when an operator should know.
    Later {
        after: Duration,
        cause: String,
        tell: bool,
    },
    /// A person must look.
    Never(String),
}

impl Jobs {
    /// Runs jobs of these kinds, one at a time, until the server stops.
    pub(crate) async fn run(self: Arc<Self>, kinds: &[&str], stop: CancellationToken) {
        loop {
            let pause = match self.run_one(kinds, &stop).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::error!(error = explain(&error), "the job queue failed");
                    FAILED
                }
            };
            if stop.run_until_cancelled(time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn run_one(
        &self,
        kinds: &[&str],
        stop: &CancellationToken,
    ) -> Result<bool, StorageError> {
        let database = &self.stores.database;
        let Some(job) = database.lease(kinds, LEASE, Timestamp::now()).await? else {
            return Ok(false);
        };
        let outcome = match (job.kind.as_str(), job.hearing) {
            (ATTACH, Some(hearing)) => self.attach(hearing, &job).await,
            (DELIVER, Some(hearing)) => self.deliver(hearing, &job).await,
            (REMOVE_COPIES, Some(hearing)) => self.remove_copies(hearing, &job).await,
            (FINAL_PASS, Some(hearing)) => self.hear_again(hearing, &job, stop).await,
            (ROOM_FILE, Some(hearing)) => self.make_room_file(hearing, &job, stop).await,
            (RECONCILE, None) => self.reconcile(&job).await,
            _ => Err(Undone::Never("it is of no kind that there is".to_owned())),
        };
        let hearing = job.hearing.map(|hearing| hearing.to_string());
        match outcome {
            Ok(()) => database.complete(&job).await?,
            Err(Undone::Later { after, cause, tell }) => {
                if tell {
                    tracing::warn!(
                        hearing.id = hearing,
                        job = job.kind,
                        attempts = job.attempts,
                        cause,
                        "a job is tried again in {} s",
                        after.as_secs()
                    );
                }
                let at = Timestamp::now()
                    .checked_add(after)
                    .unwrap_or(Timestamp::MAX);
                database.fail(&job, &cause, Some(at)).await?;
            }
            Err(Undone::Never(cause)) => {
                tracing::error!(
                    hearing.id = hearing,
                    job = job.kind,
                    cause,
                    "a job failed for good: somebody must look"
                );
                database.fail(&job, &cause, None).await?;
            }
        }
        Ok(true)
    }

    async fn attach(&self, hearing: HearingId, job: &Job) -> Result<(), Undone> {
        let later = |error: &(dyn Error + 'static)| self.later(job.attempts, error);
        let not_settled = || Undone::Later {
            after: NOT_SETTLED,
            cause: "record or draft are not complete yet".to_owned(),
            tell: false,
        };
        if !self.recording.is_settled(hearing) {
            return Err(not_settled());
        }
        // A file that broke in the middle was ended by nobody, and the recogniser waits for its end.
        closing::end_broken_segments(&self.stores, hearing)
            .await
            .map_err(|error| later(&error))?;
        if !self.draft.is_settled(hearing) {
            return Err(not_settled());
        }
        let heard_again = self.is_heard_again(hearing).await;
        if !heard_again.map_err(|error| later(&error))? {
            return Err(Undone::Later {
                after: NOT_HEARD_AGAIN,
                cause: "the record is being heard again".to_owned(),
                tell: false,
            });
        }
        let bundle = match closing::seal(&self.stores, &self.draft, hearing).await {
            Ok(bundle) => bundle,
            Err(AttachError::Storage(error @ StorageError::Corrupt { .. })) => {
                return Err(Undone::Never(explain(&error)));
            }
            Err(error) => return Err(later(&error)),
        };
        if let Some(bundle) = bundle {
            self.attest(&bundle, job).await?;
            let archived = self.stores.archive.put(&bundle).await;
            archived.map_err(|error| later(&error))?;
        }
        let database = &self.stores.database;
        let mut next = vec![DELIVER];
        next.extend(self.config.room_file.enabled.then_some(ROOM_FILE));
        for kind in next {
            let enqueued = enqueue(database, kind, hearing, Timestamp::now()).await;
            enqueued.map_err(|error| later(&error))?;
        }
        Ok(())
    }

    /// Whether a hearing's final pass is over, or none is to be made; asks for it. A draft is never
    /// waited for in vain: one that cannot be made leaves the lines of the hearing.
    async fn is_heard_again(&self, hearing: HearingId) -> Result<bool, StorageError> {
        if self.config.draft.final_models().is_none() {
            return Ok(true);
        }
        let jobs = self.stores.database.jobs(hearing).await?;
        match jobs.iter().find(|job| job.kind == FINAL_PASS) {
            Some(job) => Ok(matches!(job.state, JobState::Done | JobState::Failed)),
            None => {
                enqueue(&self.stores.database, FINAL_PASS, hearing, Timestamp::now()).await?;
                Ok(false)
            }
        }
    }

    async fn hear_again(
        &self,
        hearing: HearingId,
        job: &Job,
        stop: &CancellationToken,
    ) -> Result<(), Undone> {
        let config = &self.config.draft;
        let Some(files) = config.final_models() else {
            return Ok(());
        };
        let stores = &self.stores;
        let progress = Progress::new(&stores.database, job);
        let draft = &self.draft;
        match draft::hear_again(stores, draft, config, files, hearing, stop, &progress).await {
            // Nobody can read it any more.
            Ok(()) | Err(FinalPassError::Storage(StorageError::KeyDestroyed(_))) => Ok(()),
            Err(FinalPassError::Model(error)) => Err(Undone::Never(explain(&error))),
            // It goes on when the server does, however often that ended meanwhile.
            Err(error) if stop.is_cancelled() => Err(self.later(0, &error)),
            Err(error) if job.attempts >= LONG_ATTEMPTS => Err(Undone::Never(explain(&error))),
            Err(error) => Err(self.later(job.attempts, &error)),
        }
    }

    /// Has the seal of a bundle vouched for before the bundle goes on: it is delivered once.
    async fn attest(&self, bundle: &Bundle, job: &Job) -> Result<(), Undone> {
        let attested = self
            .attestors
            .attest(&self.stores, bundle, Timestamp::now());
        match attested.await {
            Ok(Attestation::Whole) => Ok(()),
            Ok(Attestation::Later { after, cause }) => Err(Undone::Later {
                after,
                cause,
                tell: true,
            }),
            Ok(Attestation::Without { cause }) => {
                tracing::warn!(hearing.id = %bundle.manifest.hearing, cause, "a record goes on without those who were to vouch for its seal");
                self.people.unattested_seals.inc();
                Ok(())
            }
            Err(error) => Err(self.later(job.attempts, &error)),
        }
    }

    async fn make_room_file(
        &self,
        hearing: HearingId,
        job: &Job,
        stop: &CancellationToken,
    ) -> Result<(), Undone> {
        let (stores, film) = (self.stores.clone(), self.film.clone());
        let (job_there, stop, runtime) = (job.clone(), stop.clone(), Handle::current());
        let mut told = None;
        let made = tokio::task::spawn_blocking(move || {
            room_file::make(&stores, &film, hearing, |percent| {
                if stop.is_cancelled() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                if told.replace(percent) == Some(percent) {
                    return Ok(());
                }
                let progress = Progress::new(&stores.database, &job_there);
                let told = progress.tell(percent.into());
                runtime.block_on(told).map_err(io::Error::other)
            })
        });
        match made.await {
            Ok(Ok(())) => Ok(()),
            // Nobody can read what it was to be made of.
            Ok(Err(RoomFileError::Storage(StorageError::KeyDestroyed(_)))) => {
                self.stores.remove_derived(hearing).await;
                Ok(())
            }
            Ok(Err(error)) if job.attempts >= LONG_ATTEMPTS => Err(Undone::Never(explain(&error))),
            Ok(Err(error)) => Err(self.later(job.attempts, &error)),
            Err(error) => Err(self.later(job.attempts, &error)),
        }
    }

    async fn deliver(&self, hearing: HearingId, job: &Job) -> Result<(), Undone> {
        let database = &self.stores.database;
        let outcome = async {
            let row = database.hearing(hearing).await?;
            let bundle = self.stores.bundle(hearing)?;
            let (key, keys) = (hearing.to_string(), self.stores.spool.keys().clone());
            let package = DeliveryPackage::of_bundle(key, row.case_number, bundle, keys).await?;
            deliver_once(database, self.registry.as_ref(), hearing, &package).await
        };
        match outcome.await {
            Ok(Outcome::Acknowledged(_)) => {
                tracing::info!(hearing.id = %hearing, "the registry has acknowledged record and protocol");
                self.stores.remove_backup(hearing).await;
                remove_copies_when_due(database, &self.config.retention, hearing)
                    .await
                    .map_err(|error| self.later(job.attempts, &error))
            }
            Ok(Outcome::Rejected(reason)) => Err(Undone::Never(reason)),
            Ok(Outcome::Later(cause)) => Err(Undone::Later {
                after: self.pause(job.attempts),
                cause,
                tell: true,
            }),
            Err(error) => Err(self.later(job.attempts, &error)),
        }
    }

    async fn remove_copies(&self, hearing: HearingId, job: &Job) -> Result<(), Undone> {
        match spent_copies::remove(&self.stores, hearing).await {
            Ok(None) => Ok(()),
            Ok(Some(freed)) => {
                tracing::info!(hearing.id = %hearing, bytes.freed = freed, "the archive's copy of a record holds; the spent ones were removed");
                Ok(())
            }
            // Nobody can read it any more; the files are for the operator to remove.
            Err(StorageError::KeyDestroyed(_)) => Ok(()),
            Err(
                error @ (StorageError::Corrupt { .. }
                | StorageError::NotFound(_)
                | StorageError::Conflict(_)),
            ) => Err(Undone::Never(explain(&error))),
            Err(error) => Err(self.later(job.attempts, &error)),
        }
    }

    async fn reconcile(&self, job: &Job) -> Result<(), Undone> {
        let day: Date = job
            .key
            .parse()
            .map_err(|_| Undone::Never("its key is no day".to_owned()))?;
        let done = async {
            let facts = reconciliation::gather(&self.stores, day, Depth::Sizes).await?;
            reconciliation::report(day, &facts, &self.config).tell_operators(&self.mismatches);
            let next = day.tomorrow().unwrap_or(Date::MAX);
            Ok::<_, HubError>(
                reconcile_at(&self.stores.database, &self.config.reconcile, next).await?,
            )
        };
        done.await.map_err(|error| self.later(job.attempts, &error))
    }

    fn later(&self, attempts: u32, error: &(dyn Error + 'static)) -> Undone {
        Undone::Later {
            after: self.pause(attempts),
            cause: explain(error),
            tell: true,
        }
    }

    fn pause(&self, attempts: u32) -> Duration {
        let first = Duration::from_secs(self.config.registry.retry_seconds);
        pause_before(
            attempts,
            first,
            Duration::from_secs(self.config.registry.retry_max_seconds),
        )
    }
}
