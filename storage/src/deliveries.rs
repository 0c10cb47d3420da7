//! The delivery of each closed hearing to the case registry, kept until it is acknowledged.

use crate::{
    database::{Database, micros, parse_json, timestamp},
    error::StorageError,
    ids::HearingId,
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::Row;

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryState {
    /// To be sent.
    Pending,
    /// Sent; the registry has not answered.
    Sent,
    /// The registry has it, and this is its receipt.
    Acknowledged {
        /// As the registry gave it.
        receipt: Value,
    },
    /// The registry refused it.
    Rejected {
        /// In the registry's words.
        reason: String,
    },
}

/// A delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The same in every attempt, so that the registry takes it once.
    pub idempotency_key: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Since when.
    pub changed_at: Timestamp,
}

impl Database {
    /// Opens the delivery of a hearing. Opening it again with the same key changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if it was opened with another key, or the hearing is unknown.
    pub async fn open_delivery(
        &self,
        hearing: HearingId,
        idempotency_key: &str,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO deliveries (hearing, idempotency_key, state, changed_us) \
             VALUES ($1, $2, 'pending', $3) ON CONFLICT (hearing) DO NOTHING",
        )
        .bind(hearing.to_string())
        .bind(idempotency_key)
        .bind(micros(at))
        .execute(&mut *transaction)
        .await?;
        let key: String =
            sqlx::query_scalar("SELECT idempotency_key FROM deliveries WHERE hearing = $1")
                .bind(hearing.to_string())
                .fetch_one(&mut *transaction)
                .await?;
        if key != idempotency_key {
            return Err(StorageError::Conflict(format!(
                "hearing {hearing} is delivered under another key"
            )));
        }
        Ok(transaction.commit().await?)
    }

    /// Moves a delivery on: `Pending -> Sent -> Acknowledged | Rejected`; a rejected one may be
    /// made `Pending` again. A move to the state it is in changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] for any other move, [`StorageError::NotFound`] if there is no
    /// delivery.
    pub async fn move_delivery(
        &self,
        hearing: HearingId,
        to: &DeliveryState,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let (state, from, reason, receipt) = match to {
            DeliveryState::Pending => ("pending", "rejected", None, None),
            DeliveryState::Sent => ("sent", "pending", None, None),
            DeliveryState::Acknowledged { receipt } => {
                ("acknowledged", "sent", None, Some(receipt.to_string()))
            }
            DeliveryState::Rejected { reason } => ("rejected", "sent", Some(reason), None),
        };
        let changed = sqlx::query(
            "UPDATE deliveries SET state = $1, reason = $2, receipt = $3, changed_us = $4 \
             WHERE hearing = $5 AND state = $6",
        )
        .bind(state)
        .bind(reason)
        .bind(receipt)
        .bind(micros(at))
        .bind(hearing.to_string())
        .bind(from)
        .execute(&self.writer)
        .await?;
        if changed.rows_affected() == 1 {
            return Ok(());
        }
        match self.delivery(hearing).await? {
            Some(delivery) if delivery.state == *to => Ok(()),
            Some(_) => Err(StorageError::Conflict(format!(
                "the delivery of hearing {hearing} cannot become {state} now"
            ))),
            None => Err(StorageError::NotFound(format!(
                "the delivery of hearing {hearing}"
            ))),
        }
    }

    /// The delivery of a hearing, if one was opened.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delivery(&self, hearing: HearingId) -> Result<Option<Delivery>, StorageError> {
        let row = sqlx::query("SELECT * FROM deliveries WHERE hearing = $1")
            .bind(hearing.to_string())
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let receipt: Option<String> = row.try_get("receipt")?;
        let reason: Option<String> = row.try_get("reason")?;
        Ok(Some(Delivery {
            idempotency_key: row.try_get("idempotency_key")?,
            state: match row.try_get("state")? {
                "pending" => DeliveryState::Pending,
                "sent" => DeliveryState::Sent,
                "acknowledged" => DeliveryState::Acknowledged {
                    receipt: parse_json(receipt.as_deref().unwrap_or("null"))?,
                },
                "rejected" => DeliveryState::Rejected {
                    reason: reason.unwrap_or_default(),
                },
                other => {
                    return Err(StorageError::corrupt(
                        "a delivery",
                        format!("state {other:?}"),
                    ));
                }
            },
            changed_at: timestamp(row.try_get("changed_us")?)?,
        }))
    }
}
