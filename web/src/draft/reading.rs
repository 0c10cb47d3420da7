//! From the record to the recogniser.

use crate::playable::first_cluster;
use bytes::Bytes;
use otyrys_storage::{RecordSpool, SegmentFacts, StorageError};
use otyrys_transcribe::{Feed, RecogniserError};
use std::time::Duration;
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How often the end of a growing file is looked at. The recorder writes a chunk each 0.6 s.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes that are read from the record at once: about a minute of Opus.
const READ: usize = 256 * 1024;

/// Why a file of the record is not recognised to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    /// The recogniser does not take it.
    #[error(transparent)]
    Recogniser(#[from] RecogniserError),
    /// It cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing of it can be decoded.
    #[error("the beginning of the file is damaged")]
    NoBeginning,
    /// The work was interrupted.
    #[error("a reader of the record ended: {0}")]
    Reader(#[from] tokio::task::JoinError),
}

/// When the next piece of a file is read.
pub(super) trait Pace: Sync {
    fn time_to_read(&self) -> impl Future<Output = ()> + Send;
}

/// As soon as there is one.
pub(super) struct AtOnce;

impl Pace for AtOnce {
    async fn time_to_read(&self) {}
}

/// Gives a file of the record to its feed while it grows, and ends the feed when the file has ended.
/// What of it is damaged is stepped over. Says whether the file was read to its end: it is not when
/// everything stops.
pub(super) async fn read_record(
    spool: &RecordSpool,
    facts: &SegmentFacts,
    feed: &Feed,
    stop: &CancellationToken,
    pace: &impl Pace,
) -> Result<bool, DraftError> {
    let (mut offset, mut behind_damage) = (0u64, false);
    loop {
        if stop
            .run_until_cancelled(pace.time_to_read())
            .await
            .is_none()
        {
            return Ok(false);
        }
        let (spool, of) = (spool.clone(), facts.clone());
        let mut tail =
            tokio::task::spawn_blocking(move || spool.read_from(&of, offset, READ)).await??;
        if offset == 0 && tail.bytes.is_empty() && tail.damaged_to.is_some() {
            return Err(DraftError::NoBeginning);
        }
        if behind_damage {
            let all_there = tail.ended || tail.damaged_to.is_some() || tail.bytes.len() == READ;
            match first_cluster(&tail.bytes) {
                None if !all_there => tail.bytes.clear(),
                found => {
                    let skipped = found.unwrap_or(tail.bytes.len());
                    tail.bytes.drain(..skipped);
                    offset += skipped as u64;
                    behind_damage = found.is_none();
                }
            }
        }
        let read = tail.bytes.len() as u64;
        let mut taken = read > 0;
        if taken {
            match feed.push(Bytes::from(tail.bytes)) {
                Ok(()) => offset += read,
                // The record keeps it; it is read again when there is room.
                Err(RecogniserError::FeedFull) => taken = false,
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(damaged_to) = tail.damaged_to.filter(|_| taken || read == 0) {
            tracing::warn!(hearing.id = %facts.hearing, segment.id = %facts.segment, bytes.from = offset, bytes.to = damaged_to, "a damaged piece of the record is not recognised");
            (offset, behind_damage) = (damaged_to, true);
            continue;
        }
        if tail.ended && offset == tail.acknowledged {
            feed.finish();
            return Ok(true);
        }
        if (!taken || offset == tail.acknowledged)
            && stop.run_until_cancelled(time::sleep(LOOK)).await.is_none()
        {
            return Ok(false);
        }
    }
}
