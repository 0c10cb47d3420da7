//! Checking the chained lines of a bundle, and the bytes that they speak of.

use super::{Violation, read};
use crate::{
    chunk_log::ChunkLog,
    digest::Digest,
    error::StorageError,
    events::{StoredEvent, genesis},
    ids::HearingId,
    leaves::{Leaves, Logged},
    log_runs::LogSource,
    manifest::{EVENTS_NAME, Manifest, SegmentHead},
    segment::{FACTS_ENDING, LOG_ENDING, SegmentFacts, media_stem},
};
use std::{fs::File, io::Read, path::Path};

/// How far the lines of a file are leaves; all of them where the leaves are not known.
fn logged(leaves: Option<&Leaves>, source: LogSource, file: &[u8]) -> Logged {
    let unknown = Logged {
        bytes: file.len(),
        fault: None,
    };
    leaves.map_or(unknown, |leaves| leaves.logged(source, file))
}

/// Checks the event log: each line for itself, after the one before, and against its leaf.
pub(super) fn check_events(
    dir: &Path,
    manifest: &Manifest,
    leaves: Option<&Leaves>,
) -> Result<Option<Violation>, StorageError> {
    let Some(bytes) = read(&dir.join(EVENTS_NAME))? else {
        return Ok(Some(Violation::whole(EVENTS_NAME, "it is missing")));
    };
    let logged = logged(leaves, LogSource::Events, &bytes);
    let (mut offset, mut last) = (0, None);
    let lines = bytes.get(..logged.bytes).unwrap_or_default();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let event = line
            .strip_suffix(b"\n")
            .and_then(|line| std::str::from_utf8(line).ok())
            .ok_or("the line is not whole")
            .and_then(StoredEvent::from_line)
            .and_then(|event| {
                let follows = event.follows(manifest.hearing, last);
                follows
                    .then_some(event)
                    .ok_or("the event does not follow the one before")
            });
        match event {
            Ok(event) => last = Some((event.seq, event.hash)),
            Err(reason) => return Ok(Some(Violation::at(EVENTS_NAME, offset, reason))),
        }
        offset += line.len() as u64;
    }
    let (count, head) = last.unwrap_or((0, genesis(manifest.hearing)));
    let holds = count == manifest.events.count && head == manifest.events.head;
    let fault = logged
        .fault
        .or((!holds).then_some("it does not end where it was sealed"));
    Ok(fault.map(|reason| Violation::at(EVENTS_NAME, offset, reason)))
}

/// What checking a segment came to.
pub(super) struct SegmentCheck {
    /// In the record file, then in the chunk log.
    pub(super) violations: Vec<Violation>,
    /// So many bytes of the record file are what was recorded.
    pub(super) held_bytes: u64,
    /// Where they end on the record clock, in milliseconds.
    pub(super) held_ms: u64,
}

/// Checks a segment: its facts, the lines of its chunk log, and the chunks.
pub(super) fn check_segment(
    dir: &Path,
    head: &SegmentHead,
    hearing: HearingId,
    leaves: Option<&Leaves>,
) -> Result<SegmentCheck, StorageError> {
    let media_name = head.path.as_str();
    let stem = media_stem(media_name).unwrap_or(media_name);
    let (log_name, facts_name) = (
        format!("{stem}{LOG_ENDING}"),
        format!("{stem}{FACTS_ENDING}"),
    );
    let only = |violation| SegmentCheck {
        violations: vec![violation],
        held_bytes: 0,
        held_ms: head.starts_ms,
    };
    let Some(facts_bytes) = read(&dir.join(&facts_name))? else {
        return Ok(only(Violation::whole(facts_name, "it is missing")));
    };
    let facts = match SegmentFacts::from_json(&facts_bytes) {
        Ok(facts) => facts,
        Err(reason) => return Ok(only(Violation::whole(facts_name, reason))),
    };
    let belongs = facts.hearing == hearing
        && facts.segment == head.segment
        && facts.starts_ms == head.starts_ms
        && format!("record/{}", facts.stem()) == stem;
    if !belongs {
        let reason = "these are another segment's facts";
        return Ok(only(Violation::whole(facts_name, reason)));
    }
    let Some(log_bytes) = read(&dir.join(&log_name))? else {
        return Ok(only(Violation::whole(log_name, "it is missing")));
    };
    let logged = logged(leaves, LogSource::Segment(head.segment), &log_bytes);
    let lines = log_bytes.get(..logged.bytes).unwrap_or_default();
    let (log, fault) = ChunkLog::read(lines, Digest::of(&facts_bytes), facts.starts_ms);
    let ends_as_sealed = log.end.is_some()
        && log.chunks.len() as u64 == head.chunks
        && log.ends_ms == head.ends_ms
        && log.head == head.head;
    let log_fault = fault
        .map(|fault| fault.reason)
        .or(logged.fault)
        .or((!ends_as_sealed).then_some("it does not end where it was sealed"));
    // The record file first: its faults have a place in the hearing, and a changed log leaves the
    // chunks before the change to check it by.
    let media_fault = check_media(dir, head, &log, log_fault.is_none())?;
    let log_fault = log_fault.map(|reason| Violation {
        second: Some(seconds(log.ends_ms)),
        ..Violation::at(log_name, log.log_len, reason)
    });
    Ok(SegmentCheck {
        violations: media_fault.into_iter().chain(log_fault).collect(),
        held_bytes: log.media_len,
        held_ms: log.ends_ms,
    })
}

/// Checks a record file chunk by chunk; `whole` if the log accounts for all of it.
fn check_media(
    dir: &Path,
    head: &SegmentHead,
    log: &ChunkLog,
    whole: bool,
) -> Result<Option<Violation>, StorageError> {
    let name = head.path.as_str();
    let path = &head.path.under(dir);
    let mut media = match File::open(path) {
        Ok(media) => media,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some(Violation::whole(name, "it is missing")));
        }
        Err(error) => return Err(StorageError::file(path, error)),
    };
    let mut buffer = Vec::new();
    let mut begins_ms = head.starts_ms;
    for chunk in &log.chunks {
        buffer.clear();
        (&mut media)
            .take(chunk.len)
            .read_to_end(&mut buffer)
            .map_err(|error| StorageError::file(path, error))?;
        if buffer.len() as u64 != chunk.len || Digest::of(&buffer) != chunk.sha256 {
            let second = Some(seconds(begins_ms));
            let reason = format!("chunk {} is not what was recorded", chunk.n);
            return Ok(Some(Violation {
                second,
                ..Violation::at(name, chunk.offset, reason)
            }));
        }
        begins_ms = chunk.ends_ms;
    }
    let rest = media
        .read(&mut [0])
        .map_err(|error| StorageError::file(path, error))?;
    let added = whole && rest != 0;
    Ok(added.then(|| Violation {
        second: Some(seconds(log.ends_ms)),
        ..Violation::at(name, log.media_len, "there is more than was recorded")
    }))
}

/// Milliseconds of the record clock as seconds.
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
