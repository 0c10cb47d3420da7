//! A record file as it lies on the disk: each chunk is a piece that is bound to its place.
//!
//! What is bound: the chunk's number and the hash of the line before its own. The chain of lines
//! begins with the facts, so no chunk can stand in another place, segment or hearing.

use super::file_key::{HEADER_LEN, Kind, OVERHEAD, Opener, Sealer};
use crate::{
    chunk_log::Chunk,
    digest::{DIGEST_LEN, Digest},
    error::StorageError,
};
use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

const KIND: Kind = *b"otyrys-chunks/1\n";
const ABOUT_LEN: usize = size_of::<u64>() + DIGEST_LEN;

/// Bytes on disk of a record file of so many chunks with so many bytes.
pub(crate) fn stored_len(chunks: u64, len: u64) -> u64 {
    if chunks == 0 {
        return 0;
    }
    HEADER_LEN as u64 + chunks * OVERHEAD as u64 + len
}

/// What the writer of a segment encrypts its chunks with.
#[derive(Debug)]
pub(crate) struct ChunkSealer(Sealer);

impl ChunkSealer {
    pub(crate) fn new(hearing_key: &[u8]) -> Result<Self, StorageError> {
        Sealer::new(hearing_key, KIND).map(Self)
    }

    /// The chunk as it is appended to the file; before the first one stands the header.
    pub(crate) fn seal(&mut self, chunk: &Chunk, bytes: &[u8]) -> Result<Vec<u8>, StorageError> {
        let piece = self.0.seal(&about(chunk), bytes)?;
        if chunk.n > 1 {
            return Ok(piece);
        }
        Ok([self.0.header().as_slice(), &piece].concat())
    }
}

/// A record file that is being read.
#[derive(Debug)]
pub(crate) struct ChunkOpener {
    file: File,
    opener: Opener,
}

impl ChunkOpener {
    /// # Errors
    /// [`StorageError::Corrupt`] if it is no encrypted record file; those of the disk.
    pub(crate) fn open(path: &Path, hearing_key: &[u8]) -> Result<Self, StorageError> {
        let mut header = [0; HEADER_LEN];
        let file = File::open(path).map_err(|error| StorageError::file(path, error))?;
        let opener = match file.read_exact_at(&mut header, 0) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(StorageError::file(path, error));
            }
            _ => Opener::new(hearing_key, KIND, &header),
        };
        let opener = opener.ok_or_else(|| {
            StorageError::corrupt(path.display(), "it does not begin as an encrypted record")
        })?;
        Ok(Self { file, opener })
    }

    /// The bytes of a chunk of the log beside `path`.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`], with the second, if they are not what was written.
    pub(crate) fn read(&self, path: &Path, chunk: &Chunk) -> Result<Vec<u8>, StorageError> {
        let damaged = || {
            let (whole, rest) = (chunk.ends_ms / 1000, chunk.ends_ms % 1000);
            let reason = format!(
                "the chunk at byte {}, which ends at second {whole}.{rest:03} of the record, is \
                 not what was written",
                chunk.offset
            );
            StorageError::corrupt(path.display(), reason)
        };
        let before = chunk.n.saturating_sub(1).saturating_mul(OVERHEAD as u64);
        let at = chunk
            .offset
            .saturating_add(before)
            .saturating_add(HEADER_LEN as u64);
        // The log may be damaged too: no length that it says is believed beyond the file's own.
        let on_disk = self
            .file
            .metadata()
            .map_err(|e| StorageError::file(path, e))?;
        if on_disk.len().saturating_sub(at) < chunk.len.saturating_add(OVERHEAD as u64) {
            return Err(damaged());
        }
        let mut stored = vec![0; usize::try_from(chunk.len).unwrap_or_default() + OVERHEAD];
        self.file
            .read_exact_at(&mut stored, at)
            .map_err(|error| StorageError::file(path, error))?;
        self.opener
            .open(&about(chunk), &stored)
            .filter(|bytes| Digest::of(bytes) == chunk.sha256)
            .ok_or_else(damaged)
    }
}

fn about(chunk: &Chunk) -> [u8; ABOUT_LEN] {
    let mut about = [0; ABOUT_LEN];
    let (n, prev) = about.split_at_mut(size_of::<u64>());
    n.copy_from_slice(&chunk.n.to_be_bytes());
    prev.copy_from_slice(chunk.prev.as_bytes());
    about
}
