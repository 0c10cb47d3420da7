//! After closing: from events, lines and record to a sealed bundle with the draft protocol.

mod attachments;
mod examined;
#[cfg(test)]
mod tests;

use crate::{
    draft::Draft,
    hub::{self, HubError},
    protocol::{
        CourtTime, DamagedPiece, DraftText, EditedText, HearingFacts, Interpreted, Means, Person,
        ProtocolDocument, ProtocolError, RecordFile, SpokenWord, StageMark, WrittenWords,
    },
    recording::source_named,
    stores::Stores,
};
use attachments::{make_playback, missing_sound};
use examined::{Examined, note_damage};
use jiff::{Timestamp, tz::Offset};
use otyrys_media::recorder::RecorderError;
use otyrys_signaling::{Hearing, Participant, TrackSource, wire::DraftLine};
use otyrys_storage::{
    ArchivePath, Bundle, BundleInput, HearingLog, Reach, SegmentFacts, StorageError, StoredLog,
    ids::{HearingId, ParticipantId},
};
use serde_json::json;
use std::{collections::HashMap, io};

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
    for error in &recovery.damaged {
        tracing::error!(hearing.id = %id, %error, "a file of the record does not hold: somebody must look");
    }
    Ok(())
}

/// Makes protocol and bundle of a closed hearing. Doing it again finds what is there already;
/// nothing if the bundle was archived and then removed where it was made.
pub(crate) async fn seal(
    stores: &Stores,
    draft: &Draft,
    id: HearingId,
) -> Result<Option<Bundle>, AttachError> {
    if let Some(made) = Bundle::made(&stores.bundle_dir(id))? {
        return Ok(Some(made));
    }
    if stores.archive.has(id).await? {
        return Ok(None);
    }
    let bundle = make_bundle(stores, draft, id).await?;
    tracing::info!(hearing.id = %id, bundle.sha256 = %bundle.manifest_sha256, "record and protocol are sealed");
    Ok(Some(bundle))
}

async fn make_bundle(stores: &Stores, draft: &Draft, id: HearingId) -> Result<Bundle, AttachError> {
    let hearing = hub::load(&stores.database, id).await?;
    let row = stores.database.hearing(id).await?;
    let lines = draft.lines(id).await?;
    let stores_there = stores.clone();
    let segments = tokio::task::spawn_blocking(move || Examined::all(&stores_there, id)).await??;
    note_damage(stores, id, &segments).await?;
    let log = whole_log(stores, id).await?;
    let mut events = stores.database.events(id).await?;
    // What was stored since is in no bundle.
    events.truncate(usize::try_from(log.events()).unwrap_or(usize::MAX));
    // One model hears all of a hearing again, unless an operator changes it in the middle.
    let last = stores.database.final_passes(id).await?.pop();
    let means = Means {
        program: "Otyrys".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: draft.model().map(|model| model.name),
        model_sha256: draft.model().map(|model| model.sha256),
        final_model: last.as_ref().map(|pass| pass.model.clone()),
        final_model_sha256: last.map(|pass| pass.model_sha256),
    };
    let stores_there = stores.clone();
    tokio::task::spawn_blocking(move || -> Result<Bundle, AttachError> {
        let stores = stores_there;
        let mut copies = make_playback(&stores, id, &segments)?;
        let names = names(&hearing);
        let record = segments
            .iter()
            .map(|segment| {
                let copy = copies.get(&segment.record.facts.segment);
                record_file(&names, segment, copy.map(|(path, _)| path))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut attachments: Vec<_> = copies.drain().map(|(_, copy)| copy).collect();
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

fn record_path(facts: &SegmentFacts) -> String {
    format!("record/{}{}", facts.stem(), facts.media_ending())
}

fn names(hearing: &Hearing) -> HashMap<ParticipantId, String> {
    hearing
        .participants()
        .iter()
        .map(|p| (p.person.id, p.person.name.clone()))
        .collect()
}

fn record_file(
    names: &HashMap<ParticipantId, String>,
    segment: &Examined,
    copy: Option<&ArchivePath>,
) -> Result<RecordFile, AttachError> {
    let facts = &segment.record.facts;
    let source = source_of(facts)?;
    let damage = segment.damage.iter().map(|damage| DamagedPiece {
        from_ms: ms(damage.from_ms),
        to_ms: ms(damage.to_ms),
    });
    Ok(RecordFile {
        participant: facts.participant,
        name: names.get(&facts.participant).cloned().unwrap_or_default(),
        source,
        file: record_path(facts),
        playback: copy.map(ArchivePath::to_string),
        starts_ms: ms(facts.starts_ms),
        ends_ms: ms(segment.record.ends_ms),
        sha256: segment.sha256.to_string(),
        damage: damage.collect(),
    })
}

/// What a segment carries.
fn source_of(facts: &SegmentFacts) -> Result<TrackSource, StorageError> {
    source_named(&facts.source).ok_or_else(|| StorageError::Corrupt {
        what: format!("segment {}", facts.segment),
        reason: "its source is unknown".to_owned(),
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
    let edited = line.edited.and_then(|edit| {
        Some(EditedText {
            text: edit.text?,
            by: edit.by,
            name: hearing.participant(edit.by)?.person.name.clone(),
            at: edit.at,
        })
    });
    let interprets = hearing
        .interprets_at(line.participant, line.start_ms.into())
        .and_then(|of| hearing.participant(of))
        .map(|of| Interpreted {
            participant: of.person.id,
            name: of.person.name.clone(),
        });
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
        edited,
        interprets,
    })
}

/// Record times in the document's 32 bits: 49 days.
fn ms(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
