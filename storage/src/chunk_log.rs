//! The log beside each record file: one chained line for each chunk, one last line for the end.

use crate::{
    at_rest::stored_len,
    chain::{check_line, close_line},
    digest::Digest,
    error::StorageError,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// How much of a log's end is read to find its last whole line, and how near to a line its search
/// goes. A line has at most 330 bytes.
const WINDOW: u64 = 1024;

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

    /// Bytes that the acknowledged chunks have on disk.
    pub(crate) fn stored_len(&self) -> u64 {
        stored_len(self.chunks.len() as u64, self.media_len)
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

/// Acknowledged bytes, where they end on the record clock, and whether that is the end, by the
/// last whole line of a log.
pub(crate) fn last_line(path: &Path, starts_ms: u64) -> Result<(u64, u64, bool), StorageError> {
    let read = || {
        let mut log = File::open(path)?;
        let len = log.metadata()?.len();
        log.seek(SeekFrom::Start(len.saturating_sub(WINDOW)))?;
        let mut window = Vec::new();
        log.read_to_end(&mut window)?;
        Ok(window)
    };
    let window = read().map_err(|error| StorageError::file(path, error))?;
    let Some(whole) = window.iter().rposition(|byte| *byte == b'\n') else {
        return Ok((0, starts_ms, false));
    };
    let line = window
        .get(..whole)
        .and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    match serde_json::from_slice(line.unwrap_or_default()) {
        Ok(Line::Chunk(chunk)) => {
            Ok((chunk.offset.saturating_add(chunk.len), chunk.ends_ms, false))
        }
        Ok(Line::End(end)) => Ok((end.len, end.ends_ms, true)),
        Err(_) => Err(StorageError::corrupt(
            path.display(),
            "the last line is no chunk and no end",
        )),
    }
}

/// The chunks of a log from the one on that holds the byte at `offset`. A log is searched, not
/// read: one of a day has megabytes.
pub(crate) fn chunks_from(
    path: &Path,
    offset: u64,
) -> Result<impl Iterator<Item = Result<Chunk, StorageError>>, StorageError> {
    let failed = move |error| StorageError::file(path, error);
    let mut log = BufReader::new(File::open(path).map_err(failed)?);
    // A line at or before the one that is looked for, and a place behind where it begins.
    let (mut from, mut to) = (0, log.get_ref().metadata().map_err(failed)?.len());
    while to - from > WINDOW {
        let middle = from + (to - from) / 2;
        match next_line(&mut log, middle).map_err(failed)? {
            Some((begins, chunk)) if begins < to && chunk.offset <= offset => from = begins,
            _ => to = middle,
        }
    }
    log.seek(SeekFrom::Start(from)).map_err(failed)?;
    let chunks = std::iter::from_fn(move || chunk_of(&mut log).map_err(failed).transpose());
    Ok(chunks.skip_while(move |chunk| {
        chunk
            .as_ref()
            .is_ok_and(|chunk| chunk.offset.saturating_add(chunk.len) <= offset)
    }))
}

/// The first line that begins after a place, and where.
fn next_line(log: &mut BufReader<File>, after: u64) -> io::Result<Option<(u64, Chunk)>> {
    log.seek(SeekFrom::Start(after))?;
    let skipped = log.skip_until(b'\n')? as u64;
    Ok(chunk_of(log)?.map(|chunk| (after + skipped, chunk)))
}

/// The next line, if it is whole and a chunk's.
fn chunk_of(log: &mut impl BufRead) -> io::Result<Option<Chunk>> {
    let mut line = Vec::new();
    log.read_until(b'\n', &mut line)?;
    let chunk = line.strip_suffix(b"\n").map(serde_json::from_slice);
    Ok(chunk.and_then(Result::ok))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_long_log_is_found_at_its_chunk() {
        let mut log = ChunkLog::empty(Digest::of(b""), 0);
        let mut text = String::new();
        for n in 1..=200_u64 {
            let bytes = vec![0; usize::try_from(n % 7 + 1).unwrap()];
            let (_, line, _) = log.chunk_line(&bytes, n * 700);
            log.push_line(line.as_bytes()).unwrap();
            text.push_str(&line);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        for end in ["", &log.end_line(Ending::Finished), "{\"n\":201,\"off"] {
            std::fs::write(file.path(), format!("{text}{end}")).unwrap();
            for offset in 0..log.media_len {
                let found: Vec<Chunk> = chunks_from(file.path(), offset)
                    .unwrap()
                    .collect::<Result<_, _>>()
                    .unwrap();
                let expected = log.chunks.iter().position(|c| c.offset + c.len > offset);
                assert_eq!(found, log.chunks[expected.unwrap()..], "byte {offset}");
            }
            let behind = chunks_from(file.path(), log.media_len).unwrap().count();
            assert_eq!(behind, 0);
        }
    }
}
