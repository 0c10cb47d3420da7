//! One contiguous file of one track in the record: its facts, its place on disk.

use crate::{
    digest::Digest,
    error::StorageError,
    ids::{HearingId, ParticipantId, SegmentId},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// `format` of a segment's facts file.
pub const SEGMENT_FORMAT: &str = "otyrys-segment/1";

/// What is known of a segment when it is opened. Never changes afterwards: the chunk log is
/// chained to the digest of these facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// Which.
    pub segment: SegmentId,
    /// Of which hearing.
    pub hearing: HearingId,
    /// Whose track.
    pub participant: ParticipantId,
    /// Which of their tracks (`microphone`, …), in the words of the crate above: lower-case
    /// letters, digits and `_`, at most 32.
    pub source: String,
    /// How it is coded (`opus`, `vp8`, `h264`).
    pub codec: String,
    /// Where the file's own zero lies on the hearing's record clock, in milliseconds.
    pub starts_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: String,
    segment: SegmentId,
    hearing: HearingId,
    participant: ParticipantId,
    source: String,
    codec: String,
    starts_ms: u64,
}

impl SegmentFacts {
    /// The facts file: one line of JSON.
    pub(crate) fn to_json(&self) -> Result<String, StorageError> {
        let document = Document {
            format: SEGMENT_FORMAT.to_owned(),
            segment: self.segment,
            hearing: self.hearing,
            participant: self.participant,
            source: self.source.clone(),
            codec: self.codec.clone(),
            starts_ms: self.starts_ms,
        };
        serde_json::to_string(&document)
            .map(|json| json + "\n")
            .map_err(|error| StorageError::Invalid(format!("the segment's facts: {error}")))
    }

    /// Reads a facts file.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, &'static str> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|_| "these are not the facts of a segment")?;
        if document.format != SEGMENT_FORMAT {
            return Err("the facts are of another format");
        }
        let facts = Self {
            segment: document.segment,
            hearing: document.hearing,
            participant: document.participant,
            source: document.source,
            codec: document.codec,
            starts_ms: document.starts_ms,
        };
        if facts.source_is_a_name() {
            Ok(facts)
        } else {
            Err("the source is not a name")
        }
    }

    /// Whether [`SegmentFacts::source`] can be part of a file name.
    pub(crate) fn source_is_a_name(&self) -> bool {
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        (1..=32).contains(&self.source.len()) && self.source.bytes().all(name)
    }

    /// The ending of the record file, with its dot.
    #[must_use]
    pub fn media_ending(&self) -> &'static str {
        if self.codec == "h264" {
            MATROSKA_ENDING
        } else {
            WEBM_ENDING
        }
    }

    /// `<participant>/<source>-<segment>`, to which the three files add their endings.
    pub fn stem(&self) -> String {
        format!("{}/{}-{}", self.participant, self.source, self.segment)
    }
}

/// The name of a record file without its ending; nothing if it is not one.
pub(crate) fn media_stem(name: &str) -> Option<&str> {
    name.strip_suffix(WEBM_ENDING)
        .or_else(|| name.strip_suffix(MATROSKA_ENDING))
}

/// The three files of a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFiles {
    pub(crate) media: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) facts: PathBuf,
}

/// Endings of the record file: WebM, and Matroska for what WebM may not hold.
const WEBM_ENDING: &str = ".webm";
const MATROSKA_ENDING: &str = ".mkv";
/// Ending of the chunk log.
pub(crate) const LOG_ENDING: &str = ".chunks.jsonl";
/// Ending of the facts file.
pub(crate) const FACTS_ENDING: &str = ".segment.json";

impl SegmentFiles {
    /// The files of a segment in the folder of its hearing.
    pub(crate) fn of(hearing_dir: &Path, facts: &SegmentFacts) -> Self {
        let stem = facts.stem();
        Self {
            media: hearing_dir.join(format!("{stem}{}", facts.media_ending())),
            log: hearing_dir.join(format!("{stem}{LOG_ENDING}")),
            facts: hearing_dir.join(format!("{stem}{FACTS_ENDING}")),
        }
    }

    /// Reads the facts and their digest.
    pub(crate) fn read_facts(path: &Path) -> Result<(SegmentFacts, Digest), StorageError> {
        let bytes = fs::read(path).map_err(|error| StorageError::file(path, error))?;
        let facts = SegmentFacts::from_json(&bytes)
            .map_err(|reason| StorageError::corrupt(path.display(), reason))?;
        Ok((facts, Digest::of(&bytes)))
    }
}
