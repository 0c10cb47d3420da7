//! Making the bundle of a closed hearing: one folder that proves itself, offline and for good.

use crate::{
    archive_path::ArchivePath,
    at_rest::{BlockReader, BlockWriter, HearingKey, stored_len},
    bundle_file::is_open,
    checkpoint::origin,
    digest::{Digest, HashedReader},
    error::StorageError,
    events::{StoredEvent, genesis},
    files,
    ids::HearingId,
    leaves::{Leaves, checkpoints_text},
    log_runs::{LogSource, StoredLog},
    manifest::{
        BUNDLE_FORMAT, CHECKPOINTS_NAME, EVENTS_NAME, EventsHead, FileEntry, KEY_NAME, LEAVES_NAME,
        LogHead, MANIFEST_NAME, Manifest, SEAL_NAME, SegmentHead,
    },
    merkle::{Tree, leaf_hash},
    node_key::NodeKey,
    note::VerifierKey,
    seal,
    segment::{FACTS_ENDING, LOG_ENDING},
    spool::{RecordSpool, SegmentRecord},
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// What goes into a bundle beside the record itself.
#[derive(Debug, Clone)]
pub struct BundleInput {
    /// Which hearing; its segments are taken from the spool.
    pub hearing: HearingId,
    /// What the crate above knows of the hearing, for readers of the manifest.
    pub facts: Value,
    /// Now.
    pub sealed_at: Timestamp,
    /// The events, in order, as far as they are in `log`.
    pub events: Vec<StoredEvent>,
    /// The Merkle log, with every line of the events and of the record.
    pub log: StoredLog,
    /// Names (`protocol.html`) and contents of the documents.
    pub documents: Vec<(String, Vec<u8>)>,
    /// Files derived from the record (seekable copies for players): the path in the bundle and
    /// where each lies now, encrypted with the hearing's key.
    pub attachments: Vec<(ArchivePath, PathBuf)>,
}

/// A bundle that is on disk, sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Its folder.
    pub dir: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// SHA-256 of `manifest.json`: names the bundle in one line of a paper protocol.
    pub manifest_sha256: Digest,
}

