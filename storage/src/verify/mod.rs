//! Checking a bundle that was handed over: offline, from its own files alone.

mod file;
mod lines;

use crate::{
    archive_path::ArchivePath,
    attestation::{self, AttestationFiles, Attested, Trust},
    damage::Damage,
    derived::{self, DERIVED_NAME},
    digest::Digest,
    error::StorageError,
    files::{self, read_if_there as read},
    ids::HearingId,
    leaves::Leaves,
    log_runs::LogSource,
    manifest::{
        ATTESTATION_NAMES, CHECKPOINTS_NAME, COSIGNED_NAME, FileEntry, KEY_NAME, LEAVES_NAME,
        MANIFEST_NAME, Manifest, SEAL_NAME, SegmentHead, TIME_STAMP_NAME,
    },
    node_key::PublicKey,
    note::VerifierKey,
    seal::{self, SealFiles},
};
use jiff::Timestamp;
use lines::{check_events, check_segment};
use std::{collections::BTreeSet, fmt, path::Path};

/// What checking a bundle came to.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each bundle that is checked"
)]
pub enum Verdict {
    /// Every byte is what was sealed; [`VerifyReport::damaged`] tells what was damaged by then.
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
    /// Leaves of the log, the manifest included.
    pub leaves: u64,
    /// Checkpoints checked, the seal included.
    pub checkpoints: u64,
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
    /// Files that are no part of the seal: made from what was sealed, and signed by its key.
    pub derived: u64,
    /// What was damaged when it was sealed, and is named by the manifest.
    pub damaged: Vec<DamagedFile>,
    /// What others say of the seal.
    pub attested: Attested,
}

/// A record file of which pieces were damaged when it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// Which file of the bundle.
    pub path: ArchivePath,
    /// Its damage, in order, never empty.
    pub damage: Vec<Damage>,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The bundle of hearing {} holds: {} files with {} bytes, {} events, {} segments with {} \
             chunks.\n\
             Each event and each chunk is the leaf of the log that it was, and the log has no other: \
             {} leaves.\n\
             Each of {} checkpoints is signed and consistent with the one before.\n\
             Sealed at {} by key {}; manifest {}.\n\
             {}",
            self.hearing,
            self.files,
            self.bytes,
            self.events,
            self.segments,
            self.chunks,
            self.leaves,
            self.checkpoints,
            self.sealed_at,
            self.key_id,
            self.manifest_sha256,
            self.attested,
        )?;
        if self.derived > 0 {
            write!(
                f,
                "\n{} further files (film, captions, page) are no part of the seal: the holder of the \
                 same key made them from the bundle, and they are as they were handed out.",
                self.derived
            )?;
        }
        Ok(())
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

    pub(crate) fn at(file: impl ToString, offset: u64, reason: impl ToString) -> Self {
        Self {
            file: file.to_string(),
            offset,
            second: None,
            reason: reason.to_string(),
        }
    }
}

/// Checks the bundle in `dir`. Without `expected_key` it is only checked that whoever holds the
/// key in the bundle sealed it: compare [`VerifyReport::key_id`] with what the court published.
/// Blocks on the disk.
///
/// # Errors
/// Only if the bundle cannot be read ([`StorageError::NotWritable`]); what does not hold is a
/// [`Verdict::Broken`].
pub fn verify(dir: &Path, expected_key: Option<&PublicKey>) -> Result<Verdict, StorageError> {
    let trust = Trust {
        key: expected_key.copied(),
        ..Trust::default()
    };
    verify_trusting(dir, &trust)
}

