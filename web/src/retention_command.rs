//! `otyrys retention`: what is kept until when, and the end of it.

use crate::{
    cli::{CommandError, tell},
    config::{Config, RetentionConfig},
    hub::new_event,
    stores::Stores,
};
use clap::Subcommand;
use jiff::Timestamp;
use otyrys_signaling::HearingEvent;
use otyrys_storage::{Approval, Kept, Registry, StorageError, ids::HearingId};
use std::io;

/// What is kept until when, and the end of it. It may run beside a server.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Lists the closed hearings: until when each is kept, who agreed to its end, when it came.
    List,
    /// Agrees that the key of a hearing be destroyed whose time is over. When a second person has
    /// agreed, it is destroyed: nobody can see, hear or read its record any more.
    Approve {
        /// Which hearing.
        hearing: HearingId,
        /// Who agrees: name and office, as they are to stand in the event log.
        #[arg(long, value_name = "NAME")]
        by: String,
    },
}

/// # Errors
/// Those of the stores, and in words why a hearing's key cannot be destroyed.
pub async fn run(config: &Config, command: RetentionCommand) -> Result<(), CommandError> {
    let stores = Stores::open_beside(&config.server.data_dir, &config.record).await?;
    let Stores {
        database, registry, ..
    } = &stores;
    let mut out = io::stdout();
    match command {
        RetentionCommand::List => {
            for kept in database.kept().await? {
                let until = kept_until(&config.retention, registry, &kept).await?;
                tell(&mut out, &line(&kept, until, Timestamp::now()));
            }
        }
        RetentionCommand::Approve { hearing, by } => {
            let now = Timestamp::now();
            let kept = database.kept_hearing(hearing).await?;
            let kept = kept.ok_or("there is no such hearing, or it is not closed")?;
            let until = kept_until(&config.retention, registry, &kept).await?;
            if now < until {
                return Err(format!("hearing {hearing} is kept until {until}").into());
            }
            let destroyed = approve(&stores, &kept, by, now).await?;
            if destroyed {
                // One that was never delivered still has a backup, with a copy of its key.
                stores.remove_backup(hearing).await;
                stores.remove_derived(hearing).await;
            }
            tell(
                &mut out,
                match destroyed {
                    true => "Two persons have agreed: the key is destroyed.",
                    false => "It is stored. A second person must agree.",
                },
            );
        }
    }
    database.close().await;
    Ok(())
}

async fn approve(
    stores: &Stores,
    kept: &Kept,
    by: String,
    at: Timestamp,
) -> Result<bool, CommandError> {
    let person = by.split_whitespace().collect::<Vec<_>>().join(" ");
    if person.is_empty() {
        return Err("--by must name the person who agrees".into());
    }
    let event = |event| new_event(at, Some(person.clone()), None, &event);
    let approval = Approval {
        approved: event(HearingEvent::DestructionApproved)?,
        destroyed: event(HearingEvent::KeyDestroyed)?,
        person: person.clone(),
        at,
    };
    let keys = stores.spool.keys();
    let database = &stores.database;
    let destroyed = database.approve_destruction(keys, kept, approval).await?;
    if destroyed {
        // Who it was stands in the event log alone.
        tracing::info!(hearing.id = %kept.hearing, "the key of a hearing was destroyed: its time was over, and two persons have agreed");
    }
    Ok(destroyed)
}

async fn kept_until(
    retention: &RetentionConfig,
    registry: &Registry,
    kept: &Kept,
) -> Result<Timestamp, StorageError> {
    let kind = match registry.case(&kept.case_number).await {
        Ok(case) => Some(case.kind),
        Err(StorageError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(retention.kept_until(kind.as_deref(), kept.closed_at))
}

fn line(kept: &Kept, until: Timestamp, now: Timestamp) -> String {
    let state = match kept.destroyed_at {
        Some(at) => format!("key destroyed {at}"),
        None if now < until => format!("kept until {until}"),
        None => format!("over since {until}"),
    };
    let by = match kept.approved_by.join(", ") {
        nobody if nobody.is_empty() => String::new(),
        names => format!(", approved by {names}"),
    };
    format!("{}  {}  {state}{by}", kept.hearing, kept.case_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hub, test_court::TestCourt};

    #[tokio::test]
    async fn a_key_is_destroyed_only_after_its_time_and_beside_a_running_server() {
        let court = TestCourt::open().await;
        let (config, stores) = (&court.config, &court.stores);
        let approve = async |hearing, by: &str| {
            let by = by.to_owned();
            let approved = run(config, RetentionCommand::Approve { hearing, by }).await;
            approved.map_err(|error| error.to_string())
        };
        let ensured = async |hearing| {
            let keys = stores.spool.keys();
            keys.ensure(&stores.database, hearing).await
        };

        let young = court.closed_hearing(Timestamp::now()).await;
        let refused = approve(young, "Judge A").await.expect_err("too early");
        assert!(refused.contains("is kept until"), "{refused}");
        assert!(approve(HearingId::generate(), "Judge A").await.is_err());

        let old = court.closed_hearing(Timestamp::UNIX_EPOCH).await;
        assert!(approve(old, " ").await.is_err(), "nobody");
        approve(old, "Judge A").await.expect("the first");
        assert!(approve(old, "judge a").await.is_err(), "the same person");
        assert!(ensured(old).await.is_ok(), "one is not enough");
        approve(old, "Archivist B").await.expect("the second");
        let gone = ensured(old).await;
        assert!(
            matches!(gone, Err(StorageError::KeyDestroyed(_))),
            "{gone:?}"
        );
        assert!(ensured(young).await.is_ok(), "another hearing's key");

        // The hearing itself can still be looked at.
        assert!(hub::load(&stores.database, old).await.is_ok());
        let events = stores.database.events(old).await.expect("events");
        let told: Vec<_> = events
            .iter()
            .map(|e| (e.kind.as_str(), e.actor.as_deref()))
            .collect();
        let expected = [
            ("closed", None),
            ("destruction_approved", Some("Judge A")),
            ("destruction_approved", Some("Archivist B")),
            ("key_destroyed", Some("Archivist B")),
        ];
        assert_eq!(told, expected);
        let listed = run(config, RetentionCommand::List).await;
        listed.expect("a list");
    }
}