impl Bundle {
    /// Writes and seals the bundle of a hearing in the folder `out`. Everything is checked while
    /// it is packed: lines that no longer hold are not sealed, and sound and pictures that no longer
    /// hold are sealed as what is damaged. All but manifest, seal and public key is
    /// encrypted with the hearing's key. A bundle that is there already is never rewritten: it is read
    /// and returned. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if a segment has not ended, the events have a gap or the log is
    /// not that of events and record, [`StorageError::Corrupt`] if a line or a checkpoint does not
    /// hold, [`StorageError::KeyMissing`] and the like, [`StorageError::DiskFull`] or
    /// [`StorageError::NotWritable`]. Nothing is left at `out` then; calling again is safe.
    pub fn write(
        out: &Path,
        input: &BundleInput,
        spool: &RecordSpool,
        key: &NodeKey,
    ) -> Result<Self, StorageError> {
        if let Some(made) = Self::made(out)? {
            return Ok(made);
        }
        let partial = partial(out);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(|error| StorageError::file(&partial, error))?;
        }
        files::create_dirs(&partial)?;
        let mut packer = Packer {
            root: partial.clone(),
            key: spool.keys().key(input.hearing)?,
            files: Vec::new(),
            leaves: BTreeMap::new(),
        };
        let events = packer.events(input)?;
        let segments = spool
            .segments(input.hearing)?
            .iter()
            .map(|record| packer.segment(spool, record))
            .collect::<Result<Vec<_>, _>>()?;
        let log = packer.log(input, key)?;
        for (name, bytes) in &input.documents {
            packer.put(&format!("documents/{name}"), bytes)?;
        }
        for (path, source) in &input.attachments {
            packer.attach(path, source)?;
        }
        packer.files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest {
            format: BUNDLE_FORMAT.to_owned(),
            hearing: input.hearing,
            sealed_at: input.sealed_at,
            facts: input.facts.clone(),
            events,
            log: LogHead {
                leaves: log.size(),
                inclusion: log.inclusion_of_next(),
            },
            segments,
            files: packer.files,
        };
        let bytes = manifest.to_json()?;
        files::write_whole(&partial.join(MANIFEST_NAME), &bytes)?;
        let seal = seal::seal(input.hearing, log, &bytes, key);
        files::write_whole(&partial.join(SEAL_NAME), seal.as_bytes())?;
        files::rename(&partial, out)?;
        Ok(Self {
            dir: out.to_owned(),
            manifest,
            manifest_sha256: Digest::of(&bytes),
        })
    }

    /// The bundle that was made at `out`, if it was. Nothing may be appended to a log that has its
    /// seal: a later checkpoint would contradict it.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub fn made(out: &Path) -> Result<Option<Self>, StorageError> {
        let partial = partial(out);
        // The seal comes last: all is there but the name.
        if partial.join(SEAL_NAME).exists() {
            files::rename(&partial, out)?;
        }
        out.exists().then(|| Self::read(out)).transpose()
    }

    /// Reads the manifest of a bundle without checking anything
    /// ([`verify`](crate::verify::verify) does).
    ///
    /// # Errors
    /// [`StorageError::NotFound`], or [`StorageError::Corrupt`] if it is no manifest.
    pub fn read(dir: &Path) -> Result<Self, StorageError> {
        let path = dir.join(MANIFEST_NAME);
        let bytes = fs::read(&path).map_err(|error| StorageError::file(&path, error))?;
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|error| StorageError::corrupt(path.display(), error))?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            manifest_sha256: Digest::of(&bytes),
        })
    }
}

struct Packer {
    root: PathBuf,
    key: HearingKey,
    files: Vec<FileEntry>,
    /// Of the lines that were packed.
    leaves: BTreeMap<LogSource, Vec<Digest>>,
}

