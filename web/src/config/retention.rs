//! For how long the record of a closed hearing is kept.

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
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            default_days: 3_650,
            days: BTreeMap::new(),
        }
    }
}

impl RetentionConfig {
    /// Until when the record of a hearing is kept that was closed then.
    #[must_use]
    pub fn kept_until(&self, case_kind: Option<&str>, closed_at: Timestamp) -> Timestamp {
        let of_kind = case_kind.and_then(|kind| self.days.get(kind));
        let days = of_kind.copied().unwrap_or(self.default_days);
        let hours = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24);
        Span::new()
            .try_hours(hours)
            .and_then(|kept| closed_at.checked_add(kept))
            .unwrap_or(Timestamp::MAX)
    }

    /// Refuses a time within which no record may go, or that never ends.
    ///
    /// # Errors
    /// The first knob that is out of its range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let by_kind = self.days.iter();
        let mut knobs = by_kind
            .map(|(kind, days)| (format!("days.{kind}"), *days))
            .chain([("default_days".to_owned(), self.default_days)]);
        match knobs.find(|(_, days)| !DAYS.contains(days)) {
            None => Ok(()),
            Some((knob, value)) => Err(ConfigError::OutOfRange {
                knob: format!("retention.{knob}"),
                value,
                least: *DAYS.start(),
                most: *DAYS.end(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_case_is_kept_for_its_own_time() {
        let config = RetentionConfig {
            default_days: 10,
            days: BTreeMap::from([("criminal".to_owned(), 20)]),
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
