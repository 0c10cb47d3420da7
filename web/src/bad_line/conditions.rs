//! What a line does to datagrams.

use super::BadLineError;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One direction of a line. The default is a perfect one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Share of datagrams lost, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub loss: f64,
    /// Mean length of a burst of losses, in datagrams (Gilbert-Elliott): 1 is independent loss.
    #[arg(long, value_name = "DATAGRAMS", default_value_t = 1.0)]
    pub burst: f64,
    /// Delay of every datagram, one way, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub delay_ms: u32,
    /// Up to so much more delay, evenly spread; datagrams stay in order.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub jitter_ms: u32,
    /// Share of datagrams that come 20 ms later than their turn, behind others.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub reorder: f64,
    /// Share of datagrams that come twice.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub duplicate: f64,
    /// Bits a second that the line carries, IP headers counted in. Without it: unlimited.
    #[arg(long, value_name = "BITS")]
    pub rate_bps: Option<u64>,
    /// How long a datagram may wait for a line of limited rate; what would wait longer is lost.
    #[arg(long, value_name = "MS", default_value_t = 200)]
    pub queue_ms: u32,
    /// Nothing passes.
    #[arg(skip)]
    pub cut: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: 1.0,
            delay_ms: 0,
            jitter_ms: 0,
            reorder: 0.0,
            duplicate: 0.0,
            rate_bps: None,
            queue_ms: 200,
            cut: false,
        }
    }
}

impl Conditions {
    /// The conditions, if they can be.
    ///
    /// # Errors
    /// [`BadLineError::Conditions`] for shares outside 0 to 1, bursts shorter than a datagram,
    /// or a rate of nothing.
    pub fn checked(self) -> Result<Self, BadLineError> {
        let shares = [self.loss, self.reorder, self.duplicate];
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err(BadLineError::Conditions("a share is between 0 and 1"));
        }
        if !(self.burst >= 1.0 && self.burst.is_finite()) {
            return Err(BadLineError::Conditions("a burst has at least 1 datagram"));
        }
        if self.rate_bps == Some(0) {
            return Err(BadLineError::Conditions(
                "a rate is above 0; a line that carries nothing is cut",
            ));
        }
        Ok(self)
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.into())
    }

    pub(super) fn jitter(&self) -> Duration {
        Duration::from_millis(self.jitter_ms.into())
    }

    pub(super) fn queue(&self) -> Duration {
        Duration::from_millis(self.queue_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_perfect_and_what_cannot_be_is_refused() {
        let read = |text| serde_json::from_str::<Conditions>(text).unwrap();
        assert_eq!(read("{}"), Conditions::default());
        assert_eq!(read(r#"{"loss":0.05}"#).loss, 0.05);
        assert!(serde_json::from_str::<Conditions>(r#"{"lose":1}"#).is_err());
        for impossible in [
            r#"{"loss":1.1}"#,
            r#"{"reorder":-0.1}"#,
            r#"{"burst":0.5}"#,
            r#"{"rate_bps":0}"#,
        ] {
            assert!(read(impossible).checked().is_err(), "{impossible}");
        }
    }
}
