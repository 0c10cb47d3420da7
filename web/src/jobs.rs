//! Work that is done after the answer: rows in the database, leased, retried, idempotent.

use crate::{
    cli::explain,
    closing::{self, AttachError},
    config::RegistryConfig,
    draft::Draft,
    recording::Recording,
    registry::delivery::{CaseRegistry, DeliveryPackage, Outcome, deliver_once, pause_before},
    stores::Stores,
};
use jiff::Timestamp;
use otyrys_storage::{Bundle, Database, Job, NewJob, StorageError, ids::HearingId};
use serde_json::Value;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// Makes protocol and bundle of a closed hearing.
const ATTACH: &str = "attach";
/// Delivers a bundle to the case registry.
const DELIVER: &str = "deliver";

/// How long a job may take before somebody else may take it over: longer than packing the longest
/// hearing; a job of this process is never run twice at once, since one loop runs them all.
const LEASE: Duration = Duration::from_secs(30 * 60);
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// How soon the queue is looked at again when the database failed.
const FAILED: Duration = Duration::from_secs(5);
/// How soon a hearing whose record or draft is not complete yet is looked at again.
const NOT_SETTLED: Duration = Duration::from_millis(500);

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
    pub(crate) config: RegistryConfig,
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
    /// Runs jobs until the server stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let pause = match self.run_one().await {
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

    async fn run_one(&self) -> Result<bool, StorageError> {
        let database = &self.stores.database;
        let Some(job) = database
            .lease(&[ATTACH, DELIVER], LEASE, Timestamp::now())
            .await?
        else {
            return Ok(false);
        };
        let Some(hearing) = job.hearing else {
            database.fail(&job, "a job without a hearing", None).await?;
            return Ok(true);
        };
        let outcome = match job.kind.as_str() {
            ATTACH => self.attach(hearing, &job).await,
            _ => self.deliver(hearing, &job).await,
        };
        match outcome {
            Ok(()) => database.complete(&job).await?,
            Err(Undone::Later { after, cause, tell }) => {
                if tell {
                    tracing::warn!(hearing.id = %hearing, job = job.kind, attempts = job.attempts, cause, "a job is tried again in {} s", after.as_secs());
                }
                let at = Timestamp::now()
                    .checked_add(after)
                    .unwrap_or(Timestamp::MAX);
                database.fail(&job, &cause, Some(at)).await?;
            }
            Err(Undone::Never(cause)) => {
                tracing::error!(hearing.id = %hearing, job = job.kind, cause, "a job failed for good: somebody must look");
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
        match closing::attach(&self.stores, &self.draft, hearing).await {
            Ok(_) => {}
            Err(AttachError::Storage(error @ StorageError::Corrupt { .. })) => {
                return Err(Undone::Never(explain(&error)));
            }
            Err(error) => return Err(later(&error)),
        }
        enqueue(&self.stores.database, DELIVER, hearing, Timestamp::now())
            .await
            .map_err(|error| later(&error))
    }

    async fn deliver(&self, hearing: HearingId, job: &Job) -> Result<(), Undone> {
        let database = &self.stores.database;
        let outcome = async {
            let row = database.hearing(hearing).await?;
            let dir = self.stores.bundle_dir(hearing);
            let bundle = Bundle::read(&dir)?;
            let (key, keys) = (hearing.to_string(), self.stores.spool.keys().clone());
            let package = DeliveryPackage::of_bundle(key, row.case_number, bundle, keys).await?;
            deliver_once(database, self.registry.as_ref(), hearing, &package).await
        };
        match outcome.await {
            Ok(Outcome::Acknowledged(_)) => {
                tracing::info!(hearing.id = %hearing, "the registry has acknowledged record and protocol");
                Ok(())
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

    fn later(&self, attempts: u32, error: &(dyn Error + 'static)) -> Undone {
        Undone::Later {
            after: self.pause(attempts),
            cause: explain(error),
            tell: true,
        }
    }

    fn pause(&self, attempts: u32) -> Duration {
        let first = Duration::from_secs(self.config.retry_seconds);
        pause_before(
            attempts,
            first,
            Duration::from_secs(self.config.retry_max_seconds),
        )
    }
}
