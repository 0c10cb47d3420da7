//! Checking a bundle that was handed over: offline, from its own files alone.

use crate::{
    chunk_log::ChunkLog,
    digest::{Digest, Hasher},
    error::StorageError,
    events::{StoredEvent, genesis},
    files,
    ids::HearingId,
    manifest::{EVENTS_NAME, FileEntry, MANIFEST_NAME, Manifest, SEAL_NAME, SegmentHead},
    node_key::PublicKey,
    seal,
    segment::{FACTS_ENDING, LOG_ENDING, SegmentFacts, media_stem},
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::Read,
    path::Path,
};

/// What checking a bundle came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Every byte is what was sealed.
    Holds(VerifyReport),
    /// It is not; in the order in which it was found, never empty.
    Broken(Vec<Violation>),
}

/// A bundle that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Which hearing.
    pub hearing: HearingId,
    /// When it was sealed, by the sealing node's clock.
    pub sealed_at: Timestamp,
    /// Whose key sealed it: SHA-256 of the public key.
    pub key_id: Digest,
    /// SHA-256 of the manifest.
    pub manifest_sha256: Digest,
    /// Files checked, manifest and seal included.
    pub files: u64,
    /// Bytes checked.
    pub bytes: u64,
    /// Events checked.
    pub events: u64,
    /// Segments checked.
    pub segments: u64,
    /// Chunks checked.
    pub chunks: u64,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The bundle of hearing {} holds: {} files with {} bytes, {} events, {} segments with {} \
             chunks. Sealed at {} by key {}; manifest {}.",
            self.hearing,
            self.files,
            self.bytes,
            self.events,
            self.segments,
            self.chunks,
            self.sealed_at,
            self.key_id,
            self.manifest_sha256,
        )
    }
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// In which file of the bundle.
    pub file: String,
    /// The first byte that does not hold: of the first chunk or line that fails, or `0` where the
    /// file holds or fails as a whole.
    pub offset: u64,
    /// Where that is in the record, in seconds of the hearing's record clock.
    pub second: Option<f64>,
    /// In words.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}", self.file, self.offset)?;
        if let Some(second) = self.second {
            write!(f, ", second {second:.3} of the record")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl Violation {
    pub(crate) fn whole(file: impl ToString, reason: impl ToString) -> Self {
        Self::at(file, 0, reason)
    }

    fn at(file: impl ToString, offset: u64, reason: impl ToString) -> Self {
        Self {
            file: file.to_string(),
            offset,
            second: None,
            reason: reason.to_string(),
        }
    }
}

/// Checks the bundle in `dir`. Without `expected_key` it is only checked that whoever holds the
/// key named in the seal sealed it: compare [`VerifyReport::key_id`] with what the court
/// published. Blocks on the disk.
///
/// # Errors
/// Only if the bundle cannot be read ([`StorageError::NotWritable`]); what does not hold is a
/// [`Verdict::Broken`].
pub fn verify(dir: &Path, expected_key: Option<&PublicKey>) -> Result<Verdict, StorageError> {
    let (manifest, key, manifest_sha256, mut bytes) = match sealed_manifest(dir, expected_key)? {
        Ok(sealed) => sealed,
        Err(violation) => return Ok(Verdict::Broken(vec![violation])),
    };
    let mut violations = presence(dir, &manifest)?;
    for entry in &manifest.files {
        match check_file(dir, entry, &manifest)? {
            None => bytes += entry.size,
            Some(violation) => violations.push(violation),
        }
    }
    // Chains that contradict their manifest can only be the sealer's own fault; they are still
    // checked, because what the seal says must be true, not merely signed.
    if violations.is_empty() {
        violations.extend(check_events(dir, &manifest)?);
        for segment in &manifest.segments {
            violations.extend(check_segment(dir, segment, manifest.hearing)?);
        }
    }
    if !violations.is_empty() {
        return Ok(Verdict::Broken(violations));
    }
    Ok(Verdict::Holds(VerifyReport {
        hearing: manifest.hearing,
        sealed_at: manifest.sealed_at,
        key_id: key.id(),
        manifest_sha256,
        files: manifest.files.len() as u64 + 2,
        bytes,
        events: manifest.events.count,
        segments: manifest.segments.len() as u64,
        chunks: manifest.segments.iter().map(|segment| segment.chunks).sum(),
    }))
}

type Sealed = (Manifest, PublicKey, Digest, u64);

/// The manifest, if its seal holds; and the bytes of both.
fn sealed_manifest(
    dir: &Path,
    expected_key: Option<&PublicKey>,
) -> Result<Result<Sealed, Violation>, StorageError> {
    let Some(seal_bytes) = read(&dir.join(SEAL_NAME))? else {
        return Ok(Err(Violation::whole(SEAL_NAME, "it is missing")));
    };
    let Some(manifest_bytes) = read(&dir.join(MANIFEST_NAME))? else {
        return Ok(Err(Violation::whole(MANIFEST_NAME, "it is missing")));
    };
    let bytes = (seal_bytes.len() + manifest_bytes.len()) as u64;
    Ok(seal::check(&seal_bytes, &manifest_bytes, expected_key)
        .map(|(manifest, key, digest)| (manifest, key, digest, bytes)))
}

/// Files that are there and should not be.
fn presence(dir: &Path, manifest: &Manifest) -> Result<Vec<Violation>, StorageError> {
    let mut expected: BTreeSet<&str> = manifest
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    expected.extend([MANIFEST_NAME, SEAL_NAME]);
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for (name, is_folder) in files::list(&dir.join(&folder))? {
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if is_folder {
                folders.push(path);
            } else if !expected.contains(path.as_str()) {
                found.push(Violation::whole(path, "the manifest does not know it"));
            }
        }
    }
    Ok(found)
}

