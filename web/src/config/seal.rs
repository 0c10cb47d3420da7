//! Who, outside of the court, vouches for the seal of a record.

use super::ConfigError;
use serde::{Deserialize, Serialize};
use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

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

/// For so many seconds a sealed record may wait: a day.
const PATIENCE: RangeInclusive<u64> = 0..=86_400;
/// All of them are asked with each checkpoint and for each seal.
const WITNESSES: RangeInclusive<u64> = 0..=8;

impl SealConfig {
    /// Refuses a patience that never ends, and more witnesses than can be asked.
    ///
    /// # Errors
    /// The first knob that is out of its range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let witnesses = u64::try_from(self.witness.len()).unwrap_or(u64::MAX);
        let mut knobs = [
            ("patience_seconds", self.patience_seconds, PATIENCE),
            ("witness", witnesses, WITNESSES),
        ]
        .into_iter();
        match knobs.find(|(_, value, range)| !range.contains(value)) {
            None => Ok(()),
            Some((knob, value, range)) => Err(ConfigError::OutOfRange {
                knob: format!("seal.{knob}"),
                value,
                least: *range.start(),
                most: *range.end(),
            }),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patience_without_end_and_a_crowd_of_witnesses_are_refused() {
        let witness = WitnessConfig {
            url: "https://witness.example".to_owned(),
            key: String::new(),
            trust: None,
        };
        let config = |patience_seconds, witnesses| SealConfig {
            patience_seconds,
            witness: vec![witness.clone(); witnesses],
            ..SealConfig::default()
        };
        assert!(config(86_400, 8).check().is_ok());
        for (refused, knob) in [
            (config(86_401, 0), "seal.patience_seconds"),
            (config(0, 9), "seal.witness"),
        ] {
            let error = refused.check().expect_err(knob).to_string();
            assert!(error.contains(knob), "{error}");
        }
    }
}
