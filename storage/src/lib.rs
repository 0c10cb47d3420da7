//! Database, archive, event chain, seals and registry delivery.
//!
//! What this crate is not: it knows no HTTP, no media and no rule of a hearing. It keeps what it
//! is given, proves that it kept it, and hands it back. Roles, places, states and kinds of events
//! are texts and JSON that the crate above defines.
//!
//! - [`Database`]: hearings, invitations, seats, events, draft lines, jobs, deliveries.
//! - [`RecordSpool`]: the record while it grows; files alone, no rows.
//! - [`at_rest`]: the keys of the hearings, and files that cannot be read without them.
//! - [`HearingLog`]: the Merkle log over both, and its signed checkpoints.
//! - [`Bundle`], [`Archive`], [`verify()`]: the sealed record of a closed hearing.
//! - [`TimeStampQuery`], [`WitnessKey`], [`attestation`]: what others say of a seal.
//! - [`retention`]: until its key is destroyed.
//! - [`registry`]: the embedded reference registry's own store.
//!
//! What a method answered `Ok` for is on disk. `docs/RECORD-FORMAT.md` describes the formats so
//! that a stranger can write a verifier.

pub mod archive;
pub mod archive_path;
pub mod at_rest;
pub mod attestation;
pub mod bundle;
pub mod bundle_check;
pub mod bundle_file;
pub mod byte_stream;
mod chain;
pub mod checkpoint;
pub mod chunk_log;
pub mod cosignature;
pub mod damage;
pub mod database;
pub mod deliveries;
pub mod derived;
pub mod digest;
pub mod draft;
pub mod error;
pub mod events;
mod export;
mod files;
pub mod final_passes;
mod hearing_key_rows;
pub mod hearing_log;
pub mod hearings;
pub mod ids;
pub mod invitations;
pub mod jobs;
mod leaves;
pub mod lessons;
pub mod line_edits;
pub mod log_runs;
pub mod manifest;
mod merkle;
pub mod node_key;
mod note;
pub mod recovery;
pub mod registry;
pub mod retention;
mod seal;
pub mod segment;
pub mod segment_reader;
pub mod segment_writer;
pub mod spool;
mod spool_media;
pub mod time_stamp;
pub mod verify;
pub mod witness_ledger;
pub mod witness_question;
pub mod workers;

pub use archive::Archive;
pub use archive_path::ArchivePath;
pub use at_rest::{BlockReader, BlockWriter, HearingKeys, KeySource, MasterKey};
pub use attestation::{Attested, Seen, Trust};
pub use bundle::{Bundle, BundleInput};
pub use bundle_check::Depth;
pub use bundle_file::BundleFile;
pub use byte_stream::stream_of;
pub use checkpoint::Checkpoint;
pub use cosignature::WitnessKey;
pub use damage::Damage;
pub use database::Database;
pub use deliveries::{Delivery, DeliveryState};
pub use derived::{Derived, DerivedContent};
pub use digest::Digest;
pub use draft::LineRow;
pub use error::StorageError;
pub use events::{NewEvent, StoredEvent};
pub use final_passes::FinalPass;
pub use hearing_log::{HearingLog, Reach};
pub use hearings::{Hearing, NewHearing, NewParticipant, Participant};
pub use invitations::{Invitation, Seat, SeatClient};
pub use jobs::{Job, JobState, NewJob};
pub use lessons::{NewCorrectionChoice, NewLesson, TaughtRow, TaughtWords};
pub use line_edits::{LineEditRow, NewLineEdit};
pub use log_runs::{LogRun, LogSource, StoredLog};
pub use node_key::{NodeKey, PublicKey};
pub use recovery::{Mended, Recovery};
pub use registry::Registry;
pub use retention::{Approval, Kept};
pub use segment::SegmentFacts;
pub use segment_reader::{Piece, SegmentReader};
pub use segment_writer::{Acknowledged, SegmentWriter};
pub use spool::{RecordSpool, SegmentReach, SegmentRecord, Tail};
pub use time_stamp::{Authorities, TimeStamp, TimeStampFault, TimeStampQuery};
pub use verify::{DamagedFile, Verdict, VerifyReport, Violation, verify, verify_trusting};
pub use witness_ledger::{WitnessLedger, WitnessRefusal};
pub use witness_question::WitnessQuestion;
pub use workers::{GuessRow, LinesAfter, WorkerRow};
