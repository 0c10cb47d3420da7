//! Times as a court writes them.

use super::ProtocolError;
use jiff::{
    Timestamp,
    fmt::temporal::Pieces,
    tz::{Offset, TimeZone},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A moment together with the offset of the court's clock, so that it prints as the people in the
/// courtroom saw it. Text form: RFC 3339 in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourtTime {
    at: Timestamp,
    offset: Offset,
}

impl CourtTime {
    /// The moment on a clock of this offset.
    #[must_use]
    pub fn new(at: Timestamp, offset: Offset) -> Self {
        Self { at, offset }
    }

    /// The moment.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.at
    }

    /// Another moment on the same clock.
    #[must_use]
    pub fn at_same_clock(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// How far the court's clock is from UTC.
    #[must_use]
    pub fn offset(self) -> Offset {
        self.offset
    }

    /// The date and time on the court's clock.
    #[must_use]
    pub fn local(self) -> jiff::civil::DateTime {
        self.offset.to_datetime(self.at)
    }
}

impl fmt::Display for CourtTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zoned = self.at.to_zoned(TimeZone::fixed(self.offset));
        write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

impl FromStr for CourtTime {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let at = text.parse().map_err(ProtocolError::Time)?;
        let offset = Pieces::parse(text)
            .map_err(ProtocolError::Time)?
            .to_numeric_offset()
            .unwrap_or(Offset::UTC);
        Ok(Self { at, offset })
    }
}

impl Serialize for CourtTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CourtTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// A time on the record's clock as `H:MM:SS`, as players show it.
pub(crate) fn record_clock(ms: u32) -> String {
    let seconds = ms / 1000;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_court_time_keeps_its_offset() {
        let time: CourtTime = "2026-11-21T10:05:09+05:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-21T10:05:09+05:00");
        assert_eq!(time.local().hour(), 10);
        assert_eq!(time.timestamp(), "2026-11-21T05:05:09Z".parse().unwrap());
        assert!("2026-11-21T10:05:09".parse::<CourtTime>().is_err());
        assert!("yesterday".parse::<CourtTime>().is_err());
    }

    #[test]
    fn the_record_clock_shows_hours_minutes_and_seconds() {
        assert_eq!(record_clock(0), "0:00:00");
        assert_eq!(record_clock(3_725_999), "1:02:05");
        assert_eq!(record_clock(u32::MAX), "1193:02:47");
    }
}
