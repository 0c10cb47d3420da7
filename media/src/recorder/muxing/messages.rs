//! What the server and the muxing process say to each other.

use crate::recorder::muxer::{Block, Content};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A file that is being muxed, by a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::recorder) struct FileNumber(pub(in crate::recorder) u64);

/// To the muxing process. It does one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::recorder) enum Order<'a> {
    /// Not answered: what goes wrong is told in answer to the first block.
    Open { file: FileNumber, content: Content },
    Blocks {
        file: FileNumber,
        #[serde(borrow)]
        blocks: Vec<Piece<'a>>,
    },
    /// Nothing follows.
    Close { file: FileNumber },
}

/// A [`Block`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::recorder) struct Piece<'a> {
    /// Since the zero of the file.
    pub(in crate::recorder) at_ns: u64,
    pub(in crate::recorder) key: bool,
    pub(in crate::recorder) shown: bool,
    #[serde(borrow, with = "serde_bytes")]
    pub(in crate::recorder) data: &'a [u8],
}

/// From the muxing process: one for each [`Order::Blocks`] and each closing, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::recorder) enum Answer<'a> {
    /// The next bytes of the file.
    Muxed {
        file: FileNumber,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The muxer did not take it.
    Refused { file: FileNumber, error: String },
}

impl<'a> From<&'a Block<Bytes>> for Piece<'a> {
    fn from(block: &'a Block<Bytes>) -> Self {
        Self {
            at_ns: block.at.as_nanos() as u64,
            key: block.key,
            shown: block.shown,
            data: &block.data,
        }
    }
}

impl From<Piece<'_>> for Block<Vec<u8>> {
    fn from(piece: Piece<'_>) -> Self {
        Self {
            data: piece.data.to_vec(),
            at: Duration::from_nanos(piece.at_ns),
            key: piece.key,
            shown: piece.shown,
        }
    }
}

impl Answer<'_> {
    pub(super) fn file(&self) -> FileNumber {
        match self {
            Self::Muxed { file, .. } | Self::Refused { file, .. } => *file,
        }
    }
}
