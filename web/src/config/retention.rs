//! For how long the record of a closed hearing is kept, and its copies.

use super::ConfigError;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The least and the most days: no record goes on the day of its hearing, and a century is for ever.
const DAYS: std::ops::RangeInclusive<u64> = 1..=36_500;

/// For how long the record of a closed hearing is kept, by the kind of its case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days, for cases of every other kind and of none.
    pub default_days: u64,
    /// Days by the kind of the case, as the embedded registry names it.
    pub days: BTreeMap<String, u64>,
    /// Days from the registry's receipt until the copies go that the archive has too.
    pub spool_after_days: u64,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            default_days: 3_650,
            days: BTreeMap::new(),
            spool_after_days: 30,
        }
    }
}

impl RetentionConfig {
    /// Until when the record of a hearing is kept that was closed then.
    #[must_use]
    pub fn kept_until(&self, case_kind: Option<&str>, closed_at: Timestamp) -> Timestamp {
        let of_kind = case_kind.and_then(|kind| self.days.get(kind));
        days_after(closed_at, of_kind.copied().unwrap_or(self.default_days))
    }

    /// When the spent copies of a record go whose receipt came then.
    #[must_use]
    pub fn copies_until(&self, acknowledged_at: Timestamp) -> Timestamp {
        days_after(acknowledged_at, self.spool_after_days)
    }

    /// Refuses a time within which no record may go, or that never ends.
    ///
    /// # Errors
    /// The first knob that is out of its range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let by_kind = self.days.iter();
        let mut knobs = by_kind
            .map(|(kind, days)| (format!("days.{kind}"), *days, DAYS))
            .chain([
                ("default_days".to_owned(), self.default_days, DAYS),
                // With 0 they go at once: another copy stays.
                (
                    "spool_after_days".to_owned(),
                    self.spool_after_days,
                    0..=*DAYS.end(),
                ),
            ]);
        match knobs.find(|(_, days, range)| !range.contains(days)) {
            None => Ok(()),
            Some((knob, value, range)) => Err(ConfigError::OutOfRange {
                knob: format!("retention.{knob}"),
                value,
                least: *range.start(),
                most: *range.end(),
            }),
        }
    }
}

fn days_after(moment: Timestamp, days: u64) -> Timestamp {
    let hours = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24);
    Span::new()
        .try_hours(hours)
        .and_then(|kept| moment.checked_add(kept))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_case_is_kept_for_its_own_time() {
        let config = RetentionConfig {
            default_days: 10,
            days: BTreeMap::from([("criminal".to_owned(), 20)]),
            ..RetentionConfig::default()
        };
        let days = |kind| config.kept_until(kind, Timestamp::UNIX_EPOCH).as_second() / 86_400;
        let kinds = [Some("criminal"), Some("civil"), None];
        assert_eq!(kinds.map(days), [20, 10, 10]);
    }

    #[test]
    fn a_time_that_is_over_at_once_or_never_is_refused_by_its_name() {
        let config = |days| RetentionConfig {
            days: BTreeMap::from([("civil".to_owned(), days)]),
            ..RetentionConfig::default()
        };
        for days in [0, 36_501] {
            let words = config(days).check().unwrap_err().to_string();
            assert!(
                words.contains(&format!("retention.days.civil is {days};")),
                "{words}"
            );
        }
        assert!(config(1).check().is_ok());
    }
}
