//! The record as it grows: files on the local disk that are the only truth about themselves.
//!
//! The record files are encrypted, chunk by chunk ([`at_rest`](crate::at_rest)); every length and
//! offset here is that of the plain bytes.
//!
//! No database row repeats what the files say, so there is nothing to disagree with after a crash.
//! Layout: `<dir>/<hearing>/<participant>/<source>-<segment>` + `.webm` or `.mkv` (the record), `.chunks.jsonl`
//! (what of it is acknowledged) and `.segment.json` (what it is). `docs/RECORD-FORMAT.md` has the
//! formats.

use crate::{
    at_rest::{ChunkOpener, ChunkSealer, HearingKeys, MasterKey},
    chunk_log::{Chunk, ChunkLog, Ending, chunks_from, last_line},
    digest::Digest,
    error::StorageError,
    files,
    ids::HearingId,
    segment::{FACTS_ENDING, SegmentFacts, SegmentFiles},
    segment_reader::SegmentReader,
    segment_writer::SegmentWriter,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folder of records in the making. All methods block on the disk.
#[derive(Debug, Clone)]
pub struct RecordSpool {
    dir: PathBuf,
    keys: HearingKeys,
}

/// A segment and what of it is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRecord {
    /// What it is.
    pub facts: SegmentFacts,
    /// Its acknowledged chunks.
    pub chunks: Vec<Chunk>,
    /// Acknowledged bytes.
    pub len: u64,
    /// Where it ends, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
    /// How it ended; `None` while it is being written.
    pub ending: Option<Ending>,
    /// Hash of the last line of its log.
    pub head: Digest,
}

/// A segment and how far it is acknowledged, without its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReach {
    /// What it is.
    pub facts: SegmentFacts,
    /// Acknowledged bytes.
    pub acknowledged: u64,
    /// Where they end, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
    /// Nothing will be added.
    pub ended: bool,
}

/// Acknowledged bytes of a segment, from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The bytes, at most as many as were asked for.
    pub bytes: Vec<u8>,
    /// Acknowledged bytes of the whole segment at this moment.
    pub acknowledged: u64,
    /// Where the acknowledged part ends, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
    /// Nothing will be added. When also `offset + bytes.len() == acknowledged`, this was all.
    pub ended: bool,
    /// What follows `bytes` is damaged up to here, where a chunk begins or the segment ends. When the
    /// bytes are wanted from here on, the damage is passed.
    pub damaged_to: Option<u64>,
}

