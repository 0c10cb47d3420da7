//! Checking the chained lines of a bundle, and the bytes that they speak of.

use super::{Violation, read};
use crate::{
    chunk_log::ChunkLog,
    damage::Damage,
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
    let mut damage = Vec::new();
    for chunk in &log.chunks {
        buffer.clear();
        (&mut media)
            .take(chunk.len)
            .read_to_end(&mut buffer)
            .map_err(|error| StorageError::file(path, error))?;
        let there = buffer.len() as u64 == chunk.len;
        let holds = there && Digest::of(&buffer) == chunk.sha256;
        let listed = head.damage.iter().any(|damage| damage.has(chunk.n));
        let fault = match (holds, listed) {
            (true, false) => None,
            (true, true) => Some("is listed as damaged, and holds"),
            (false, true) if there && buffer.iter().all(|byte| *byte == 0) => {
                Damage::add(&mut damage, chunk, begins_ms);
                None
            }
            (false, _) => Some("is not what was recorded"),
        };
        if let Some(fault) = fault {
            let second = Some(seconds(begins_ms));
            let reason = format!("chunk {} {fault}", chunk.n);
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
    if whole && damage != head.damage {
        let reason = "its damage is not listed as it is";
        return Ok(Some(Violation::whole(name, reason)));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SegmentId;

    /// Four chunks of which the second and third are zeros, and what their sealer may say of them.
    fn sealed(damage: &[Damage]) -> Option<(u64, String)> {
        let dir = tempfile::tempdir().unwrap();
        let mut log = ChunkLog::empty(Digest::of(b"facts"), 500);
        let mut media = Vec::new();
        for n in 1..=4_u8 {
            let (_, line, _) = log.chunk_line(&[n; 10], u64::from(n) * 1000);
            log.push_line(line.as_bytes()).unwrap();
            media.extend([if (2..=3).contains(&n) { 0 } else { n }; 10]);
        }
        std::fs::write(dir.path().join("a.webm"), media).unwrap();
        let head = SegmentHead {
            segment: SegmentId::generate(),
            path: "a.webm".parse().unwrap(),
            starts_ms: 500,
            ends_ms: 4000,
            chunks: 4,
            head: log.head,
            damage: damage.to_vec(),
        };
        let found = check_media(dir.path(), &head, &log, true).unwrap();
        found.map(|violation| (violation.offset, violation.reason))
    }

    #[test]
    fn damage_holds_if_it_is_listed_as_it_is_and_in_no_other_case() {
        let true_one = Damage {
            first_chunk: 2,
            last_chunk: 3,
            offset: 10,
            len: 20,
            from_ms: 1000,
            to_ms: 3000,
        };
        assert_eq!(sealed(&[true_one]), None);
        let not_recorded = |n| format!("chunk {n} is not what was recorded");
        assert_eq!(sealed(&[]), Some((10, not_recorded(2))));
        let first_only = Damage {
            last_chunk: 2,
            ..true_one
        };
        assert_eq!(sealed(&[first_only]), Some((20, not_recorded(3))));
        let too_much = Damage {
            last_chunk: 4,
            ..true_one
        };
        let holds = "chunk 4 is listed as damaged, and holds".to_owned();
        assert_eq!(sealed(&[too_much]), Some((30, holds)));
        let elsewhere = Damage {
            to_ms: 2000,
            ..true_one
        };
        let not_as_it_is = "its damage is not listed as it is".to_owned();
        for listed in [vec![elsewhere], vec![true_one, true_one]] {
            assert_eq!(sealed(&listed), Some((0, not_as_it_is.clone())));
        }
    }
}
