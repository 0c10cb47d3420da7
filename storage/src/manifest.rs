//! What a bundle says of itself: `manifest.json`, and `seal.json` over it.

use crate::{
    archive_path::ArchivePath,
    digest::Digest,
    ids::{HearingId, SegmentId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `format` of a manifest.
pub const BUNDLE_FORMAT: &str = "otyrys-bundle/1";
/// `format` of a seal.
pub const SEAL_FORMAT: &str = "otyrys-seal/1";
/// Name of the manifest in a bundle.
pub const MANIFEST_NAME: &str = "manifest.json";
/// Name of the seal in a bundle.
pub const SEAL_NAME: &str = "seal.json";
/// Name of the event log in a bundle.
pub const EVENTS_NAME: &str = "events.jsonl";

/// `manifest.json`: every other file but the seal, and the heads of all chains.
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
    /// The record.
    pub segments: Vec<SegmentHead>,
    /// Every file but `manifest.json` and `seal.json`, by path.
    pub files: Vec<FileEntry>,
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

/// `seal.json`: the signature over the exact bytes of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// [`SEAL_FORMAT`].
    pub format: String,
    /// `Ed25519` (RFC 8032, pure).
    pub algorithm: String,
    /// SHA-256 of the public key's 32 bytes.
    pub key_id: Digest,
    /// The public key in hex.
    pub public_key: String,
    /// Of `manifest.json`: tells a changed manifest from a changed seal.
    pub manifest_sha256: Digest,
    /// 64 bytes in hex.
    pub signature: String,
}
