//! Checkpoints of a hearing's log while the hearing is open.

use crate::{attesting::Witnesses, cli::explain, stores::Stores};
use otyrys_storage::{HearingLog, Reach, StorageError, ids::HearingId};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time};
use tokio_util::sync::CancellationToken;

/// How often the log is signed: whoever changes the record unseen has a minute for it.
pub(super) const EACH: Duration = Duration::from_secs(60);

/// Signs what has happened, again and again, until the hearing is closed; from then on its log
/// belongs to [`closing`](crate::closing), which seals it. Witnesses see what was signed, and can
/// hold nothing up.
pub(super) async fn sign_while_open(
    stores: Stores,
    hearing: HearingId,
    each: Duration,
    witnesses: Arc<Witnesses>,
    stop: CancellationToken,
) {
    let signed = Notify::new();
    tokio::select! {
        () = sign_each(&stores, hearing, each, &signed, stop) => {}
        () = witnesses.follow(&stores, hearing, &signed) => {}
    }
}

async fn sign_each(
    stores: &Stores,
    hearing: HearingId,
    each: Duration,
    signed: &Notify,
    stop: CancellationToken,
) {
    let mut log = None;
    while stop.run_until_cancelled(time::sleep(each)).await.is_some() {
        match sign(stores, hearing, log.take(), signed).await {
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
    signed: &Notify,
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
        signed.notify_one();
        // A copy in another place than the record: where logs are sent elsewhere, nobody on this
        // machine can take it back.
        tracing::info!(hearing.id = %hearing, checkpoint.size = made.size, checkpoint.root = %made.root, "the log of a hearing was signed");
    }
    Ok(Some(log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::WitnessConfig, test_court::TestCourt};
    use jiff::Timestamp;
    use otyrys_storage::{Database, NewEvent, WitnessKey};
    use serde_json::{Value, json};
    use std::net::TcpListener;

    fn event(kind: &str) -> NewEvent {
        NewEvent {
            at: Timestamp::UNIX_EPOCH,
            kind: kind.to_owned(),
            actor: None,
            origin: None,
            data: Value::Null,
        }
    }

    async fn checkpoints(database: &Database, id: HearingId) -> usize {
        let log = database.hearing_log(id).await.expect("a log");
        log.checkpoints.len()
    }

    #[tokio::test]
    async fn an_open_hearing_is_signed_again_and_again_whatever_a_witness_does_and_a_closed_one_no_more()
     {
        let court = TestCourt::open().await;
        let id = court.hearing(Timestamp::UNIX_EPOCH).await;
        let database = &court.stores.database;
        let each = Duration::from_millis(5);
        // A witness that takes connections and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let key = court.stores.node_key().expect("a key").public();
        let config = WitnessConfig {
            url: format!("http://{}", silent.local_addr().expect("an address")),
            key: WitnessKey::new("silent", key).to_string(),
            trust: None,
        };
        let witnesses = Arc::new(Witnesses::new(&[config]).expect("settings"));
        let (stores, stop) = (court.stores.clone(), CancellationToken::new());
        let signing = sign_while_open(stores, id, each, witnesses, stop);
        let signing = tokio::spawn(signing);
        for (signed, kind) in ["opened", "off_record"].into_iter().enumerate() {
            let happened = vec![event(kind)];
            database.append_events(id, happened).await.expect(kind);
            while checkpoints(database, id).await == signed {
                time::sleep(each).await;
            }
        }
        let (state, now) = (json!("closed"), Some(Timestamp::UNIX_EPOCH));
        let closed = vec![event("closed")];
        let stored = database
            .append_events_with_state(id, closed, &state, now)
            .await;
        stored.expect("closed");
        signing.await.expect("it ends by itself");
    }

    #[tokio::test]
    async fn a_server_that_stops_waits_for_no_checkpoint() {
        let court = TestCourt::open().await;
        let id = court.hearing(Timestamp::UNIX_EPOCH).await;
        let stop = CancellationToken::new();
        stop.cancel();
        sign_while_open(court.stores, id, EACH, Arc::default(), stop).await;
    }
}
