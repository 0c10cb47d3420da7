//! After a crash: what of the record the recogniser had not read yet.

use crate::{
    draft::{Draft, Speech},
    hub::HubError,
    recording::source_named,
    stores::Stores,
};
use otyrys_signaling::is_drafted;
use otyrys_storage::{
    LineRow, SegmentRecord, StorageError,
    ids::{HearingId, SegmentId},
};
use std::collections::HashSet;

/// Lets the recogniser read the files of a hearing's voices that it had not read to their end,
/// and keeps only the lines that are not stored yet.
pub(crate) async fn draft_what_is_missing(
    stores: &Stores,
    draft: &Draft,
    hearing: HearingId,
) -> Result<(), HubError> {
    let spool = stores.spool.clone();
    let segments: Vec<SegmentRecord> = tokio::task::spawn_blocking(move || spool.segments(hearing))
        .await
        .map_err(|_| HubError::Stopping)??;
    if segments.is_empty() {
        return Ok(());
    }
    let read = segments_read(stores, hearing).await?;
    let lines = stores.database.lines(hearing).await?;
    let state = crate::hub::load(&stores.database, hearing).await?;
    for segment in segments {
        let facts = segment.facts;
        let drafted = source_named(&facts.source).is_some_and(is_drafted);
        if !drafted || read.contains(&facts.segment) {
            continue;
        }
        let known_until_ms = known_until_ms(&lines, facts.segment);
        let speech = Speech::of(&state, facts.participant);
        draft.follow_from(facts, speech, known_until_ms);
    }
    Ok(())
}

/// Where on the record clock the last of these lines ends that was heard in a segment; 0: there is
/// none.
pub(crate) fn known_until_ms(lines: &[LineRow], segment: SegmentId) -> u64 {
    let of_segment = lines.iter().filter(|line| line.segment == segment);
    of_segment
        .map(|line| u64::from(line.end_ms))
        .max()
        .unwrap_or(0)
}

async fn segments_read(
    stores: &Stores,
    hearing: HearingId,
) -> Result<HashSet<SegmentId>, StorageError> {
    let events = stores.database.events(hearing).await?;
    Ok(events
        .iter()
        .filter(|event| event.kind == "segment_drafted")
        .filter_map(|event| event.data.get("segment")?.as_str()?.parse().ok())
        .collect())
}