impl RecordSpool {
    /// The records in `dir`, which is made when the first segment is.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, master: Arc<MasterKey>) -> Self {
        let dir = dir.into();
        Self {
            keys: HearingKeys::new(dir.clone(), master),
            dir,
        }
    }

    /// The keys of the hearings. A hearing needs one before its first segment.
    #[must_use]
    pub fn keys(&self) -> &HearingKeys {
        &self.keys
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of one hearing's record.
    #[must_use]
    pub fn hearing_dir(&self, hearing: HearingId) -> PathBuf {
        self.dir.join(hearing.to_string())
    }

    /// Where the record file of a segment lies. It is encrypted.
    #[must_use]
    pub fn media_path(&self, facts: &SegmentFacts) -> PathBuf {
        self.files(facts).media
    }

    /// Begins a segment. Its facts are on disk when this returns.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the segment exists, [`StorageError::Invalid`] if its source
    /// is not a name, [`StorageError::KeyMissing`] and the like if the hearing has no key,
    /// [`StorageError::DiskFull`] or [`StorageError::NotWritable`].
    pub fn open_segment(&self, facts: SegmentFacts) -> Result<SegmentWriter, StorageError> {
        if !facts.source_is_a_name() {
            return Err(StorageError::Invalid(
                "a segment's source must be a name".to_owned(),
            ));
        }
        let paths = self.files(&facts);
        if paths.facts.exists() {
            return Err(StorageError::Conflict(format!(
                "segment {} exists",
                facts.segment
            )));
        }
        let key = self.keys.key(facts.hearing)?;
        if let Some(dir) = paths.facts.parent() {
            files::create_dirs(dir)?;
        }
        let json = facts.to_json()?;
        // The facts last: a segment exists when they do, and then the other two files do.
        let (media, log) = (create(&paths.media)?, create(&paths.log)?);
        files::write_whole(&paths.facts, json.as_bytes())?;
        Ok(SegmentWriter::new(
            facts,
            Digest::of(json.as_bytes()),
            paths,
            media,
            log,
            ChunkSealer::new(key.secret())?,
        ))
    }

    /// The segments of a hearing, by where they begin on the record clock.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if a chunk log does not hold. A line that is still being written
    /// is not counted.
    pub fn segments(&self, hearing: HearingId) -> Result<Vec<SegmentRecord>, StorageError> {
        let mut records = Vec::new();
        for path in self.facts_files(hearing)? {
            records.push(self.segment_at(&path)?);
        }
        records.sort_by_key(|record| (record.facts.starts_ms, record.facts.segment));
        Ok(records)
    }

    /// How far the segments of a hearing whose record file is here are acknowledged, by where they
    /// begin on the record clock. Cheap to call often: of each log only the end is read, and nothing
    /// is checked.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if facts or the last line of a log cannot be read.
    pub fn reaches(&self, hearing: HearingId) -> Result<Vec<SegmentReach>, StorageError> {
        let mut reaches = Vec::new();
        for path in self.facts_files(hearing)? {
            let (facts, _) = SegmentFiles::read_facts(&path)?;
            if !self.has_media(&facts) {
                continue;
            }
            let (acknowledged, ends_ms, ended) =
                last_line(&self.files(&facts).log, facts.starts_ms)?;
            reaches.push(SegmentReach {
                facts,
                acknowledged,
                ends_ms,
                ended,
            });
        }
        reaches.sort_by_key(|reach| (reach.facts.starts_ms, reach.facts.segment));
        Ok(reaches)
    }

    /// One segment and what of it is acknowledged now.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] or [`StorageError::Corrupt`].
    pub fn segment(&self, facts: &SegmentFacts) -> Result<SegmentRecord, StorageError> {
        self.segment_at(&self.files(facts).facts)
    }

    /// Acknowledged bytes of a segment from `offset` on, at most `max`. Cheap to call often: of the
    /// log only the end and the lines of these bytes are read, and what leads to them. Damage ends
    /// what is read: see [`Tail::damaged_to`].
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no such segment, [`StorageError::KeyMissing`] and the
    /// like.
    pub fn read_from(
        &self,
        facts: &SegmentFacts,
        offset: u64,
        max: usize,
    ) -> Result<Tail, StorageError> {
        let paths = self.files(facts);
        let (acknowledged, ends_ms, ended) = last_line(&paths.log, facts.starts_ms)?;
        let wanted = acknowledged.saturating_sub(offset).min(max as u64);
        let (mut bytes, mut damaged_to) = (Vec::new(), None);
        if wanted > 0 {
            let media = self.opener(facts)?;
            let wanted = usize::try_from(wanted).unwrap_or(max);
            for chunk in chunks_from(&paths.log, offset)? {
                let chunk = chunk?;
                match (media.read(&paths.media, &chunk)?, damaged_to) {
                    (None, _) => damaged_to = Some(chunk.offset.saturating_add(chunk.len)),
                    (Some(_), Some(_)) => break,
                    (Some(piece), None) => {
                        let skipped = offset.saturating_sub(chunk.offset) as usize;
                        bytes.extend_from_slice(piece.get(skipped..).unwrap_or_default());
                    }
                }
                if bytes.len() >= wanted {
                    bytes.truncate(wanted);
                    break;
                }
            }
        }
        Ok(Tail {
            bytes,
            acknowledged,
            ends_ms,
            ended,
            damaged_to,
        })
    }

    /// Reads the acknowledged bytes of a segment from its first one on, as far as they are there:
    /// what is damaged keeps nobody from the rest, and of a record file that is gone all is damaged.
    ///
    /// # Errors
    /// [`StorageError::KeyMissing`] and the like; those of the disk.
    pub fn reader(&self, record: &SegmentRecord) -> Result<SegmentReader, StorageError> {
        let media = match self.opener(&record.facts) {
            Err(StorageError::NotFound(_)) => None,
            opener => Some(opener?),
        };
        let path = self.files(&record.facts).media;
        Ok(SegmentReader::new(path, media, record))
    }

    /// The hearings that have a folder here.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn hearings(&self) -> Result<Vec<HearingId>, StorageError> {
        let folders = files::list(&self.dir)?
            .into_iter()
            .filter(|(_, folder)| *folder);
        Ok(folders.filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// The facts files of a hearing.
    pub(crate) fn facts_files(&self, hearing: HearingId) -> Result<Vec<PathBuf>, StorageError> {
        let hearing_dir = self.hearing_dir(hearing);
        let mut found = Vec::new();
        for (participant, _) in files::list(&hearing_dir)?
            .iter()
            .filter(|(_, folder)| *folder)
        {
            let dir = hearing_dir.join(participant);
            let names = files::list(&dir)?;
            let facts = names
                .iter()
                .filter(|(name, _)| name.ends_with(FACTS_ENDING));
            found.extend(facts.map(|(name, _)| dir.join(name)));
        }
        Ok(found)
    }

    /// The files of a segment.
    pub(crate) fn files(&self, facts: &SegmentFacts) -> SegmentFiles {
        SegmentFiles::of(&self.hearing_dir(facts.hearing), facts)
    }

    /// The record file of a segment, to be read.
    fn opener(&self, facts: &SegmentFacts) -> Result<ChunkOpener, StorageError> {
        let key = self.keys.key(facts.hearing)?;
        ChunkOpener::open(&self.files(facts).media, key.secret())
    }

    fn segment_at(&self, facts_path: &Path) -> Result<SegmentRecord, StorageError> {
        let (facts, digest) = SegmentFiles::read_facts(facts_path)?;
        let path = self.files(&facts).log;
        let bytes = fs::read(&path).map_err(|error| StorageError::file(&path, error))?;
        let (log, fault) = ChunkLog::read(&bytes, digest, facts.starts_ms);
        if let Some(fault) = fault.filter(|fault| !fault.torn) {
            return Err(StorageError::corrupt(path.display(), fault.reason));
        }
        Ok(SegmentRecord {
            facts,
            chunks: log.chunks,
            len: log.media_len,
            ends_ms: log.ends_ms,
            ending: log.end.map(|end| end.end),
            head: log.head,
        })
    }
}

fn create(path: &Path) -> Result<File, StorageError> {
    // Truncates: without its facts the file belongs to a segment that never began.
    File::create(path).map_err(|error| StorageError::file(path, error))
}