impl Packer {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let path = path.parse()?;
        self.copy(path, bytes)?;
        Ok(())
    }

    /// Writes a file of the bundle.
    fn copy(&mut self, path: ArchivePath, from: impl Read) -> Result<(), StorageError> {
        let place = self.place(&path)?;
        let failed = |error| StorageError::file(&place, error);
        let mut from = HashedReader::new(from);
        let size = if is_open(path.as_str()) {
            let mut file = File::create(&place).map_err(failed)?;
            let size = io::copy(&mut from, &mut file).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            size
        } else {
            let mut file = BlockWriter::create(&place, self.key.secret())?;
            let size = io::copy(&mut from, &mut file).map_err(failed)?;
            file.finish()?;
            size
        };
        self.add(path, size, from.digest())
    }

    fn attach(&mut self, path: &ArchivePath, source: &Path) -> Result<(), StorageError> {
        let place = self.place(path)?;
        link(source, &place)?;
        let file = BlockReader::open(&place, self.key.secret())?;
        let size = file.len();
        let sha256 = Digest::of_reader(file).map_err(|error| StorageError::file(&place, error))?;
        self.add(path.clone(), size, sha256)
    }

    /// Where a new file goes; its folder is there.
    fn place(&self, path: &ArchivePath) -> Result<PathBuf, StorageError> {
        let place = path.under(&self.root);
        if place.exists() {
            return Err(StorageError::Conflict(format!(
                "there are two files {path}"
            )));
        }
        if let Some(dir) = place.parent() {
            files::create_dirs(dir)?;
        }
        Ok(place)
    }

    fn add(&mut self, path: ArchivePath, size: u64, sha256: Digest) -> Result<(), StorageError> {
        files::sync_parent(&path.under(&self.root))?;
        self.files.push(FileEntry { path, size, sha256 });
        Ok(())
    }

    fn events(&mut self, input: &BundleInput) -> Result<EventsHead, StorageError> {
        let mut last = None;
        let mut text = String::new();
        for event in &input.events {
            if !event.follows(input.hearing, last) {
                return Err(StorageError::Conflict(format!(
                    "event {} does not follow",
                    event.seq
                )));
            }
            last = Some((event.seq, event.hash));
            text.push_str(&event.line);
            text.push('\n');
        }
        self.add_leaves(LogSource::Events, text.as_bytes());
        self.put(EVENTS_NAME, text.as_bytes())?;
        let (count, head) = last.unwrap_or((0, genesis(input.hearing)));
        Ok(EventsHead { count, head })
    }

    fn segment(
        &mut self,
        spool: &RecordSpool,
        record: &SegmentRecord,
    ) -> Result<SegmentHead, StorageError> {
        let facts = &record.facts;
        if record.ending.is_none() {
            return Err(StorageError::Conflict(format!(
                "segment {} is open",
                facts.segment
            )));
        }
        let stem = format!("record/{}", facts.stem());
        let paths = spool.files(facts);
        for (ending, source) in [(LOG_ENDING, &paths.log), (FACTS_ENDING, &paths.facts)] {
            let bytes = fs::read(source).map_err(|error| StorageError::file(source, error))?;
            if ending == LOG_ENDING {
                self.add_leaves(LogSource::Segment(facts.segment), &bytes);
            }
            self.put(&format!("{stem}{ending}"), &bytes)?;
        }
        let path: ArchivePath = format!("{stem}{}", facts.media_ending()).parse()?;
        let stored = files::len(&paths.media)?;
        if stored > stored_len(record.chunks.len() as u64, record.len) {
            return Err(StorageError::corrupt(
                paths.media.display(),
                "there is more than was acknowledged",
            ));
        }
        let mut media = spool.reader(record)?;
        self.copy(path.clone(), &mut media)?;
        Ok(SegmentHead {
            segment: facts.segment,
            path,
            starts_ms: facts.starts_ms,
            ends_ms: record.ends_ms,
            chunks: record.chunks.len() as u64,
            head: record.head,
            damage: media.damage().to_vec(),
        })
    }

    fn add_leaves(&mut self, source: LogSource, file: &[u8]) {
        let lines = file.split_inclusive(|byte| *byte == b'\n');
        let entries = lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line));
        self.leaves.insert(source, entries.map(leaf_hash).collect());
    }

    /// Packs the log of what was packed before.
    fn log(&mut self, input: &BundleInput, key: &NodeKey) -> Result<Tree, StorageError> {
        let StoredLog { runs, checkpoints } = &input.log;
        let lines = std::mem::take(&mut self.leaves);
        let leaves = Leaves::of(runs, lines).map_err(|r| StorageError::Conflict(r.to_owned()))?;
        let by = VerifierKey::new(origin(input.hearing), key.public());
        let checkpoints = checkpoints_text(checkpoints);
        let (tree, _) = leaves
            .check(&checkpoints, &by)
            .map_err(|(_, reason)| StorageError::corrupt("a checkpoint of the log", reason))?;
        self.put(LEAVES_NAME, leaves.to_text().as_bytes())?;
        self.put(CHECKPOINTS_NAME, checkpoints.as_bytes())?;
        self.put(KEY_NAME, format!("{by}\n").as_bytes())?;
        Ok(tree)
    }
}

/// Where a folder or file is made that appears when it is whole.
pub(crate) fn partial(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(files::PARTIAL_ENDING);
    PathBuf::from(name)
}

/// Gives a file a second name, or copies it where the file system has none.
fn link(from: &Path, to: &Path) -> Result<(), StorageError> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).map_err(|error| StorageError::file(to, error))?;
        File::open(to)
            .and_then(|file| file.sync_all())
            .map_err(|error| StorageError::file(to, error))?;
    }
    files::sync_parent(to)
}