/// As [`verify`], with the word of authorities and witnesses: of those who are trusted it must be
/// there, of others it is told. Blocks on the disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_trusting(dir: &Path, trust: &Trust) -> Result<Verdict, StorageError> {
    let files = match seal_files(dir)? {
        Ok(files) => files,
        Err(missing) => return Ok(Verdict::Broken(vec![missing])),
    };
    let (manifest, by) = match seal::check(&files, trust.key.as_ref()) {
        Ok(sealed) => sealed,
        Err(violation) => return Ok(Verdict::Broken(vec![violation])),
    };
    let leaves = match sealed_leaves(dir, &manifest)? {
        Ok(leaves) => leaves,
        Err(violation) => return Ok(Verdict::Broken(vec![violation])),
    };
    let mut bytes = (files.seal.len() + files.manifest.len()) as u64;
    let derived = match derived_files(dir, &manifest, Digest::of(&files.manifest), &by)? {
        Ok(derived) => derived,
        Err(violation) => return Ok(Verdict::Broken(vec![violation])),
    };
    let mut violations = presence(dir, &manifest, &derived)?;
    for entry in &derived {
        violations.extend(file::check(dir, entry, &manifest, None)?);
    }
    for entry in &manifest.files {
        match file::check(dir, entry, &manifest, leaves.as_ref())? {
            None => bytes += entry.size,
            Some(violation) => violations.push(violation),
        }
    }
    if !violations.is_empty() {
        return Ok(Verdict::Broken(violations));
    }
    // Lines and leaves that contradict their manifest can only be the sealer's own fault; they are
    // still checked, because what the seal says must be true, not merely signed.
    violations.extend(check_events(dir, &manifest, leaves.as_ref())?);
    for segment in &manifest.segments {
        let checked = check_segment(dir, segment, manifest.hearing, leaves.as_ref())?;
        violations.extend(checked.violations);
    }
    let time_stamp = read(&dir.join(TIME_STAMP_NAME))?;
    let cosigned = read(&dir.join(COSIGNED_NAME))?;
    let beside = [&time_stamp, &cosigned].into_iter().flatten();
    let beside: Vec<u64> = beside.map(|bytes| bytes.len() as u64).collect();
    let log = match read(&dir.join(CHECKPOINTS_NAME))? {
        Some(checkpoints) => check_log(&manifest, &leaves.unwrap_or_default(), &checkpoints, &by)
            .and_then(|count| {
                let files = AttestationFiles {
                    seal: &files.seal,
                    time_stamp,
                    cosigned,
                    checkpoints: &checkpoints,
                };
                Ok((count, attestation::check(&files, &by, trust)?))
            }),
        None => Err(Violation::whole(CHECKPOINTS_NAME, "it is missing")),
    };
    let (checkpoints, attested) = match log {
        Ok(found) if violations.is_empty() => found,
        broken => {
            violations.extend(broken.err());
            return Ok(Verdict::Broken(violations));
        }
    };
    Ok(Verdict::Holds(VerifyReport {
        hearing: manifest.hearing,
        sealed_at: manifest.sealed_at,
        key_id: by.key().id(),
        manifest_sha256: Digest::of(&files.manifest),
        leaves: manifest.log.leaves + 1,
        checkpoints: checkpoints + 1,
        files: (manifest.files.len() + beside.len()) as u64 + 2,
        bytes: bytes + beside.iter().sum::<u64>(),
        events: manifest.events.count,
        segments: manifest.segments.len() as u64,
        chunks: manifest.segments.iter().map(|segment| segment.chunks).sum(),
        derived: derived.len() as u64,
        damaged: damaged(&manifest),
        attested,
    }))
}

/// What the manifest says was damaged.
fn damaged(manifest: &Manifest) -> Vec<DamagedFile> {
    let damaged = manifest.segments.iter().filter(|s| !s.damage.is_empty());
    let file = |head: &SegmentHead| DamagedFile {
        path: head.path.clone(),
        damage: head.damage.clone(),
    };
    damaged.map(file).collect()
}

/// What was made from the bundle, if it was handed out with it.
fn derived_files(
    dir: &Path,
    manifest: &Manifest,
    sha256: Digest,
    by: &VerifierKey,
) -> Result<Result<Vec<FileEntry>, Violation>, StorageError> {
    let Some(list) = read(&dir.join(DERIVED_NAME))? else {
        return Ok(Ok(Vec::new()));
    };
    let opened = derived::open(&list, by, manifest.hearing, sha256);
    Ok(opened.map_err(|reason| Violation::whole(DERIVED_NAME, reason)))
}

/// The files that everything else hangs on.
fn seal_files(dir: &Path) -> Result<Result<SealFiles, Violation>, StorageError> {
    let file = |name| -> Result<Result<Vec<u8>, Violation>, StorageError> {
        let bytes = read(&dir.join(name))?;
        Ok(bytes.ok_or_else(|| Violation::whole(name, "it is missing")))
    };
    let (key, seal, manifest) = (file(KEY_NAME)?, file(SEAL_NAME)?, file(MANIFEST_NAME)?);
    let files = |key, seal, manifest| SealFiles {
        key,
        seal,
        manifest,
    };
    Ok(key.and_then(|key| Ok(files(key, seal?, manifest?))))
}

/// The leaves, if their file is the one that was sealed. They tell which line of a changed file is
/// the first one that was changed.
fn sealed_leaves(
    dir: &Path,
    manifest: &Manifest,
) -> Result<Result<Option<Leaves>, Violation>, StorageError> {
    let listed = manifest
        .files
        .iter()
        .find(|file| file.path.as_str() == LEAVES_NAME);
    let Some(listed) = listed else {
        let reason = "the manifest does not have it";
        return Ok(Err(Violation::whole(LEAVES_NAME, reason)));
    };
    let sealed = read(&dir.join(LEAVES_NAME))?.filter(|bytes| Digest::of(bytes) == listed.sha256);
    let leaves = sealed.map(|bytes| Leaves::from_text(&bytes)).transpose();
    Ok(leaves.map_err(|(offset, reason)| Violation::at(LEAVES_NAME, offset, reason)))
}

