//! After closing: from events, lines and record to a sealed bundle with the draft protocol.

use crate::{
    draft::Draft,
    hub::{self, HubError},
    protocol::{
        CourtTime, DraftText, HearingFacts, Means, Person, ProtocolDocument, ProtocolError,
        RecordFile, SpokenWord, StageMark, WrittenWords,
    },
    recording::{codec_name, not_in_record},
    stores::Stores,
};
use jiff::{Timestamp, tz::Offset};
use otyrys_media::{
    Codec,
    recorder::{RecorderError, make_seekable},
};
use otyrys_signaling::{Hearing, Participant, TrackSource, wire::DraftLine};
use otyrys_storage::{
    ArchivePath, Bundle, BundleInput, HearingLog, Reach, SegmentFacts, SegmentRecord, StorageError,
    StoredLog,
    ids::{HearingId, ParticipantId},
};
use serde_json::json;
use std::{collections::HashMap, fs, io, path::PathBuf};

/// Why a bundle was not made. It is made anew at the next attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// The database, the spool or the archive.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The hearing could not be read.
    #[error(transparent)]
    Hearing(#[from] HubError),
    /// The protocol could not be written.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// No seekable copy could be made of a file of the record.
    #[error(transparent)]
    Playback(#[from] RecorderError),
    /// The disk.
    #[error("a file of the record cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The work was interrupted.
    #[error("the work was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Brings the files of a closed hearing that nobody ended to an end at their last whole chunk.
pub(crate) async fn end_broken_segments(stores: &Stores, id: HearingId) -> Result<(), AttachError> {
    let spool = stores.spool.clone();
    let recovery = tokio::task::spawn_blocking(move || spool.recover_hearing(id)).await??;
    for mended in &recovery.mended {
        tracing::warn!(hearing.id = %id, segment.id = %mended.facts.segment, bytes.kept = mended.kept, "a broken file of the record was closed");
    }
    Ok(())
}

/// Makes protocol and bundle of a closed hearing and puts the bundle into the archive. Doing it
/// again finds what is there already.
pub(crate) async fn attach(
    stores: &Stores,
    draft: &Draft,
    id: HearingId,
) -> Result<Bundle, AttachError> {
    let bundle = match Bundle::made(&stores.bundle_dir(id))? {
        Some(made) => made,
        // Archived, and removed where it was made.
        None if stores.archive.has(id).await? => return Ok(stores.bundle(id)?),
        None => make_bundle(stores, draft, id).await?,
    };
    stores.archive.put(&bundle).await?;
    tracing::info!(hearing.id = %id, bundle.sha256 = %bundle.manifest_sha256, "record and protocol are sealed");
    Ok(bundle)
}

async fn make_bundle(stores: &Stores, draft: &Draft, id: HearingId) -> Result<Bundle, AttachError> {
    let hearing = hub::load(&stores.database, id).await?;
    let row = stores.database.hearing(id).await?;
    let lines = draft.lines(id).await?;
    let log = whole_log(stores, id).await?;
    let mut events = stores.database.events(id).await?;
    // What was stored since is in no bundle.
    events.truncate(usize::try_from(log.events()).unwrap_or(usize::MAX));
    let means = Means {
        program: "Otyrys".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: draft.model().map(|model| model.name.clone()),
        model_sha256: draft.model().map(|model| model.sha256.clone()),
    };
    let stores_there = stores.clone();
    tokio::task::spawn_blocking(move || -> Result<Bundle, AttachError> {
        let stores = stores_there;
        let segments = stores.spool.segments(id)?;
        let names = names(&hearing);
        let record = segments
            .iter()
            .map(|segment| record_file(&stores, &names, segment))
            .collect::<Result<Vec<_>, _>>()?;
        let mut attachments = make_playback(&stores, id, &segments)?;
        attachments.extend(missing_sound(&stores, id, &segments));
        let document = document(&hearing, row.court_offset, lines, record, means);
        let documents = vec![
            ("protocol.json".to_owned(), document.to_json()?.into_bytes()),
            (
                "protocol.html".to_owned(),
                document.to_html(None)?.into_bytes(),
            ),
            ("protocol.docx".to_owned(), document.to_docx(None)?),
        ];
        let input = BundleInput {
            hearing: id,
            facts: json!({
                "case_number": row.case_number,
                "case_title": row.case_title,
                "court": row.court_name,
                "court_names": row.court_names,
                "courtroom": row.courtroom,
                "language": row.language,
                "scheduled_at": row.scheduled_at,
                "closed_at": row.closed_at,
            }),
            sealed_at: Timestamp::now(),
            events,
            log,
            documents,
            attachments,
        };
        Ok(Bundle::write(
            &stores.bundle_dir(id),
            &input,
            &stores.spool,
            &stores.node_key()?,
        )?)
    })
    .await?
}

/// The log of a hearing whose files have all ended, with every line of it.
async fn whole_log(stores: &Stores, id: HearingId) -> Result<StoredLog, StorageError> {
    let Stores {
        database, spool, ..
    } = stores;
    let key = stores.node_key()?;
    let mut log = HearingLog::load(database, spool, &key, id).await?;
    log.checkpoint(database, spool, &key, Reach::Whole).await?;
    database.hearing_log(id).await
}

fn make_playback(
    stores: &Stores,
    id: HearingId,
    segments: &[SegmentRecord],
) -> Result<Vec<(ArchivePath, PathBuf)>, AttachError> {
    let dir = stores.playback_dir(id);
    fs::create_dir_all(&dir)?;
    let mut made = Vec::new();
    for segment in segments {
        let path = playback_path(&segment.facts).parse::<ArchivePath>()?;
        let ending = playback_ending(&segment.facts);
        let file = dir.join(format!("{}{ending}", segment.facts.segment));
        if !file.exists() {
            let part = file.with_extension("part");
            let mut copy = stores.spool.keys().create_file(id, &part)?;
            make_seekable(stores.spool.reader(segment)?, &mut copy)?;
            copy.finish()?;
            fs::rename(part, &file)?;
        }
        made.push((path, file));
    }
    Ok(made)
}

/// What the backup has and the record has not. The record is sealed without it if the backup cannot
/// be read: it may be gone like the disk that it is for.
fn missing_sound(
    stores: &Stores,
    id: HearingId,
    segments: &[SegmentRecord],
) -> Vec<(ArchivePath, PathBuf)> {
    let found = stores.backup.as_ref().map(|backup| -> Result<_, AttachError> {
        let copies = backup.segments(id)?;
        let mut found = Vec::new();
        for copy in not_in_record(&copies, segments) {
            let facts = &copy.facts;
            let path = format!(
                "backup/{}/{}-{}{}",
                facts.participant,
                facts.source,
                facts.segment,
                facts.media_ending()
            );
            let file = stores.playback_dir(id).join(format!("{}.backup", facts.segment));
            let mut whole = stores.spool.keys().create_file(id, &file)?;
            io::copy(&mut backup.reader(copy)?, &mut whole)?;
            whole.finish()?;
            tracing::warn!(hearing.id = %id, participant.id = %facts.participant, "the record lacks sound that the backup has: it goes into the bundle");
            found.push((path.parse()?, file));
        }
        Ok(found)
    });
    match found {
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            tracing::warn!(hearing.id = %id, %error, "the backup of the sound cannot be read");
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn playback_path(facts: &SegmentFacts) -> String {
    format!(
        "playback/{}/{}-{}{}",
        facts.participant,
        facts.source,
        facts.segment,
        playback_ending(facts)
    )
}

/// What [`make_seekable`] makes of a file of the record.
fn playback_ending(facts: &SegmentFacts) -> &'static str {
    if facts.codec == codec_name(Codec::H264) {
        ".mp4"
    } else {
        ".webm"
    }
}

fn record_path(facts: &SegmentFacts) -> String {
    format!(
        "record/{}/{}-{}{}",
        facts.participant,
        facts.source,
        facts.segment,
        facts.media_ending()
    )
}

fn names(hearing: &Hearing) -> HashMap<ParticipantId, String> {
    hearing
        .participants()
        .iter()
        .map(|p| (p.person.id, p.person.name.clone()))
        .collect()
}

fn record_file(
    stores: &Stores,
    names: &HashMap<ParticipantId, String>,
    segment: &SegmentRecord,
) -> Result<RecordFile, AttachError> {
    let facts = &segment.facts;
    let source: TrackSource =
        serde_json::from_value(facts.source.as_str().into()).map_err(|error| {
            StorageError::Corrupt {
                what: "a segment's source".to_owned(),
                reason: error.to_string(),
            }
        })?;
    Ok(RecordFile {
        participant: facts.participant,
        name: names.get(&facts.participant).cloned().unwrap_or_default(),
        source,
        file: record_path(facts),
        playback: Some(playback_path(facts)),
        starts_ms: ms(facts.starts_ms),
        ends_ms: ms(segment.ends_ms),
        sha256: stores.spool.digest(segment)?.to_string(),
    })
}

fn document(
    hearing: &Hearing,
    offset: Offset,
    lines: Vec<DraftLine>,
    record: Vec<RecordFile>,
    means: Means,
) -> ProtocolDocument {
    let subject = hearing.subject();
    let court_time = |at: Option<Timestamp>| at.map(|at| CourtTime::new(at, offset));
    let (present, absent): (Vec<&Participant>, Vec<&Participant>) =
        hearing.participants().iter().partition(|p| p.appeared);
    ProtocolDocument {
        hearing: HearingFacts {
            id: subject.id,
            case_number: subject.case_number.clone(),
            case_title: subject.case_title.clone(),
            court: subject.court.clone(),
            courtroom: subject.courtroom.clone(),
            language: subject.language,
            opened_at: court_time(hearing.opened_at()),
            closed_at: court_time(hearing.closed_at()),
            record_started_at: court_time(hearing.record_epoch()),
        },
        present: present.into_iter().map(person).collect(),
        absent: absent.into_iter().map(person).collect(),
        stages: hearing
            .stages()
            .iter()
            .map(|(stage, at_ms)| StageMark {
                stage: *stage,
                at_ms: ms(*at_ms),
            })
            .collect(),
        lines: lines
            .into_iter()
            .filter_map(|line| text_of(hearing, line))
            .collect(),
        record,
        means,
    }
}

fn person(participant: &Participant) -> Person {
    let person = &participant.person;
    Person {
        id: person.id,
        name: person.name.clone(),
        role: person.role,
        place: person.place,
    }
}

/// A line under the person whose track it came from.
fn text_of(hearing: &Hearing, line: DraftLine) -> Option<DraftText> {
    let person = &hearing.participant(line.participant)?.person;
    Some(DraftText {
        id: line.id,
        participant: line.participant,
        name: person.name.clone(),
        role: person.role,
        start_ms: line.start_ms,
        end_ms: line.end_ms,
        text: line.text,
        language: line.language,
        confidence: line.confidence,
        weak: line.weak,
        words: line
            .words
            .into_iter()
            .map(|word| SpokenWord {
                text: word.text,
                start_ms: word.start_ms,
                end_ms: word.end_ms,
                confidence: word.confidence,
            })
            .collect(),
        written: line
            .written
            .into_iter()
            .map(|words| WrittenWords {
                first: words.first,
                count: words.count,
                text: words.text,
            })
            .collect(),
    })
}

/// Record times in the document's 32 bits: 49 days.
fn ms(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
