//! Who, outside of the court, vouches for the seal of a record.

use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// Who, outside of the court, vouches for the seal of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealConfig {
    /// For how long after the seal a record waits for them; then it goes on without.
    pub patience_seconds: u64,
    /// Who says when the seal was there.
    pub time_stamp: TimeStampConfig,
    /// Who sees the log of a hearing while it grows.
    pub witness: Vec<WitnessConfig>,
}

impl SealConfig {
    /// [`Self::patience_seconds`] as a duration.
    #[must_use]
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds)
    }
}

impl Default for SealConfig {
    fn default() -> Self {
        Self {
            // The end of the day asks after half an hour why a record is not in the archive.
            patience_seconds: 25 * 60,
            time_stamp: TimeStampConfig::default(),
            witness: Vec::new(),
        }
    }
}

/// A time-stamping authority (RFC 3161).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeStampConfig {
    /// Where it is asked (`http` or `https`). Empty: seals are not stamped.
    pub url: String,
    /// The certificates (PEM) that its own must lead to.
    pub authority_file: Option<PathBuf>,
}

/// A witness (c2sp.org/tlog-witness).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Where checkpoints are sent, without `/add-checkpoint`.
    pub url: String,
    /// Its key, as `otyrys witness` says it at its start.
    pub key: String,
    /// Certificate (PEM) to trust for `url` beside the system's.
    pub trust: Option<PathBuf>,
}

/// What `otyrys witness` signs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnWitnessConfig {
    /// What it is called.
    pub name: String,
    /// The public keys of the courts whose hearings it sees, as their `otyrys key` prints them.
    pub courts: Vec<String>,
}
