//! Reading a segment from its beginning to its end, decrypted and checked chunk by chunk.

use crate::{at_rest::ChunkOpener, chunk_log::Chunk};
use std::{
    io::{self, Read},
    path::PathBuf,
    vec,
};

/// The plain bytes of a segment. A chunk that is not what was written ends it with
/// [`io::ErrorKind::InvalidData`], which names the second.
#[derive(Debug)]
pub struct SegmentReader {
    path: PathBuf,
    media: ChunkOpener,
    chunks: vec::IntoIter<Chunk>,
    chunk: io::Cursor<Vec<u8>>,
}

impl SegmentReader {
    pub(crate) fn new(path: PathBuf, media: ChunkOpener, chunks: Vec<Chunk>) -> Self {
        Self {
            path,
            media,
            chunks: chunks.into_iter(),
            chunk: io::Cursor::default(),
        }
    }
}

impl Read for SegmentReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            let Some(next) = self.chunks.next() else {
                return Ok(0);
            };
            self.chunk = io::Cursor::new(self.media.read(&self.path, &next)?);
        }
    }
}
