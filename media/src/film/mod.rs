//! The room file: one film of a hearing, for people who want one file. All voices mixed, a picture
//! of everybody with the name under it, a screen that was shared large; MP4 with H.264 and AAC,
//! which every court's computer opens.
//!
//! It is made of the seekable copies of the record ([`make_seekable`](crate::recorder)) in parts of
//! [`PART`], by a process of its own ([`run_film`]): GStreamer decodes what strangers sent. Each
//! part is given to the caller when it is done ([`make_parts`]), who keeps it and asks, after a
//! crash, for what is missing; [`join`] makes the film of all parts. The bytes of the record come
//! to the process through its socket, when it asks for them: none of them lies plain on a disk.
//!
//! What is off the record is left out: the film has the stretches on record, one after the other
//! ([`Stretches`]).

mod canvas;
mod encoders;
mod join;
mod layout;
mod maker;
mod part;
mod process;
mod scene;
mod sound;
mod source;
mod stretches;
mod wire;

pub use join::{Chapter, join};
pub use maker::{FilmNotice, make_parts, require_film_elements};
pub use part::Part;
pub use process::run_film;
pub use stretches::{Stretch, Stretches};

use crate::Codec;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Pictures a second: half a camera's, which nobody misses in a courtroom.
const FRAME_RATE: u64 = 15;
/// Samples a second.
const SAMPLE_RATE: u64 = 48_000;
/// Samples of an AAC frame (ISO/IEC 14496-3).
const SOUND_FRAME: u64 = 1_024;
/// Size of the film.
const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;

/// What a part shows; the last one may be shorter. A minute or so that is also a whole number of
/// pictures (960) and of AAC frames (3,000), so that parts fit together without a seam.
pub const PART: Duration = Duration::from_secs(64);

/// At most so many people have a place in the picture; the others are heard.
pub const MOST_PEOPLE: usize = 25;

/// What the film is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilmPlan {
    /// What is shown.
    pub stretches: Stretches,
    /// Who is in the picture, in the order of their places; at most [`MOST_PEOPLE`].
    pub people: Vec<FilmPerson>,
    /// The seekable copies.
    pub inputs: Vec<FilmInput>,
}

/// Somebody in the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilmPerson {
    /// Stands under the picture.
    pub name: String,
    /// Stands with the name where there is no picture.
    pub role: String,
}

/// A seekable copy of a file of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilmInput {
    /// Whose, as a place in [`FilmPlan::people`]; none for those who are only heard.
    pub person: Option<usize>,
    /// What it carries.
    pub source: FilmSource,
    /// How.
    pub codec: Codec,
    /// Its first moment on the record clock, in milliseconds.
    pub starts_ms: u64,
    /// Its last one.
    pub ends_ms: u64,
    /// Its length.
    pub bytes: u64,
}

/// What a track of the record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilmSource {
    /// A voice.
    Microphone,
    /// A face.
    Camera,
    /// A screen that is shared.
    Screen,
}

/// Why no film was made.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// GStreamer did not start, or an element is missing.
    #[error(transparent)]
    Machine(#[from] crate::recorder::RecorderError),
    /// The process ended before its time. The parts that were given are good: go on behind them.
    #[error("the process that makes the room file ended: {0}")]
    Died(#[source] io::Error),
    /// GStreamer's encoders, or the process, refused.
    #[error("the room file cannot be made: {0}")]
    Refused(String),
    /// Reading the record, or keeping a part.
    #[error("cannot read or write for the room file: {0}")]
    Io(#[from] io::Error),
}

fn refused(error: impl std::fmt::Display) -> FilmError {
    FilmError::Refused(error.to_string())
}

impl FilmPlan {
    /// How many parts the film has.
    #[must_use]
    pub fn parts(&self) -> u32 {
        let parts = self
            .stretches
            .duration()
            .as_millis()
            .div_ceil(PART.as_millis());
        u32::try_from(parts).unwrap_or(u32::MAX)
    }

    /// Makes the film without an input. The numbers of the others stay as they are.
    pub fn leave_out(&mut self, input: usize) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.ends_ms = input.starts_ms;
        }
    }
}
