//! Writing one segment: a chunk counts when its bytes and then its line are on disk.

use crate::{
    at_rest::ChunkSealer,
    chunk_log::{ChunkLog, Ending},
    digest::Digest,
    error::StorageError,
    files,
    segment::{SegmentFacts, SegmentFiles},
};
use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

/// The open end of a segment. Blocks on the disk; for the recorder's own thread.
///
/// Dropped without [`SegmentWriter::finish`], the segment stays open on disk until
/// [`RecordSpool::recover`](crate::spool::RecordSpool::recover) ends it.
#[derive(Debug)]
pub struct SegmentWriter {
    facts: SegmentFacts,
    paths: SegmentFiles,
    media: File,
    log: File,
    sealer: ChunkSealer,
    state: ChunkLog,
    broken: bool,
}

/// What of a segment is on disk for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Chunks.
    pub chunks: u64,
    /// Bytes.
    pub len: u64,
    /// Where they end, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
}

impl SegmentWriter {
    pub(crate) fn new(
        facts: SegmentFacts,
        facts_digest: Digest,
        paths: SegmentFiles,
        media: File,
        log: File,
        sealer: ChunkSealer,
    ) -> Self {
        let state = ChunkLog::empty(facts_digest, facts.starts_ms);
        Self {
            facts,
            paths,
            media,
            log,
            sealer,
            state,
            broken: false,
        }
    }

    /// What is written here.
    #[must_use]
    pub fn facts(&self) -> &SegmentFacts {
        &self.facts
    }

    /// What is on disk for good.
    #[must_use]
    pub fn acknowledged(&self) -> Acknowledged {
        Acknowledged {
            chunks: self.state.chunks.len() as u64,
            len: self.state.media_len,
            ends_ms: self.state.ends_ms,
        }
    }

    /// Appends a chunk whose sound or picture ends at `ends_ms` on the record clock. When this
    /// returns `Ok`, it is on disk. A time before that of the last chunk counts as the last
    /// chunk's; no bytes are no chunk.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`] or [`StorageError::NotWritable`]: nothing of this chunk counts,
    /// what was acknowledged stays valid. With `DiskFull` the same chunk may be appended again
    /// when there is room. After any other failure the segment takes nothing more
    /// ([`StorageError::Conflict`]); open a new one.
    pub fn append(&mut self, bytes: &[u8], ends_ms: u64) -> Result<Acknowledged, StorageError> {
        if self.broken {
            return Err(self.broken_error());
        }
        if bytes.is_empty() {
            return Ok(self.acknowledged());
        }
        let (chunk, line, hash) = self.state.chunk_line(bytes, ends_ms);
        let sealed = self.sealer.seal(&chunk, bytes)?;
        // Bytes first, line second: a line on disk always speaks of bytes on disk.
        self.write(Target::Media, &sealed)?;
        self.write(Target::Log, line.as_bytes())?;
        self.state.media_len += chunk.len;
        self.state.ends_ms = chunk.ends_ms;
        self.state.log_len += line.len() as u64;
        self.state.head = hash;
        self.state.chunks.push(chunk);
        Ok(self.acknowledged())
    }

    /// Ends the segment. One without a single chunk leaves no files behind.
    ///
    /// # Errors
    /// As [`SegmentWriter::append`]; the acknowledged chunks stay valid, and the end is written
    /// when the spool is recovered.
    pub fn finish(mut self) -> Result<Acknowledged, StorageError> {
        if self.broken {
            return Err(self.broken_error());
        }
        if self.state.chunks.is_empty() {
            remove_segment(&self.paths)?;
            return Ok(self.acknowledged());
        }
        let line = self.state.end_line(Ending::Finished);
        self.write(Target::Log, line.as_bytes())?;
        Ok(self.acknowledged())
    }

    fn write(&mut self, target: Target, bytes: &[u8]) -> Result<(), StorageError> {
        let (file, path) = match target {
            Target::Media => (&mut self.media, &self.paths.media),
            Target::Log => (&mut self.log, &self.paths.log),
        };
        match file.write_all(bytes) {
            Ok(()) => {
                // After a failed fsync the kernel may have dropped the pages and will not say so
                // twice: nothing later in this file could be trusted.
                file.sync_data().map_err(|error| {
                    self.broken = true;
                    StorageError::file(path, error)
                })
            }
            Err(error) => {
                let error = StorageError::file(path, error);
                let full = matches!(error, StorageError::DiskFull(_));
                let undone = cut(&mut self.media, self.state.stored_len())
                    .and_then(|()| cut(&mut self.log, self.state.log_len));
                self.broken = !full || undone.is_err();
                Err(error)
            }
        }
    }

    fn broken_error(&self) -> StorageError {
        StorageError::Conflict(format!(
            "segment {} takes nothing more after an earlier failure",
            self.facts.segment
        ))
    }
}

#[derive(Clone, Copy)]
enum Target {
    Media,
    Log,
}

/// Takes a half-written end back.
fn cut(file: &mut File, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    file.seek(SeekFrom::Start(len))?;
    Ok(())
}

/// Removes the files of a segment, the facts first: without them it does not exist.
pub(crate) fn remove_segment(paths: &SegmentFiles) -> Result<(), StorageError> {
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StorageError::file(path, error))
        }
        _ => Ok(()),
    };
    remove(&paths.facts)?;
    files::sync_parent(&paths.facts)?;
    remove(&paths.log)?;
    remove(&paths.media)
}
