//! Participants without a browser, for rehearsals, line tests and load.
//!
//! They join through the public interface like anybody else: redeem an invitation, signal over a
//! WebSocket, and send and receive media by the `webrtc` crate: a second WebRTC stack, independent
//! of the server's own. They speak recorded human speech and show a moving picture.
//!
//! [`Rehearsal::join`] gives one [`RehearsalParticipant`]; a [`Cast`] plays a whole hearing with
//! many of them; a [`SiteTest`] says whether a line carries a hearing, and a [`LoadTest`] what a
//! server bears. [`RehearseArgs`] is the `otyrys rehearse` command.
//!
//! Not here: judging what they received. Tests do that from [`RehearsalParticipant::received`],
//! [`RehearsalParticipant::lines`] and the [`Summary`] of a cast.

mod cast;
mod clips;
mod command;
mod door;
mod encoder;
mod g722;
mod line_test;
mod line_words;
#[cfg(test)]
mod nobody_is_let_in_without_room;
mod outlet;
mod participant;
mod peer;
mod picture;
mod reception;
mod scenes;
mod session;
mod story;
mod trust;
mod voice;

pub use cast::{Cast, CastConfig, CastEvent, Spoken, Summary};
pub use clips::{Clip, ClipLibrary, Reader, SAMPLE_RATE};
pub use command::{LineArgs, RehearseArgs, demo_invitations, run};
pub use door::{DemoSeat, Invitation};
pub use line_test::{Checks, Direction, Fault, LoadReport, LoadTest, SiteTest, Verdict};
pub use participant::{EndReason, Rehearsal, RehearsalConfig, RehearsalParticipant, State};
pub use reception::TrackStats;
pub use story::Story;
pub use trust::Trust;

use crate::bad_line::BadLineError;
use otyrys_signaling::wire::ErrorCode;
use std::{io, path::PathBuf};

/// Why a rehearsal cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// No connection, or no answer: later may help.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// What happened, without secrets.
        reason: String,
    },
    /// The server said no; asking again does not help.
    #[error("the server refused: {0:?}")]
    Refused(ErrorCode),
    /// The participant is gone.
    #[error("the participant has left the hearing: {0:?}")]
    Ended(EndReason),
    /// The server does not keep to the protocol.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(&'static str),
    /// Not an invitation link, or not a server's address. The link itself is a secret.
    #[error("this is not an invitation link of the form https://HOST/j/TOKEN")]
    BadLink,
    /// The certificates to believe cannot be used.
    #[error("the certificates in {path} cannot be used: {reason}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A recording cannot be used.
    #[error("the recording {path} cannot be used: {reason}")]
    Speech {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The participant sends no sound, or its role may not.
    #[error("the participant has no voice")]
    Silent,
    /// GStreamer cannot make sound or picture here.
    #[error("sound and picture cannot be made: {0}")]
    Encoder(String),
    /// The peer connection failed.
    #[error("the media connection failed: {0}")]
    Media(String),
    /// Signalling works, and neither sound nor picture comes through.
    #[error("sound and picture do not come through: UDP to the server's port is blocked")]
    NoMedia,
    /// The bad line that was asked for cannot be made.
    #[error(transparent)]
    BadLine(#[from] BadLineError),
    /// The story cannot be told.
    #[error("nothing can be written to the output: {0}")]
    Output(#[from] io::Error),
}

impl RehearseError {
    fn unreachable(reason: impl ToString) -> Self {
        Self::Unreachable {
            reason: reason.to_string(),
        }
    }

    fn encoder(reason: impl ToString) -> Self {
        Self::Encoder(reason.to_string())
    }

    fn media(reason: impl ToString) -> Self {
        Self::Media(reason.to_string())
    }

    fn tls(reason: impl ToString) -> Self {
        Self::Tls(reason.to_string())
    }
}