/// Checks that the log is what the seal and the checkpoints say, and that no leaf is without its
/// file; how many checkpoints there are.
fn check_log(
    manifest: &Manifest,
    leaves: &Leaves,
    checkpoints: &[u8],
    by: &VerifierKey,
) -> Result<u64, Violation> {
    let in_checkpoints = |(offset, reason)| Violation::at(CHECKPOINTS_NAME, offset, reason);
    let checkpoints =
        std::str::from_utf8(checkpoints).map_err(|_| in_checkpoints((0, "it is not text")))?;
    let (tree, count) = leaves.check(checkpoints, by).map_err(in_checkpoints)?;
    let log = &manifest.log;
    if tree.size() != log.leaves || tree.inclusion_of_next() != log.inclusion {
        let reason = "these are not the leaves that were sealed";
        return Err(Violation::whole(LEAVES_NAME, reason));
    }
    let has_file = |source: &LogSource| match source {
        LogSource::Events => true,
        LogSource::Segment(id) => manifest.segments.iter().any(|s| s.segment == *id),
    };
    if !leaves.sources().all(has_file) {
        return Err(Violation::whole(LEAVES_NAME, "a leaf is without its file"));
    }
    Ok(count)
}

/// Files that are there and should not be.
fn presence(
    dir: &Path,
    manifest: &Manifest,
    derived: &[FileEntry],
) -> Result<Vec<Violation>, StorageError> {
    let known = manifest.files.iter().chain(derived);
    let mut expected: BTreeSet<&str> = known.map(|file| file.path.as_str()).collect();
    expected.extend([MANIFEST_NAME, SEAL_NAME]);
    expected.extend(ATTESTATION_NAMES);
    expected.extend((!derived.is_empty()).then_some(DERIVED_NAME));
    let unknown = files::below(dir)?
        .into_iter()
        .filter(|path| !expected.contains(path.as_str()));
    Ok(unknown
        .map(|path| Violation::whole(path, "the manifest does not know it"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::{Checkpoint, origin},
        ids::SegmentId,
        log_runs::LogRun,
        manifest::{BUNDLE_FORMAT, EventsHead, LogHead},
        merkle::{Tree, leaf_hash},
        node_key::NodeKey,
    };
    use std::collections::BTreeMap;

    /// A log of one event and one line of a segment, and its manifest without that segment.
    fn log() -> (Manifest, Leaves, Tree, NodeKey) {
        let dir = tempfile::tempdir().unwrap();
        let key = NodeKey::load_or_create(&dir.path().join("key.pem")).unwrap();
        let segment = LogSource::Segment(SegmentId::generate());
        let run = |source| LogRun {
            source,
            first_line: 1,
            lines: 1,
        };
        let runs = [run(LogSource::Events), run(segment)];
        let lines = BTreeMap::from([
            (LogSource::Events, vec![leaf_hash(b"an event")]),
            (segment, vec![leaf_hash(b"a chunk")]),
        ]);
        let mut tree = Tree::default();
        lines.values().flatten().for_each(|leaf| tree.push(*leaf));
        let manifest = Manifest {
            format: BUNDLE_FORMAT.to_owned(),
            hearing: HearingId::generate(),
            sealed_at: Timestamp::UNIX_EPOCH,
            facts: serde_json::Value::Null,
            events: EventsHead {
                count: 1,
                head: Digest::of(b""),
            },
            log: LogHead {
                leaves: tree.size(),
                inclusion: tree.inclusion_of_next(),
            },
            segments: Vec::new(),
            files: Vec::new(),
        };
        (manifest, Leaves::of(&runs, lines).unwrap(), tree, key)
    }

    /// Only whoever has the key can seal such a thing.
    #[test]
    fn a_sealer_who_leaves_a_file_out_or_signs_two_histories_is_found_out() {
        let (mut manifest, leaves, tree, key) = log();
        let by = VerifierKey::new(origin(manifest.hearing), key.public());
        let signed = |tree: &Tree| Checkpoint::of(tree).sign(manifest.hearing, &key);
        let (whole, empty) = (signed(&tree), signed(&Tree::default()));
        let mut other = Tree::default();
        other.push(leaf_hash(b"another event"));
        let other = signed(&other);
        let mut longer = tree.clone();
        longer.push(leaf_hash(b"more"));
        let longer = signed(&longer);
        let mut check = |checkpoints: &str, leaves_sealed| {
            manifest.log.leaves = leaves_sealed;
            let found = check_log(&manifest, &leaves, checkpoints.as_bytes(), &by).unwrap_err();
            (found.file, found.reason)
        };
        for (checkpoints, leaves_sealed, file, reason) in [
            (whole.clone(), 2, LEAVES_NAME, "a leaf is without its file"),
            (
                whole.clone(),
                3,
                LEAVES_NAME,
                "these are not the leaves that were sealed",
            ),
            (
                other,
                2,
                CHECKPOINTS_NAME,
                "the checkpoint is not that of the leaves before it",
            ),
            (longer, 2, CHECKPOINTS_NAME, "the log has fewer leaves"),
            (
                format!("{whole}\n{empty}"),
                2,
                CHECKPOINTS_NAME,
                "the checkpoint is not larger than the one before",
            ),
            (
                "\u{2014}".to_owned(),
                2,
                CHECKPOINTS_NAME,
                "it is not a signed note",
            ),
        ] {
            let found = check(&checkpoints, leaves_sealed);
            assert_eq!(found, (file.to_owned(), reason.to_owned()));
        }
    }
}
