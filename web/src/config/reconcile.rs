//! When a day is reconciled.

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// The end of the day, when hearings are held against their records, protocols and receipts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcileConfig {
    /// When, by the clock of this machine.
    pub at: Time,
}

impl ReconcileConfig {
    /// The moment at which a day is looked at.
    #[must_use]
    pub fn due(&self, day: Date) -> Timestamp {
        let at = day.to_datetime(self.at).to_zoned(TimeZone::system());
        at.map_or(Timestamp::MAX, |at| at.timestamp())
    }
}

impl Default for ReconcileConfig {
    fn default() -> Self {
        Self {
            at: Time::constant(20, 0, 0, 0),
        }
    }
}
