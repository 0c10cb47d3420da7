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

/// A sector that cannot be read any more (`EIO`, errno(3)): what a rotten disk says.
const UNREADABLE: i32 = 5;

/// A record file that is being read.
#[derive(Debug)]
pub(crate) struct ChunkOpener {
    file: File,
    /// Nothing if it does not begin as an encrypted record: then no chunk of it can be read.
    opener: Option<Opener>,
}

impl ChunkOpener {
    /// # Errors
    /// [`StorageError::NotFound`]; those of the disk.
    pub(crate) fn open(path: &Path, hearing_key: &[u8]) -> Result<Self, StorageError> {
        let file = File::open(path).map_err(|error| StorageError::file(path, error))?;
        let header = read_at(&file, path, 0, HEADER_LEN)?;
        let opener = header.and_then(|header| Opener::new(hearing_key, KIND, &header));
        Ok(Self { file, opener })
    }

    /// The bytes of a chunk of the log beside `path`; nothing if they are not what was written.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(&self, path: &Path, chunk: &Chunk) -> Result<Option<Vec<u8>>, StorageError> {
        let Some(opener) = &self.opener else {
            return Ok(None);
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
            return Ok(None);
        }
        let len = usize::try_from(chunk.len).unwrap_or_default() + OVERHEAD;
        let stored = read_at(&self.file, path, at, len)?;
        let opened = stored.and_then(|stored| opener.open(&about(chunk), &stored));
        Ok(opened.filter(|bytes| Digest::of(bytes) == chunk.sha256))
    }
}

/// So many bytes of a file; nothing if it has them not, or the disk cannot read them any more.
fn read_at(file: &File, path: &Path, at: u64, len: usize) -> Result<Option<Vec<u8>>, StorageError> {
    let mut bytes = vec![0; len];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) if error.raw_os_error() == Some(UNREADABLE) => Ok(None),
        Err(error) => Err(StorageError::file(path, error)),
    }
}

fn about(chunk: &Chunk) -> [u8; ABOUT_LEN] {
    let mut about = [0; ABOUT_LEN];
    let (n, prev) = about.split_at_mut(size_of::<u64>());
    n.copy_from_slice(&chunk.n.to_be_bytes());
    prev.copy_from_slice(chunk.prev.as_bytes());
    about
}
