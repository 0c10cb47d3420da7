//! Listening back, over HTTP: bodies of requests and answers.

use crate::{Role, TrackRef, TrackSource};
use otyrys_storage::ids::{ParticipantId, SegmentId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use ts_rs::TS;

/// The record so far, as far as a person may listen to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecordList {
    /// Everybody of whom there is something, bench first.
    pub people: Vec<RecordedPerson>,
    /// The files, by where they begin.
    pub segments: Vec<RecordedSegment>,
}

/// Somebody of whom there is something on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecordedPerson {
    /// Who.
    #[ts(type = "string")]
    pub id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// A file of the record: one track without interruption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RecordedSegment {
    /// Which.
    #[ts(type = "string")]
    pub segment: SegmentId,
    /// Whose track.
    #[ts(type = "string")]
    pub participant: ParticipantId,
    /// Which of their tracks.
    pub source: TrackSource,
    /// Milliseconds into the record.
    pub starts_ms: u32,
    /// Where what is on disk ends, milliseconds into the record.
    pub ends_ms: u32,
    /// More comes.
    pub growing: bool,
}

/// The wish to listen to the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Listen {
    /// To what.
    #[ts(as = "Vec<TrackRef>")]
    pub tracks: BTreeSet<TrackRef>,
    /// Milliseconds into the record.
    pub from_ms: u32,
}

/// Names a listening, from its beginning to its end, within one run of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
pub struct ListeningId {
    /// Counted from 1.
    pub listening: u32,
}

/// How loud a sound file of the record is, for a waveform: 10 values for each second of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Loudness {
    /// Place of the first value, counted from the file's beginning.
    pub from: u32,
    /// The loudest sample of each 100 ms: 0 at -60 dBFS and below, 255 at 0 dBFS, even steps of
    /// decibels between.
    pub levels: Vec<u8>,
    /// More are known already: ask again at once.
    pub more: bool,
}
