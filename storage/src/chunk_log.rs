//! The log beside each record file: one chained line for each chunk, one last line for the end.

use crate::{
    chain::{check_line, close_line},
    digest::{Digest, Hasher},
    error::StorageError,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// One acknowledged piece of a record file. A line of the log is these members and `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Place in the segment, from 1.
    pub n: u64,
    /// First byte in the record file.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// Where its sound or picture ends, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
    /// Of its bytes.
    pub sha256: Digest,
    /// Hash of the line before; of the first line, the digest of the segment's facts file.
    pub prev: Digest,
}

/// Checks that every acknowledged byte of a record file is there as it was. Returns the digest of
/// these bytes, and the file where they end.
///
/// # Errors
/// [`StorageError::Corrupt`] if one is not, and others if the file cannot be read.
pub(crate) fn check_media(path: &Path, chunks: &[Chunk]) -> Result<(Digest, File), StorageError> {
    let failed = |error: io::Error| StorageError::file(path, error);
    let mut media = File::open(path).map_err(failed)?;
    let mut whole = Hasher::default();
    let mut buffer = Vec::new();
    for chunk in chunks {
        buffer.clear();
        (&mut media)
            .take(chunk.len)
            .read_to_end(&mut buffer)
            .map_err(failed)?;
        if buffer.len() as u64 != chunk.len || Digest::of(&buffer) != chunk.sha256 {
            let reason = format!("the chunk at byte {} is not what was written", chunk.offset);
            return Err(StorageError::corrupt(path.display(), reason));
        }
        whole.update(&buffer);
    }
    Ok((whole.finish(), media))
}

/// How a segment came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The recorder ended it.
    Finished,
    /// The recorder died; the end was written at the next start.
    Recovered,
}

/// The last line of a log: what the segment amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How it came.
    pub end: Ending,
    /// Chunks in all.
    pub chunks: u64,
    /// Bytes in all.
    pub len: u64,
    /// Milliseconds on the hearing's record clock; of an empty segment, where it began.
    pub ends_ms: u64,
    /// Hash of the line before.
    pub prev: Digest,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Chunk(Chunk),
    End(End),
}

/// What a log says as far as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkLog {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) end: Option<End>,
    /// Hash of the last line that holds.
    pub(crate) head: Digest,
    /// Bytes of the log that hold.
    pub(crate) log_len: u64,
    /// Bytes of the record file that are acknowledged.
    pub(crate) media_len: u64,
    /// Where the last chunk ends on the record clock.
    pub(crate) ends_ms: u64,
}

/// Where a log stops holding, and why. What comes before it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFault {
    pub(crate) reason: &'static str,
    /// The fault is in what an interrupted write leaves: the last line.
    pub(crate) torn: bool,
}

impl ChunkLog {
    /// An empty log of the segment that begins at `starts_ms` and whose facts have this digest.
    pub(crate) fn empty(facts: Digest, starts_ms: u64) -> Self {
        Self {
            chunks: Vec::new(),
            end: None,
            head: facts,
            log_len: 0,
            media_len: 0,
            ends_ms: starts_ms,
        }
    }

    /// Reads a log as far as it holds.
    pub(crate) fn read(bytes: &[u8], facts: Digest, starts_ms: u64) -> (Self, Option<LogFault>) {
        let mut log = Self::empty(facts, starts_ms);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Err(reason) = log.push_line(line) {
                let last = log.log_len + line.len() as u64 == bytes.len() as u64;
                // kill -9 leaves a line without its end; a power cut may leave pages of zeros.
                // A whole line of text that does not hold is something else.
                let unwritten = !line.ends_with(b"\n") || line.contains(&0);
                let torn = last && unwritten && log.end.is_none();
                return (log, Some(LogFault { reason, torn }));
            }
        }
        (log, None)
    }

    /// The line of the next chunk, with its line end, and its hash.
    pub(crate) fn chunk_line(&self, bytes: &[u8], ends_ms: u64) -> (Chunk, String, Digest) {
        let chunk = Chunk {
            n: self.chunks.len() as u64 + 1,
            offset: self.media_len,
            len: bytes.len() as u64,
            ends_ms: ends_ms.max(self.ends_ms),
            sha256: Digest::of(bytes),
            prev: self.head,
        };
        let Chunk {
            n,
            offset,
            len,
            ends_ms,
            sha256,
            prev,
        } = chunk;
        let (line, hash) = close_line(&format!(
            "{{\"n\":{n},\"offset\":{offset},\"len\":{len},\"ends_ms\":{ends_ms},\
             \"sha256\":\"{sha256}\",\"prev\":\"{prev}\"}}"
        ));
        (chunk, line + "\n", hash)
    }

    /// The line that ends the segment, with its line end.
    pub(crate) fn end_line(&self, ending: Ending) -> String {
        let end = match ending {
            Ending::Finished => "finished",
            Ending::Recovered => "recovered",
        };
        let (chunks, len, ends_ms, prev) =
            (self.chunks.len(), self.media_len, self.ends_ms, self.head);
        let (line, _) = close_line(&format!(
            "{{\"end\":\"{end}\",\"chunks\":{chunks},\"len\":{len},\"ends_ms\":{ends_ms},\
             \"prev\":\"{prev}\"}}"
        ));
        line + "\n"
    }

    /// Takes the next line, with its line end, if it holds.
    pub(crate) fn push_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if self.end.is_some() {
            return Err("there is something after the end");
        }
        let text = line.strip_suffix(b"\n").ok_or("the line is not whole")?;
        let text = std::str::from_utf8(text).map_err(|_| "the line is not text")?;
        let hash = check_line(text)?;
        let parsed = serde_json::from_str(text).map_err(|_| "the line is no chunk and no end")?;
        match parsed {
            Line::Chunk(chunk) => {
                let fits = chunk.n == self.chunks.len() as u64 + 1
                    && chunk.offset == self.media_len
                    && chunk.ends_ms >= self.ends_ms
                    && chunk.prev == self.head;
                let media_len = chunk.offset.checked_add(chunk.len);
                let (true, Some(media_len)) = (fits, media_len) else {
                    return Err("the chunk does not follow the one before");
                };
                self.media_len = media_len;
                self.ends_ms = chunk.ends_ms;
                self.chunks.push(chunk);
            }
            Line::End(end) => {
                let fits = end.chunks == self.chunks.len() as u64
                    && end.len == self.media_len
                    && end.ends_ms == self.ends_ms
                    && end.prev == self.head;
                if !fits {
                    return Err("the end does not fit the chunks");
                }
                self.end = Some(end);
            }
        }
        self.head = hash;
        self.log_len += line.len() as u64;
        Ok(())
    }
}
