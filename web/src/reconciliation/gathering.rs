//! Looking at everything that a day left. What cannot be read of one hearing is a fact about it; the
//! others are looked at all the same.

use super::{
    expected_record::ExpectedRecord,
    facts::{BackupFacts, BundleFacts, Course, DayFacts, FileFacts, HearingFacts, KeyFacts},
    rules::HOLE_MS,
};
use crate::{
    cli::explain,
    hub::{self, HubError},
    recording::{not_in_record, source_named},
    stores::Stores,
};
use jiff::{Timestamp, civil::Date};
use otyrys_signaling::{HearingEvent, TrackRef};
use otyrys_storage::{
    Bundle, Depth, Hearing, JobState, SegmentRecord, StorageError, ids::HearingId,
};
use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::Path,
};

/// What a day left, and how deep its bundles were looked into. A hearing belongs to the days on
/// which it was to begin and was closed, and to each on which it was left open.
///
/// # Errors
/// Those of the database and the disk that concern no single hearing.
pub(crate) async fn gather(stores: &Stores, day: Date, depth: Depth) -> Result<DayFacts, HubError> {
    let now = Timestamp::now();
    let all = stores.database.hearings().await?;
    let known: HashSet<HearingId> = all.iter().map(|hearing| hearing.id).collect();
    let mut hearings = Vec::new();
    for row in all {
        if let Some(facts) = of_hearing(stores, row, day, depth, now).await? {
            hearings.push(facts);
        }
    }
    Ok(DayFacts {
        at: now,
        hearings,
        strangers: strangers(stores, &known).await?,
    })
}

async fn of_hearing(
    stores: &Stores,
    row: Hearing,
    day: Date,
    depth: Depth,
    now: Timestamp,
) -> Result<Option<HearingFacts>, HubError> {
    let date = |at: Timestamp| row.court_offset.to_datetime(at).date();
    let on_the_day = date(row.scheduled_at) == day || row.closed_at.map(date) == Some(day);
    let left_open = row.closed_at.is_none() && date(row.scheduled_at) < day;
    if !on_the_day && !left_open {
        return Ok(None);
    }
    let course = course(stores, row.id, now).await;
    // Of an earlier day, and nobody has come: that day has told it.
    let opened = course.as_ref().map(|course| course.opened_at);
    if !on_the_day && opened.is_ok_and(|at| at.is_none_or(|at| date(at) > day)) {
        return Ok(None);
    }
    let database = &stores.database;
    let there = stores.clone();
    let on_disk = tokio::task::spawn_blocking(move || on_disk(&there, row.id, depth));
    let (files, only_in_backup, key, bundle) = on_disk.await.map_err(|_| HubError::Stopping)?;
    let jobs = database.jobs(row.id).await?.into_iter();
    Ok(Some(HearingFacts {
        id: row.id,
        case_number: row.case_number,
        courtroom: row.courtroom,
        scheduled_at: row.scheduled_at,
        offset: row.court_offset,
        course,
        files,
        only_in_backup,
        key,
        bundle,
        archived: stores.archive.has(row.id).await?,
        lines: database.lines(row.id).await?.len(),
        delivery: database.delivery(row.id).await?,
        failed_jobs: jobs
            .filter(|job| job.state == JobState::Failed)
            .map(|job| (job.kind, job.last_error.unwrap_or_default()))
            .collect(),
    }))
}

async fn course(stores: &Stores, id: HearingId, now: Timestamp) -> Result<Course, String> {
    let (mut expected, mut faults) = (ExpectedRecord::default(), 0);
    let mut drafted = BTreeSet::new();
    let hearing = hub::replay(&stores.database, id, |hearing, at, event| {
        expected.after(hearing, at, event);
        match event {
            HearingEvent::RecordFailed { .. } => faults += 1,
            HearingEvent::SegmentDrafted { segment } => {
                drafted.insert(*segment);
            }
            _ => {}
        }
    });
    let hearing = hearing.await.map_err(|error| explain(&error))?;
    let (expected, on_record_ms) = expected.until(hearing.record_ms(now));
    Ok(Course {
        state: hearing.state(),
        opened_at: hearing.opened_at(),
        closed_at: hearing.closed_at(),
        on_record_ms,
        faults,
        expected,
        drafted,
        names: hearing
            .participants()
            .iter()
            .map(|p| (p.person.id, p.person.name.clone()))
            .collect(),
    })
}

type OnDisk = (
    Result<Vec<FileFacts>, String>,
    Vec<BackupFacts>,
    KeyFacts,
    BundleFacts,
);

