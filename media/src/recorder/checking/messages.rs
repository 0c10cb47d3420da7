//! What the server and the checking process say to each other: one sample, one answer.

use serde::{Deserialize, Serialize};

/// A chunk of a recorded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample<'a> {
    pub(super) codec: SampleCodec,
    #[serde(borrow, with = "serde_bytes")]
    pub(super) chunk: &'a [u8],
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SampleCodec {
    Opus,
    Vp8,
    H264,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The loudest sample of the chunk, from 0 to 1.
    Heard { peak: f32 },
    /// Whether its last picture that stands by itself decodes.
    Seen { decoded: bool },
    /// There is no decoder, or nothing to decode; for the log.
    Unable(String),
}
