//! Checkpoints of a hearing's log while the hearing is open.

use crate::{cli::explain, stores::Stores};
use otyrys_storage::{HearingLog, Reach, StorageError, ids::HearingId};
use std::time::Duration;
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How often the log is signed: whoever changes the record unseen has a minute for it.
pub(super) const EACH: Duration = Duration::from_secs(60);

/// Signs what has happened, again and again, until the hearing is closed; from then on its log
/// belongs to [`closing`](crate::closing), which seals it.
pub(super) async fn sign_while_open(
    stores: Stores,
    hearing: HearingId,
    each: Duration,
    stop: CancellationToken,
) {
    let mut log = None;
    while stop.run_until_cancelled(time::sleep(each)).await.is_some() {
        match sign(&stores, hearing, log.take()).await {
            Ok(Some(grown)) => log = Some(grown),
            Ok(None) => return,
            // The next attempt begins with what is on disk.
            Err(error) => {
                tracing::error!(hearing.id = %hearing, error = explain(&error), "the log of a hearing was not signed");
            }
        }
    }
}

/// Signs what is new; nothing if the hearing is closed.
async fn sign(
    stores: &Stores,
    hearing: HearingId,
    log: Option<HearingLog>,
) -> Result<Option<HearingLog>, StorageError> {
    let Stores {
        database, spool, ..
    } = stores;
    if database.hearing(hearing).await?.closed_at.is_some() {
        return Ok(None);
    }
    let key = stores.node_key()?;
    let mut log = match log {
        Some(log) => log,
        None => HearingLog::load(database, spool, &key, hearing).await?,
    };
    let made = log
        .checkpoint(database, spool, &key, Reach::Confirmed)
        .await?;
    if let Some(made) = made {
        // A copy in another place than the record: where logs are sent elsewhere, nobody on this
        // machine can take it back.
        tracing::info!(hearing.id = %hearing, log.size = made.size, log.root = %made.root, "checkpoint");
    }
    Ok(Some(log))
}