fn on_disk(stores: &Stores, id: HearingId, depth: Depth) -> OnDisk {
    let keys = stores.spool.keys();
    let key = match keys.check(id) {
        Ok(()) => KeyFacts::There,
        Err(StorageError::KeyDestroyed(_)) => KeyFacts::Destroyed,
        Err(error) => KeyFacts::Lost(explain(&error)),
    };
    let made = stores.bundle(id);
    let records = stores.spool.segments(id).map_err(|error| explain(&error));
    let sealed = made.as_ref().ok();
    let backup = match &records {
        Ok(records) => only_in_backup(stores, id, records, sealed),
        Err(_) => Vec::new(),
    };
    let files = records.and_then(|records| {
        let of = |record| file(record, sealed);
        records.iter().map(of).collect()
    });
    let bundle = match made {
        Err(StorageError::NotFound(_)) => BundleFacts::Missing,
        Err(error) => BundleFacts::Broken(explain(&error)),
        Ok(bundle) => match copies(stores, &bundle, depth) {
            Err(error) => BundleFacts::Broken(explain(&error)),
            Ok(()) => {
                let paths = bundle.manifest.files.iter().map(|file| file.path.as_str());
                let documents = paths.filter_map(|path| path.strip_prefix("documents/"));
                BundleFacts::Holds(documents.map(str::to_owned).collect())
            }
        },
    };
    (files, backup, key, bundle)
}

/// Of the second copy what the record has not; nothing where there is none, or none that can be read.
fn only_in_backup(
    stores: &Stores,
    id: HearingId,
    records: &[SegmentRecord],
    bundle: Option<&Bundle>,
) -> Vec<BackupFacts> {
    let copies = stores.backup.as_ref().map(|backup| backup.segments(id));
    let copies = copies.transpose().ok().flatten().unwrap_or_default();
    let damage = |record: &SegmentRecord| match bundle {
        Some(bundle) => bundle.damage(record.facts.segment),
        None => &[],
    };
    let held: Vec<_> = records.iter().map(|r| (r, damage(r))).collect();
    let facts = |copy: &SegmentRecord| {
        let (name, source) = (copy.facts.segment.to_string(), &copy.facts.source);
        let mut sealed = bundle.iter().flat_map(|bundle| &bundle.manifest.files);
        let sealed = sealed.find(|file| {
            let path = file.path.as_str();
            path.starts_with("backup/") && path.contains(&name)
        });
        Some(BackupFacts {
            segment: copy.facts.segment,
            track: TrackRef {
                participant: copy.facts.participant,
                source: source_named(source)?,
            },
            from_ms: copy.facts.starts_ms,
            to_ms: copy.ends_ms,
            sealed_as: sealed.map(|file| file.path.to_string()),
        })
    };
    not_in_record(&copies, &held).filter_map(facts).collect()
}

/// Checks the bundle, and its other copy while there is one.
fn copies(stores: &Stores, bundle: &Bundle, depth: Depth) -> Result<(), StorageError> {
    let keys = stores.spool.keys();
    bundle.check(keys, depth)?;
    let made = stores.bundle_dir(bundle.manifest.hearing);
    match made != bundle.dir && made.exists() {
        true => Bundle::read(&made)?.check(keys, depth),
        false => Ok(()),
    }
}

fn file(record: &SegmentRecord, bundle: Option<&Bundle>) -> Result<FileFacts, String> {
    let facts = &record.facts;
    let source = source_named(&facts.source)
        .ok_or_else(|| format!("segment {} has an unknown source", facts.segment))?;
    let mut holds = vec![(facts.starts_ms, facts.starts_ms)];
    for chunk in &record.chunks {
        match holds.last_mut() {
            Some((_, to_ms)) if chunk.ends_ms.saturating_sub(*to_ms) <= HOLE_MS => {
                *to_ms = chunk.ends_ms;
            }
            _ => holds.push((chunk.ends_ms, chunk.ends_ms)),
        }
    }
    Ok(FileFacts {
        segment: facts.segment,
        track: TrackRef {
            participant: facts.participant,
            source,
        },
        holds,
        ended: record.ending.is_some(),
        sealed: bundle.is_some_and(|bundle| bundle.has(record)),
        damage: bundle.map_or_else(Vec::new, |bundle| {
            let pieces = bundle.damage(facts.segment).iter();
            pieces.map(|piece| (piece.from_ms, piece.to_ms)).collect()
        }),
    })
}

/// Folders of hearings that the database does not have, with the name of the folder above.
async fn strangers(
    stores: &Stores,
    known: &HashSet<HearingId>,
) -> Result<Vec<String>, StorageError> {
    let bundles = stores.bundles_dir();
    let folders = [
        ("record", stores.spool.hearings()?),
        ("bundles", hearings_in(&bundles)?),
        ("archive/bundles", stores.archive.hearings().await?),
    ];
    let all = folders.into_iter().flat_map(|(above, found)| {
        let unknown = found.into_iter().filter(|id| !known.contains(id));
        unknown.map(move |id| format!("{above}/{id}"))
    });
    Ok(all.collect())
}

fn hearings_in(dir: &Path) -> Result<Vec<HearingId>, StorageError> {
    let failed = |source| StorageError::NotWritable {
        what: dir.display().to_string(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(failed)?;
    Ok(names
        .iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect())
}
