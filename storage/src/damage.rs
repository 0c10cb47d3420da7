//! Bytes of the record that are not what was acknowledged: what is known of them is in the log.

use crate::chunk_log::Chunk;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Chunks in a row of a record file whose bytes are not what was acknowledged, or are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The first of them.
    pub first_chunk: u64,
    /// The last of them.
    pub last_chunk: u64,
    /// Their first byte in the record file.
    pub offset: u64,
    /// Their bytes.
    pub len: u64,
    /// Where they begin on the hearing's record clock, in milliseconds.
    pub from_ms: u64,
    /// Where they end on the hearing's record clock, in milliseconds.
    pub to_ms: u64,
}

impl Damage {
    /// Adds a damaged chunk that begins at `from_ms` to the damage of its file. Chunks come in order.
    pub(crate) fn add(all: &mut Vec<Self>, chunk: &Chunk, from_ms: u64) {
        match all.last_mut() {
            Some(last) if last.last_chunk + 1 == chunk.n => {
                last.last_chunk = chunk.n;
                last.len = last.len.saturating_add(chunk.len);
                last.to_ms = chunk.ends_ms;
            }
            _ => all.push(Self {
                first_chunk: chunk.n,
                last_chunk: chunk.n,
                offset: chunk.offset,
                len: chunk.len,
                from_ms,
                to_ms: chunk.ends_ms,
            }),
        }
    }

    /// Whether it has this chunk.
    pub(crate) fn has(&self, chunk: u64) -> bool {
        (self.first_chunk..=self.last_chunk).contains(&chunk)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
        write!(
            f,
            "second {} to {} of the record (chunks {} to {}, {} bytes from byte {} on)",
            seconds(self.from_ms),
            seconds(self.to_ms),
            self.first_chunk,
            self.last_chunk,
            self.len,
            self.offset
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn chunks_in_a_row_are_one_damage_and_others_are_their_own() {
        let mut all = Vec::new();
        for n in [1, 2, 3, 7] {
            let chunk = Chunk {
                n,
                offset: (n - 1) * 10,
                len: 10,
                ends_ms: n * 600,
                sha256: Digest::of(b""),
                prev: Digest::of(b""),
            };
            Damage::add(&mut all, &chunk, (n - 1) * 600);
        }
        let words: Vec<String> = all.iter().map(Damage::to_string).collect();
        let expected = [
            "second 0.000 to 1.800 of the record (chunks 1 to 3, 30 bytes from byte 0 on)",
            "second 3.600 to 4.200 of the record (chunks 7 to 7, 10 bytes from byte 60 on)",
        ];
        assert_eq!(words, expected);
        assert!(all[0].has(3) && !all[0].has(4) && !all[1].has(6));
    }
}
