//! Identifiers that outlive a process: what the database, the archive and the wire call things.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, ordered by the time of its making (UUIDv7, RFC 9562).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier as a number, for crates that know no UUIDs.
            #[must_use]
            pub fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// The reverse of [`Self::as_u128`].
            #[must_use]
            pub fn from_u128(number: u128) -> Self {
                Self(Uuid::from_u128(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// A hearing (one sitting of one court in one case).
    HearingId,
    /// A person's place in one hearing. It survives reconnects and restarts.
    ParticipantId,
    /// One contiguous file of one track in the record.
    SegmentId,
    /// One line of the draft protocol.
    LineId,
    /// One edit of a line by a person.
    LineEditId,
    /// One decision of a person about an entry of a court's dictionary.
    CorrectionChoiceId,
    /// One run of a recogniser in a process of its own.
    WorkerId,
    /// A unit of deferred work.
    JobId,
}
