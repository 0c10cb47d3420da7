//! Making the bundle of a closed hearing: one folder that proves itself, offline and for good.

use crate::{
    archive_path::ArchivePath,
    chunk_log::{Chunk, check_media},
    digest::Digest,
    error::StorageError,
    events::{StoredEvent, genesis},
    files,
    ids::HearingId,
    manifest::{
        BUNDLE_FORMAT, EVENTS_NAME, EventsHead, FileEntry, MANIFEST_NAME, Manifest, SEAL_NAME,
        SegmentHead,
    },
    node_key::NodeKey,
    seal::{self, to_json},
    segment::{FACTS_ENDING, LOG_ENDING},
    spool::{RecordSpool, SegmentRecord},
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Read,
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
    /// The whole event log, in order.
    pub events: Vec<StoredEvent>,
    /// Names (`protocol.html`) and contents of the documents.
    pub documents: Vec<(String, Vec<u8>)>,
    /// Files derived from the record (seekable copies for players): the path in the bundle and
    /// where each lies now.
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
    /// it is packed: what no longer holds is not sealed. Record files are hard-linked where that
    /// is possible, else copied. A bundle that is there already is never rewritten: it is read
    /// and returned. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if a segment has not ended or the events have a gap,
    /// [`StorageError::Corrupt`] if the record does not hold, [`StorageError::DiskFull`] or
    /// [`StorageError::NotWritable`]. Nothing is left at `out` then; calling again is safe.
    pub fn write(
        out: &Path,
        input: &BundleInput,
        spool: &RecordSpool,
        key: &NodeKey,
    ) -> Result<Self, StorageError> {
        if out.exists() {
            return Self::read(out);
        }
        let mut name = out.as_os_str().to_owned();
        name.push(files::PARTIAL_ENDING);
        let partial = PathBuf::from(name);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(|error| StorageError::file(&partial, error))?;
        }
        files::create_dirs(&partial)?;
        let mut packer = Packer {
            root: partial.clone(),
            files: Vec::new(),
        };
        let events = packer.events(input)?;
        let segments = spool
            .segments(input.hearing)?
            .iter()
            .map(|record| packer.segment(spool, record))
            .collect::<Result<Vec<_>, _>>()?;
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
            segments,
            files: packer.files,
        };
        let bytes = to_json(&manifest)?;
        files::write_whole(&partial.join(MANIFEST_NAME), &bytes)?;
        files::write_whole(
            &partial.join(SEAL_NAME),
            &to_json(&seal::seal(&bytes, key))?,
        )?;
        fs::rename(&partial, out).map_err(|error| StorageError::file(out, error))?;
        files::sync_parent(out)?;
        Ok(Self {
            dir: out.to_owned(),
            manifest,
            manifest_sha256: Digest::of(&bytes),
        })
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
    files: Vec<FileEntry>,
}

impl Packer {
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let path: ArchivePath = path.parse()?;
        let place = path.under(&self.root);
        if place.exists() {
            return Err(StorageError::Conflict(format!(
                "there are two files {path}"
            )));
        }
        if let Some(dir) = place.parent() {
            files::create_dirs(dir)?;
        }
        files::write_whole(&place, bytes)?;
        self.files.push(FileEntry {
            path,
            size: bytes.len() as u64,
            sha256: Digest::of(bytes),
        });
        Ok(())
    }

    fn attach(&mut self, path: &ArchivePath, source: &Path) -> Result<(), StorageError> {
        let place = path.under(&self.root);
        if let Some(dir) = place.parent() {
            files::create_dirs(dir)?;
        }
        link(source, &place)?;
        let size = fs::metadata(&place)
            .map_err(|error| StorageError::file(&place, error))?
            .len();
        self.files.push(FileEntry {
            path: path.clone(),
            size,
            sha256: Digest::of_file(&place)?,
        });
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
            self.put(&format!("{stem}{ending}"), &bytes)?;
        }
        let path: ArchivePath = format!("{stem}{}", facts.media_ending()).parse()?;
        let sha256 = digest_of_media(&paths.media, &record.chunks)?;
        let place = path.under(&self.root);
        link(&paths.media, &place)?;
        self.files.push(FileEntry {
            path: path.clone(),
            size: record.len,
            sha256,
        });
        Ok(SegmentHead {
            segment: facts.segment,
            path,
            starts_ms: facts.starts_ms,
            ends_ms: record.ends_ms,
            chunks: record.chunks.len() as u64,
            head: record.head,
        })
    }
}

/// Checks that a record file is what its chunks say and nothing more, and returns its digest.
fn digest_of_media(path: &Path, chunks: &[Chunk]) -> Result<Digest, StorageError> {
    let (digest, mut media) = check_media(path, chunks)?;
    let rest = media
        .read(&mut [0])
        .map_err(|error| StorageError::file(path, error))?;
    if rest != 0 {
        return Err(StorageError::corrupt(
            path.display(),
            "there is more than was acknowledged",
        ));
    }
    Ok(digest)
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
