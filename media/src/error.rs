//! What can go wrong.

use crate::{Mid, RoomId, SessionId};

/// Why the media core refused or could not.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The shard is full: place the session on another.
    #[error("the shard holds its limit of {limit} sessions")]
    TooManySessions {
        /// [`MediaLimits::sessions`](crate::MediaLimits::sessions).
        limit: usize,
    },
    /// The shard has no time left ([`Load::Overload`](crate::Load::Overload)): place the session on
    /// another, or try again later. Whoever was here before is let in.
    #[error("the shard is overloaded and takes no new session")]
    Overloaded,
    /// The offer has more sections than allowed: the client must reuse sections.
    #[error("the offer has {found} sections, the limit is {limit}")]
    TooManySections {
        /// In the offer.
        found: usize,
        /// [`MediaLimits::sections`](crate::MediaLimits::sections).
        limit: usize,
    },
    /// The offer is longer than allowed.
    #[error("the offer has {bytes} bytes, the limit is {limit}")]
    OfferTooLong {
        /// Its length.
        bytes: usize,
        /// [`MediaLimits::offer_bytes`](crate::MediaLimits::offer_bytes).
        limit: usize,
    },
    /// The offer is not SDP that can be answered. The session is as it was before, and a new one
    /// was not made.
    #[error("the offer cannot be answered: {reason}")]
    OfferRejected {
        /// For the log, not for the client. Holds no address and no name.
        reason: String,
    },
    /// `sources` names a section that the offer does not have, does not send on, or that is of the
    /// other kind; or names a source twice.
    #[error("section {mid} cannot carry the source named for it")]
    WrongSection {
        /// As named.
        mid: Mid,
    },
    /// The session exists in another room. Sessions do not move.
    #[error("session {session:?} is not in room {room:?}")]
    WrongRoom {
        /// Which.
        session: SessionId,
        /// As asked.
        room: RoomId,
    },
    /// The driver of the core gave a `now` before the last one.
    #[error("time went backwards")]
    TimeReversed,
    /// The driver of the core gave input without polling the output.
    #[error("{pending} outputs were not polled")]
    OutputPending {
        /// How many wait.
        pending: usize,
    },
    /// A shard without an address to advertise, which no client could reach.
    #[error("no address to advertise")]
    NoAddress,
    /// The socket or the thread of a shard could not be made.
    #[error("the shard cannot start")]
    Start(#[source] std::io::Error),
    /// More commands wait for the shard than it may queue. Try again; if it lasts, the shard hangs.
    #[error("the shard does not keep up with its commands")]
    Busy,
    /// The shard has ended. Start another.
    #[error("the shard has ended")]
    Stopped,
    /// The thread of the shard panicked, which is a bug. Its sessions are gone. Start another.
    #[error("the shard panicked")]
    Panicked,
}