/// Checks size and digest of a file; if they fail, looks for the first byte that does.
fn check_file(
    dir: &Path,
    entry: &FileEntry,
    manifest: &Manifest,
) -> Result<Option<Violation>, StorageError> {
    let path = entry.path.under(dir);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    if !is_file {
        return Ok(Some(Violation::whole(&entry.path, "it is missing")));
    }
    let mut file = File::open(&path).map_err(|error| StorageError::file(&path, error))?;
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| StorageError::file(&path, error))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        size += read as u64;
    }
    if size == entry.size && hasher.finish() == entry.sha256 {
        return Ok(None);
    }
    let located = if entry.path.as_str() == EVENTS_NAME {
        check_events(dir, manifest)?
    } else {
        let name = entry.path.as_str();
        let stem = media_stem(name).or_else(|| name.strip_suffix(LOG_ENDING));
        let segment = manifest
            .segments
            .iter()
            .find(|head| stem.is_some() && media_stem(head.path.as_str()) == stem);
        match segment {
            Some(segment) => check_segment(dir, segment, manifest.hearing)?,
            None => None,
        }
    };
    Ok(Some(
        located
            .filter(|violation| violation.file == entry.path.as_str())
            .unwrap_or_else(|| {
                let reason = if size == entry.size {
                    "its bytes are not those that were sealed".to_owned()
                } else {
                    format!("it has {size} bytes, {} were sealed", entry.size)
                };
                // What was cut off or added begins at the smaller size; a change within, anywhere.
                let offset = if size == entry.size {
                    0
                } else {
                    size.min(entry.size)
                };
                Violation::at(&entry.path, offset, reason)
            }),
    ))
}

fn check_events(dir: &Path, manifest: &Manifest) -> Result<Option<Violation>, StorageError> {
    let Some(bytes) = read(&dir.join(EVENTS_NAME))? else {
        return Ok(Some(Violation::whole(EVENTS_NAME, "it is missing")));
    };
    let (mut offset, mut last) = (0, None);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
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
    Ok((!holds).then(|| Violation::at(EVENTS_NAME, offset, "it does not end where it was sealed")))
}

fn check_segment(
    dir: &Path,
    head: &SegmentHead,
    hearing: HearingId,
) -> Result<Option<Violation>, StorageError> {
    let media_name = head.path.as_str();
    let stem = media_stem(media_name).unwrap_or(media_name);
    let (log_name, facts_name) = (
        format!("{stem}{LOG_ENDING}"),
        format!("{stem}{FACTS_ENDING}"),
    );
    let Some(facts_bytes) = read(&dir.join(&facts_name))? else {
        return Ok(Some(Violation::whole(facts_name, "it is missing")));
    };
    let facts = match SegmentFacts::from_json(&facts_bytes) {
        Ok(facts) => facts,
        Err(reason) => return Ok(Some(Violation::whole(facts_name, reason))),
    };
    let belongs = facts.hearing == hearing
        && facts.segment == head.segment
        && facts.starts_ms == head.starts_ms
        && format!("record/{}", facts.stem()) == stem;
    if !belongs {
        return Ok(Some(Violation::whole(
            facts_name,
            "these are another segment's facts",
        )));
    }
    let Some(log_bytes) = read(&dir.join(&log_name))? else {
        return Ok(Some(Violation::whole(log_name, "it is missing")));
    };
    let (log, fault) = ChunkLog::read(&log_bytes, Digest::of(&facts_bytes), facts.starts_ms);
    let ends_as_sealed = log.end.is_some()
        && log.chunks.len() as u64 == head.chunks
        && log.ends_ms == head.ends_ms
        && log.head == head.head;
    let log_fault = match fault {
        Some(fault) => Some(fault.reason),
        None if ends_as_sealed => None,
        None => Some("it does not end where it was sealed"),
    };
    // The record file first: its faults have a place in the hearing, and a changed log leaves the
    // chunks before the change to check it by.
    let media_fault = check_media(dir, head, &log, log_fault.is_none())?;
    let second = Some(seconds(log.ends_ms));
    Ok(media_fault.or_else(|| {
        log_fault.map(|reason| Violation {
            second,
            ..Violation::at(log_name, log.log_len, reason)
        })
    }))
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

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// A file's bytes; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file(path, error)),
    }
}
