//! Handing the package of a closed hearing to the case registry.
//!
//! A registry is a [`CaseRegistry`]; [`HttpRegistry`] speaks the contract of `docs/REGISTRY.md`.
//! [`deliver_once`] makes one attempt and keeps the state of the delivery in the database; the
//! caller repeats it after [`pause_before`] until the outcome is final. Every step may be repeated,
//! so a lost answer or a crash at any moment costs time and never a second package.

mod http;
mod package;

pub use http::{HttpRegistry, TrustError};
pub use package::DeliveryPackage;

use async_trait::async_trait;
use jiff::Timestamp;
use otyrys_storage::{Database, DeliveryState, StorageError, ids::HearingId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A case registry that takes packages.
#[async_trait]
pub trait CaseRegistry: Send + Sync {
    /// Delivers a package, exactly once in effect: delivering it again gives the same receipt.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] or [`DeliveryError::Rejected`].
    async fn deliver(&self, package: &DeliveryPackage) -> Result<Receipt, DeliveryError>;
}

/// The registry's word that it has a package for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The registry's own name for the package.
    pub receipt: String,
    /// When it was complete, by the registry's clock.
    pub received_at: Timestamp,
}

/// Why a package was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The registry cannot be reached, or cannot take the package now. Try again later.
    #[error("{cause}")]
    Retry {
        /// The whole package was sent, and only the answer is missing.
        sent: bool,
        /// In words, for the operator.
        cause: String,
    },
    /// The registry refuses the package. A person must look.
    #[error("the registry refuses the package: {0}")]
    Rejected(String),
}

impl DeliveryError {
    /// Nothing that counts was sent yet.
    pub(crate) fn unsent(cause: impl Into<String>) -> Self {
        Self::Retry {
            sent: false,
            cause: cause.into(),
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The registry has the package. Final.
    Acknowledged(Receipt),
    /// The registry refuses it, for this reason. Final until a person makes it pending again.
    Rejected(String),
    /// Not now, for this reason; try again after [`pause_before`] the next attempt.
    Later(String),
}

/// Makes one attempt to deliver the package of a hearing, and keeps its state:
/// `Pending -> Sent -> Acknowledged | Rejected`. Does nothing when the state is final.
///
/// # Errors
/// Those of the database, after which the attempt may be repeated like any other;
/// [`StorageError::Conflict`] if the hearing is delivered under another key.
pub async fn deliver_once(
    database: &Database,
    registry: &dyn CaseRegistry,
    hearing: HearingId,
    package: &DeliveryPackage,
) -> Result<Outcome, StorageError> {
    database
        .open_delivery(hearing, package.key(), Timestamp::now())
        .await?;
    if let Some(delivery) = database.delivery(hearing).await? {
        match delivery.state {
            DeliveryState::Acknowledged { receipt } => return acknowledged(receipt),
            DeliveryState::Rejected { reason } => return Ok(Outcome::Rejected(reason)),
            DeliveryState::Pending | DeliveryState::Sent => {}
        }
    }
    let (state, outcome) = match registry.deliver(package).await {
        Ok(receipt) => {
            let value = serde_json::to_value(&receipt).map_err(unreadable)?;
            (
                DeliveryState::Acknowledged { receipt: value },
                Outcome::Acknowledged(receipt),
            )
        }
        Err(DeliveryError::Rejected(reason)) => (
            DeliveryState::Rejected {
                reason: reason.clone(),
            },
            Outcome::Rejected(reason),
        ),
        Err(DeliveryError::Retry { sent: true, cause }) => {
            (DeliveryState::Sent, Outcome::Later(cause))
        }
        Err(DeliveryError::Retry { sent: false, cause }) => return Ok(Outcome::Later(cause)),
    };
    let now = Timestamp::now();
    database
        .move_delivery(hearing, &DeliveryState::Sent, now)
        .await?;
    if state != DeliveryState::Sent {
        database.move_delivery(hearing, &state, now).await?;
    }
    Ok(outcome)
}

fn acknowledged(receipt: serde_json::Value) -> Result<Outcome, StorageError> {
    serde_json::from_value(receipt)
        .map(Outcome::Acknowledged)
        .map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> StorageError {
    StorageError::Corrupt {
        what: "a receipt".to_owned(),
        reason: error.to_string(),
    }
}

/// The pause before an attempt: `first` after the first failure, doubled after each further one,
/// never above `longest`. `failures` counts those so far; without any there is no pause.
#[must_use]
pub fn pause_before(failures: u32, first: Duration, longest: Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let factor = 2_u32.checked_pow(doublings);
    factor
        .and_then(|factor| first.checked_mul(factor))
        .unwrap_or(longest)
        .min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(600));
        let pauses = [0, 1, 2, 3, 9, 10, 31, 32, 33, u32::MAX]
            .map(|failures| pause_before(failures, first, longest).as_secs());
        assert_eq!(pauses, [0, 2, 4, 8, 512, 600, 600, 600, 600, 600]);
        assert_eq!(pause_before(1, longest, first), first);
        assert_eq!(pause_before(u32::MAX, Duration::ZERO, longest), longest);
    }
}
