//! What a bundle says of itself: `manifest.json`, the last leaf of the hearing's log.

use crate::{
    archive_path::ArchivePath,
    damage::Damage,
    digest::Digest,
    error::StorageError,
    ids::{HearingId, SegmentId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `format` of a manifest.
pub const BUNDLE_FORMAT: &str = "otyrys-bundle/3";
/// The format before, in which nothing damaged could be sealed.
pub(crate) const BUNDLE_FORMAT_2: &str = "otyrys-bundle/2";
/// Name of the manifest in a bundle.
pub const MANIFEST_NAME: &str = "manifest.json";
/// Name of the seal in a bundle: the checkpoint over the log and, as its last leaf, the manifest.
pub const SEAL_NAME: &str = "seal.txt";
/// Name of the answer of a time-stamping authority about the seal, as it came.
pub const TIME_STAMP_NAME: &str = "seal.tsr";
/// Name of the seal with the signatures of witnesses.
pub const COSIGNED_NAME: &str = "seal.cosigned.txt";
/// What others say of the seal. They come after it, so that no manifest lists them, and a bundle may
/// have neither.
pub const ATTESTATION_NAMES: [&str; 2] = [TIME_STAMP_NAME, COSIGNED_NAME];
/// Name of the public key in a bundle.
pub const KEY_NAME: &str = "key.txt";
/// Name of the list of leaves in a bundle.
pub const LEAVES_NAME: &str = "log/leaves.txt";
/// Name of the checkpoints before the seal in a bundle.
pub const CHECKPOINTS_NAME: &str = "log/checkpoints.txt";
/// Name of the event log in a bundle.
pub const EVENTS_NAME: &str = "events.jsonl";

/// `manifest.json`: every other file but the seal and what others say of it, and the heads of all chains and of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`].
    pub format: String,
    /// Which hearing.
    pub hearing: HearingId,
    /// When the bundle was made.
    pub sealed_at: Timestamp,
    /// What the crate above knows of the hearing (case, court, people).
    pub facts: Value,
    /// The event log.
    pub events: EventsHead,
    /// The Merkle log, up to this manifest.
    pub log: LogHead,
    /// The record.
    pub segments: Vec<SegmentHead>,
    /// Every file but `manifest.json`, `seal.txt` and [`ATTESTATION_NAMES`], by path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// JSON for people to read, in one spelling: two spaces, members in the order of the type.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, StorageError> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| StorageError::Invalid(format!("the manifest: {error}")))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// What ties the manifest to the log that it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Leaves before the manifest, which is the next one.
    pub leaves: u64,
    /// Proof that the manifest is that leaf of the sealed log (RFC 9162, section 2.1.3).
    pub inclusion: Vec<Digest>,
}

/// The end of the event chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsHead {
    /// Lines in `events.jsonl`.
    pub count: u64,
    /// Hash of the last line; without lines, what the first would be chained to.
    pub head: Digest,
}

/// The end of a segment's chunk chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHead {
    /// Which segment.
    pub segment: SegmentId,
    /// The record file; the other two lie beside it.
    pub path: ArchivePath,
    /// Where it begins on the hearing's record clock, in milliseconds.
    pub starts_ms: u64,
    /// Where it ends on the hearing's record clock, in milliseconds.
    pub ends_ms: u64,
    /// Chunks in all.
    pub chunks: u64,
    /// Hash of the last line of the chunk log.
    pub head: Digest,
    /// What was damaged when it was sealed: zeros stand in its place.
    #[serde(default)]
    pub damage: Vec<Damage>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where in the bundle.
    pub path: ArchivePath,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Digest,
}
