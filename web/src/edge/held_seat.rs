//! The seat that a request's cookie proves.

use super::{error::ApiError, invitations::seat_cookie};
use crate::secrets::hash_of;
use axum_extra::extract::CookieJar;
use otyrys_signaling::wire::ErrorCode;
use otyrys_storage::{
    Database, Digest, SeatClient,
    ids::{HearingId, ParticipantId},
};

/// A seat and what a client showed for it.
pub(super) struct HeldSeat {
    database: Database,
    participant: ParticipantId,
    secret_hash: Digest,
    client: SeatClient,
}

impl HeldSeat {
    /// The seat of a participant, if the client holds it.
    ///
    /// # Errors
    /// [`ErrorCode::NotSeated`] if it does not.
    pub(super) async fn of(
        database: &Database,
        participant: ParticipantId,
        jar: &CookieJar,
    ) -> Result<Self, ApiError> {
        let not_seated = ApiError(ErrorCode::NotSeated);
        let cookie = jar.get(&seat_cookie(participant)).ok_or(not_seated)?;
        let presented = hash_of(cookie.value()).into();
        let seat = database.seat(participant).await?;
        let seat = seat
            .filter(|seat| seat.secret_hash == presented)
            .ok_or(not_seated)?;
        Ok(Self {
            database: database.clone(),
            participant,
            secret_hash: presented,
            client: seat.client,
        })
    }

    /// Whose it is.
    pub(super) fn participant(&self) -> ParticipantId {
        self.participant
    }

    /// In which hearing.
    pub(super) async fn hearing(&self) -> Result<HearingId, ApiError> {
        let participant = self.database.participant(self.participant).await?;
        Ok(participant.hearing)
    }

    /// Whether a native participant of a rehearsal sits in it.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.client == SeatClient::Rehearsal
    }

    /// Whether the client holds it now.
    pub(super) async fn still_holds(&self) -> bool {
        let seat = self.database.seat(self.participant).await;
        seat.is_ok_and(|seat| seat.is_some_and(|seat| seat.secret_hash == self.secret_hash))
    }
}
