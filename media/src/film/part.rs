//! A part of the film, as it is kept until all parts are there.

use super::FilmError;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// A part has at most so many bytes of index: 64 s of pictures and sound have 12 KiB.
const MOST_INDEX: u64 = 1 << 20;

/// A part: pictures and sound, encoded, second by second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub(super) index: PartIndex,
    /// Of each second first the pictures, then the sound.
    pub(super) body: Vec<u8>,
}

/// Where things lie in a part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartIndex {
    /// Sequence and picture parameter set of the pictures.
    pub(super) parameters: (Vec<u8>, Vec<u8>),
    pub(super) seconds: Vec<Second>,
}

/// One second, the last one of a film perhaps less.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Second {
    /// Length of each picture, and whether it can be decoded by itself.
    pub(super) pictures: Vec<(u32, bool)>,
    /// Length of each AAC frame.
    pub(super) sound: Vec<u32>,
}

impl Second {
    pub(super) fn bytes(&self) -> (u64, u64) {
        let pictures = self.pictures.iter().map(|(bytes, _)| u64::from(*bytes));
        (
            pictures.sum(),
            self.sound.iter().copied().map(u64::from).sum(),
        )
    }
}

impl Part {
    /// Writes the part as [`join`](super::join) reads it.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let index = postcard::to_stdvec(&self.index).map_err(io::Error::other)?;
        to.write_all(&(index.len() as u64).to_be_bytes())?;
        to.write_all(&index)?;
        to.write_all(&self.body)
    }
}

impl PartIndex {
    /// Reads up to the body.
    pub(super) fn read(from: &mut impl Read) -> Result<Self, FilmError> {
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_be_bytes(length);
        if length > MOST_INDEX {
            return Err(FilmError::Refused("a part has no index".to_owned()));
        }
        let mut index = Vec::new();
        from.take(length).read_to_end(&mut index)?;
        postcard::from_bytes(&index).map_err(super::refused)
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.seconds
            .iter()
            .map(|second| {
                let (pictures, sound) = second.bytes();
                pictures + sound
            })
            .sum()
    }
}
