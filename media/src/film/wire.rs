//! What the server and the process that makes the film say to each other, in the form of the
//! muxing process's messages.

use super::FilmPlan;
use super::part::Second;
use crate::recorder::wire;
use bytes::BytesMut;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// To the process, once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) plan: FilmPlan,
    pub(super) first_part: u32,
}

/// From the process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It waits for [`Answer`].
    Read {
        input: usize,
        offset: u64,
        length: u32,
    },
    /// The rest of an input is left out.
    Broken { input: usize, reason: String },
    /// The next second of the part that is being made.
    Second {
        second: Second,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// The part is whole.
    PartDone { parameters: (Vec<u8>, Vec<u8>) },
}

/// To [`Said::Read`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// None: they cannot be read.
    #[serde(with = "serde_bytes")]
    pub(super) bytes: Option<Vec<u8>>,
}

/// Above it nothing is asked for at once.
pub(super) const MOST_READ: u32 = 1 << 20;

pub(super) fn say(message: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    wire::write(message, &mut bytes)?;
    to.write_all(&bytes)
}

/// Waits for a message.
pub(super) fn hear<M: DeserializeOwned>(from: &mut impl Read) -> io::Result<M> {
    let mut length = [0; wire::LENGTH_BYTES];
    from.read_exact(&mut length)?;
    let mut bytes = length.to_vec();
    bytes.resize(length.len() + wire::length_of(length)?, 0);
    from.read_exact(&mut bytes[length.len()..])?;
    match wire::read(&bytes)? {
        Some((message, _)) => Ok(message),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
