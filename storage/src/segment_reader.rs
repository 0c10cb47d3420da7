//! Reading a segment from its beginning to its end, decrypted and checked chunk by chunk.

use crate::{
    at_rest::ChunkOpener, chunk_log::Chunk, damage::Damage, digest::Digest, error::StorageError,
    spool::SegmentRecord,
};
use std::{
    io::{self, Read},
    path::PathBuf,
    vec,
};

/// A chunk of a record file as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What was acknowledged.
    Whole(Vec<u8>),
    /// So many bytes were acknowledged, and are not there.
    Damaged(u64),
}

/// The plain bytes of a segment. **What is damaged is read as zeros**, so that the rest stays in its
/// place; where that was is told by [`SegmentReader::damage`].
#[derive(Debug)]
pub struct SegmentReader {
    path: PathBuf,
    /// Nothing if the record file is gone.
    media: Option<ChunkOpener>,
    chunks: vec::IntoIter<Chunk>,
    /// Where the next chunk begins on the record clock.
    begins_ms: u64,
    chunk: io::Cursor<Vec<u8>>,
    zeros: io::Take<io::Repeat>,
    damage: Vec<Damage>,
}

impl SegmentReader {
    pub(crate) fn new(path: PathBuf, media: Option<ChunkOpener>, record: &SegmentRecord) -> Self {
        Self {
            path,
            media,
            chunks: record.chunks.clone().into_iter(),
            begins_ms: record.facts.starts_ms,
            chunk: io::Cursor::default(),
            zeros: io::repeat(0).take(0),
            damage: Vec::new(),
        }
    }

    /// The next chunk; nothing after the last one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn piece(&mut self) -> Result<Option<Piece>, StorageError> {
        let Some(chunk) = self.chunks.next() else {
            return Ok(None);
        };
        let begins_ms = std::mem::replace(&mut self.begins_ms, chunk.ends_ms);
        let found = match &self.media {
            Some(media) => media.read(&self.path, &chunk)?,
            None => None,
        };
        Ok(Some(found.map_or_else(
            || {
                Damage::add(&mut self.damage, &chunk, begins_ms);
                Piece::Damaged(chunk.len)
            },
            Piece::Whole,
        )))
    }

    /// What was damaged of what was read so far.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Reads to the end: the digest of all bytes, and what is damaged.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn examine(mut self) -> Result<(Digest, Vec<Damage>), StorageError> {
        let digest = Digest::of_reader(&mut self);
        let digest = digest.map_err(|error| StorageError::file(&self.path, error))?;
        Ok((digest, self.damage))
    }
}

impl Read for SegmentReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(into)? + self.zeros.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.piece()? {
                Some(Piece::Whole(bytes)) => self.chunk = io::Cursor::new(bytes),
                Some(Piece::Damaged(len)) => self.zeros.set_limit(len),
                None => return Ok(0),
            }
        }
    }
}
