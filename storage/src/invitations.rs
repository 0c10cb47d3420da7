//! Invitation links and the seats that they give. Secrets come here as SHA-256 digests only.

use crate::{
    database::{Database, micros, parse},
    digest::Digest,
    error::StorageError,
    ids::{HearingId, ParticipantId},
};
use jiff::Timestamp;
use sqlx::Row;

/// What an invitation's token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// Who is invited.
    pub participant: ParticipantId,
    /// To which hearing.
    pub hearing: HearingId,
    /// A newer invitation was made for this person; this one opens nothing.
    pub replaced: bool,
}

/// What kind of client holds a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeatClient {
    /// A person's browser.
    Browser,
    /// A rehearsal participant of our own, which gives way to a person.
    Rehearsal,
}

impl SeatClient {
    fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Rehearsal => "rehearsal",
        }
    }
}

/// A taken seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// SHA-256 of the secret that its holder shows.
    pub secret_hash: Digest,
    /// Who holds it.
    pub client: SeatClient,
}

impl Database {
    /// Makes an invitation for a participant. An earlier one is marked as replaced, and the seat
    /// that it gave is released, in the same transaction.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the participant is unknown or the token was used before.
    pub async fn create_invitation(
        &self,
        participant: ParticipantId,
        token_hash: Digest,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE invitations SET replaced_us = $1 WHERE participant = $2 AND replaced_us IS NULL",
        )
        .bind(micros(at))
        .bind(participant.to_string())
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM seats WHERE participant = $1")
            .bind(participant.to_string())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO invitations (token_hash, participant, created_us) VALUES ($1, $2, $3)",
        )
        .bind(token_hash.to_string())
        .bind(participant.to_string())
        .bind(micros(at))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// What a token stands for; `None` if it was never given out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn invitation(&self, token_hash: Digest) -> Result<Option<Invitation>, StorageError> {
        let row = sqlx::query(
            "SELECT i.participant, p.hearing, i.replaced_us IS NOT NULL AS replaced \
             FROM invitations i JOIN participants p ON p.id = i.participant \
             WHERE i.token_hash = $1",
        )
        .bind(token_hash.to_string())
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| {
            Ok(Invitation {
                participant: parse(row.try_get("participant")?)?,
                hearing: parse(row.try_get("hearing")?)?,
                replaced: row.try_get("replaced")?,
            })
        })
        .transpose()
    }

    /// Gives a participant's seat to the holder of a secret. Free seats and seats held by a
    /// rehearsal client are given to anyone; the holder of the secret keeps it.
    ///
    /// Returns whom it was taken from, if it was another holder.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if another browser holds the seat, or a rehearsal client asks
    /// for one that is taken, or the participant is unknown.
    pub async fn take_seat(
        &self,
        participant: ParticipantId,
        secret_hash: Digest,
        client: SeatClient,
        at: Timestamp,
    ) -> Result<Option<Seat>, StorageError> {
        let mut transaction = self.write().await?;
        let row = sqlx::query("SELECT secret_hash, client FROM seats WHERE participant = $1")
            .bind(participant.to_string())
            .fetch_optional(&mut *transaction)
            .await?;
        let holder = row.as_ref().map(seat_of).transpose()?;
        let from = match holder {
            Some(seat) if seat.secret_hash == secret_hash => return Ok(None),
            Some(seat) if (seat.client, client) != (SeatClient::Rehearsal, SeatClient::Browser) => {
                return Err(StorageError::Conflict("the seat is taken".to_owned()));
            }
            other => other,
        };
        sqlx::query(
            "INSERT INTO seats (participant, secret_hash, client, taken_us) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (participant) DO UPDATE SET \
             secret_hash = excluded.secret_hash, client = excluded.client, \
             taken_us = excluded.taken_us",
        )
        .bind(participant.to_string())
        .bind(secret_hash.to_string())
        .bind(client.as_str())
        .bind(micros(at))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(from)
    }

    /// Who holds a participant's seat; `None` if nobody does.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn seat(&self, participant: ParticipantId) -> Result<Option<Seat>, StorageError> {
        sqlx::query("SELECT secret_hash, client FROM seats WHERE participant = $1")
            .bind(participant.to_string())
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(seat_of)
            .transpose()
    }
}

fn seat_of(row: &sqlx::sqlite::SqliteRow) -> Result<Seat, StorageError> {
    let client: &str = row.try_get("client")?;
    Ok(Seat {
        secret_hash: parse(row.try_get("secret_hash")?)?,
        client: match client {
            "browser" => SeatClient::Browser,
            "rehearsal" => SeatClient::Rehearsal,
            other => return Err(StorageError::corrupt("a seat", format!("client {other:?}"))),
        },
    })
}
