//! What was found of a day, without a judgement.

use jiff::{Timestamp, tz::Offset};
use otyrys_signaling::{HearingState, TrackRef};
use otyrys_storage::{
    Delivery,
    ids::{HearingId, ParticipantId, SegmentId},
};
use std::collections::{BTreeMap, BTreeSet};

/// A day of the court.
#[derive(Debug)]
pub(crate) struct DayFacts {
    /// When it was looked at.
    pub(crate) at: Timestamp,
    /// The hearings that belong to it, by the time they were scheduled for.
    pub(crate) hearings: Vec<HearingFacts>,
    /// Folders of records and bundles, of any day, whose hearing nobody knows.
    pub(crate) strangers: Vec<String>,
}

/// A hearing and what there is of it.
#[derive(Debug)]
pub(crate) struct HearingFacts {
    pub(crate) id: HearingId,
    pub(crate) case_number: String,
    pub(crate) courtroom: String,
    pub(crate) scheduled_at: Timestamp,
    /// The court's clock.
    pub(crate) offset: Offset,
    /// By its log; in words, why that cannot be read.
    pub(crate) course: Result<Course, String>,
    /// Of its record; in words, why they cannot be read.
    pub(crate) files: Result<Vec<FileFacts>, String>,
    pub(crate) only_in_backup: Vec<BackupFacts>,
    pub(crate) key: KeyFacts,
    pub(crate) bundle: BundleFacts,
    /// The whole bundle is in the archive.
    pub(crate) archived: bool,
    /// Lines of the draft.
    pub(crate) lines: usize,
    pub(crate) delivery: Option<Delivery>,
    /// Jobs that were given up: what kind, and why.
    pub(crate) failed_jobs: Vec<(String, String)>,
}

/// What happened, by the log.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) state: HearingState,
    pub(crate) opened_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
    /// Milliseconds on record.
    pub(crate) on_record_ms: u64,
    /// Faults of the record that the bench was told.
    pub(crate) faults: usize,
    /// What the record must hold.
    pub(crate) expected: Vec<Stretch>,
    /// Files that the recogniser has read to their end.
    pub(crate) drafted: BTreeSet<SegmentId>,
    /// Who was summoned.
    pub(crate) names: BTreeMap<ParticipantId, String>,
}

/// A stretch of the record in which a track was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) track: TrackRef,
    /// Milliseconds on the record clock.
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// The log says why its end may be missing: a lost line, a restart, a fault of the record.
    pub(crate) end_explained: bool,
}

/// A file of the record.
#[derive(Debug, Clone)]
pub(crate) struct FileFacts {
    pub(crate) segment: SegmentId,
    pub(crate) track: TrackRef,
    /// What it holds, from and to in milliseconds on the record clock, in order.
    pub(crate) holds: Vec<(u64, u64)>,
    pub(crate) ended: bool,
    /// The bundle has it, to its last line.
    pub(crate) sealed: bool,
    /// What of it was damaged when it was sealed, from and to in milliseconds on the record clock.
    pub(crate) damage: Vec<(u64, u64)>,
}

/// A file of the second copy that has sound which the record has not.
#[derive(Debug, Clone)]
pub(crate) struct BackupFacts {
    pub(crate) segment: SegmentId,
    pub(crate) track: TrackRef,
    /// What the file holds, in milliseconds on the record clock.
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    /// Where the bundle has it, if it has.
    pub(crate) sealed_as: Option<String>,
}

/// The key of a hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyFacts {
    /// It opens.
    There,
    /// The hearing's time was over.
    Destroyed,
    /// It does not; in words.
    Lost(String),
}

/// The bundle of a hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BundleFacts {
    /// There is none.
    Missing,
    /// It is not the one that was sealed; in words.
    Broken(String),
    /// It holds, with these documents.
    Holds(BTreeSet<String>),
}
