//! The record as it grows: files on the local disk that are the only truth about themselves.
//!
//! No database row repeats what the files say, so there is nothing to disagree with after a crash.
//! Layout: `<dir>/<hearing>/<participant>/<source>-<segment>` + `.webm` or `.mkv` (the record), `.chunks.jsonl`
//! (what of it is acknowledged) and `.segment.json` (what it is). `docs/RECORD-FORMAT.md` has the
//! formats.

use crate::{
    chunk_log::{Chunk, ChunkLog, Ending},
    digest::Digest,
    error::StorageError,
    files,
    ids::HearingId,
    segment::{FACTS_ENDING, SegmentFacts, SegmentFiles},
    segment_writer::SegmentWriter,
};
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// How much of a log's end is read to find its last whole line. A line has at most 330 bytes.
const LAST_LINE_WINDOW: u64 = 1024;

/// The folder of records in the making. All methods block on the disk.
#[derive(Debug, Clone)]
pub struct RecordSpool {
    dir: PathBuf,
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
}

impl RecordSpool {
    /// The records in `dir`, which is made when the first segment is.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
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

    /// The record file of a segment, for players and decoders.
    #[must_use]
    pub fn media_path(&self, facts: &SegmentFacts) -> PathBuf {
        self.files(facts).media
    }

    /// Begins a segment. Its facts are on disk when this returns.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the segment exists, [`StorageError::Invalid`] if its source
    /// is not a name, [`StorageError::DiskFull`] or [`StorageError::NotWritable`].
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

    /// One segment and what of it is acknowledged now.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] or [`StorageError::Corrupt`].
    pub fn segment(&self, facts: &SegmentFacts) -> Result<SegmentRecord, StorageError> {
        self.segment_at(&self.files(facts).facts)
    }

    /// Acknowledged bytes of a segment from `offset` on, at most `max`. Cheap to call often: only
    /// the end of the log is read.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no such segment.
    pub fn read_from(
        &self,
        facts: &SegmentFacts,
        offset: u64,
        max: usize,
    ) -> Result<Tail, StorageError> {
        let paths = self.files(facts);
        let (acknowledged, ends_ms, ended) = last_line(&paths.log, facts)?;
        let wanted = acknowledged.saturating_sub(offset).min(max as u64);
        let read = || {
            let mut media = File::open(&paths.media)?;
            media.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            media.take(wanted).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| StorageError::file(&paths.media, error))?;
        Ok(Tail {
            bytes,
            acknowledged,
            ends_ms,
            ended,
        })
    }

    /// The hearings that have a folder here.
    pub(crate) fn hearings(&self) -> Result<Vec<HearingId>, StorageError> {
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

/// Acknowledged bytes, where they end on the record clock, and whether that is the end, by the
/// last whole line of a log.
fn last_line(path: &Path, facts: &SegmentFacts) -> Result<(u64, u64, bool), StorageError> {
    let read = || {
        let mut log = File::open(path)?;
        let len = log.metadata()?.len();
        log.seek(SeekFrom::Start(len.saturating_sub(LAST_LINE_WINDOW)))?;
        let mut window = Vec::new();
        log.read_to_end(&mut window)?;
        Ok(window)
    };
    let window = read().map_err(|error| StorageError::file(path, error))?;
    let Some(whole) = window.iter().rposition(|byte| *byte == b'\n') else {
        return Ok((0, facts.starts_ms, false));
    };
    let line = window
        .get(..whole)
        .and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    let value: serde_json::Value = serde_json::from_slice(line.unwrap_or_default())
        .map_err(|_| StorageError::corrupt(path.display(), "the last line is not JSON"))?;
    let number = |name: &str| value.get(name).and_then(serde_json::Value::as_u64);
    let (Some(len), Some(ends_ms)) = (number("len"), number("ends_ms")) else {
        return Err(StorageError::corrupt(
            path.display(),
            "the last line is no chunk and no end",
        ));
    };
    Ok((
        number("offset").unwrap_or(0) + len,
        ends_ms,
        value.get("end").is_some(),
    ))
}
