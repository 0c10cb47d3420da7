//! What does not match.

use jiff::Timestamp;
use otyrys_signaling::TrackRef;
use otyrys_storage::ids::SegmentId;
use serde::Serialize;

/// What kind of thing does not match. The names are those of the JSON report and of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Scheduled, and the session was never opened.
    NotOpened,
    /// Opened, and never closed.
    NotClosed,
    /// Held, and never on record.
    NotRecorded,
    /// A person's track of which there is no file.
    TrackMissing,
    /// A stretch on record that is in no file.
    RecordGap,
    /// A file of a closed hearing that nobody ended.
    FileOpen,
    /// Files of the record that do not hold.
    RecordDamaged,
    /// Pieces of the record that were damaged when it was sealed.
    PiecesDamaged,
    /// Sound that only the backup has.
    OnlyInBackup,
    /// A log of events that does not hold.
    LogDamaged,
    /// The key is not there, or does not open.
    KeyLost,
    /// No bundle was made of a closed hearing.
    NotSealed,
    /// The bundle is not the one that was sealed.
    BundleDamaged,
    /// A file of the record that is not in the bundle.
    FileNotSealed,
    /// A document that is not in the bundle.
    DocumentMissing,
    /// The archive has not the whole bundle.
    NotArchived,
    /// Files of voices that the recogniser has not read.
    NotDrafted,
    /// The registry has not acknowledged.
    NotDelivered,
    /// The registry refused.
    Rejected,
    /// Work that was given up.
    JobFailed,
    /// A folder of a record or bundle whose hearing nobody knows.
    UnknownFolder,
}

impl Kind {
    /// All there are.
    pub(crate) const ALL: [Self; 21] = [
        Self::NotOpened,
        Self::NotClosed,
        Self::NotRecorded,
        Self::TrackMissing,
        Self::RecordGap,
        Self::FileOpen,
        Self::RecordDamaged,
        Self::PiecesDamaged,
        Self::OnlyInBackup,
        Self::LogDamaged,
        Self::KeyLost,
        Self::NotSealed,
        Self::BundleDamaged,
        Self::FileNotSealed,
        Self::DocumentMissing,
        Self::NotArchived,
        Self::NotDrafted,
        Self::NotDelivered,
        Self::Rejected,
        Self::JobFailed,
        Self::UnknownFolder,
    ];

    /// As in the JSON report and the metric.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotOpened => "not_opened",
            Self::NotClosed => "not_closed",
            Self::NotRecorded => "not_recorded",
            Self::TrackMissing => "track_missing",
            Self::RecordGap => "record_gap",
            Self::FileOpen => "file_open",
            Self::RecordDamaged => "record_damaged",
            Self::PiecesDamaged => "pieces_damaged",
            Self::OnlyInBackup => "only_in_backup",
            Self::LogDamaged => "log_damaged",
            Self::KeyLost => "key_lost",
            Self::NotSealed => "not_sealed",
            Self::BundleDamaged => "bundle_damaged",
            Self::FileNotSealed => "file_not_sealed",
            Self::DocumentMissing => "document_missing",
            Self::NotArchived => "not_archived",
            Self::NotDrafted => "not_drafted",
            Self::NotDelivered => "not_delivered",
            Self::Rejected => "rejected",
            Self::JobFailed => "job_failed",
            Self::UnknownFolder => "unknown_folder",
        }
    }
}

/// Something that does not match, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mismatch {
    pub(crate) kind: Kind,
    /// Whose track.
    #[serde(flatten)]
    pub(crate) track: Option<TrackRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) segment: Option<SegmentId>,
    /// Milliseconds on the record clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// A name or a reason, in the words of whoever gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

impl Mismatch {
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            kind,
            track: None,
            segment: None,
            from_ms: None,
            to_ms: None,
            since: None,
            detail: None,
        }
    }

    pub(crate) fn because(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::of(kind)
        }
    }
}
