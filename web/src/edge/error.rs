//! The one place where errors become answers: a stable code outside, the cause in the log.

use crate::{hub::HubError, playback::PlaybackError};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use otyrys_media::MediaError;
use otyrys_signaling::{Refusal, wire::ErrorCode};
use otyrys_storage::StorageError;
use serde::Serialize;

/// What a request is answered with when it cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiError(pub ErrorCode);

#[derive(Serialize)]
struct Body {
    error: ErrorCode,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self.0 {
            ErrorCode::LinkUnknown | ErrorCode::NotFound | ErrorCode::UnknownParticipant => {
                StatusCode::NOT_FOUND
            }
            ErrorCode::LinkInUse | ErrorCode::WrongState | ErrorCode::RecordFault => {
                StatusCode::CONFLICT
            }
            ErrorCode::LinkReplaced | ErrorCode::HearingClosed => StatusCode::GONE,
            ErrorCode::NotSeated => StatusCode::UNAUTHORIZED,
            ErrorCode::NotAllowed => StatusCode::FORBIDDEN,
            ErrorCode::BadMessage | ErrorCode::ProtocolVersion | ErrorCode::BadOffer => {
                StatusCode::BAD_REQUEST
            }
            ErrorCode::LimitReached | ErrorCode::AddressFull => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::Unavailable | ErrorCode::HearingFull | ErrorCode::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(Body { error: self.0 })).into_response()
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self(storage_code(&error))
    }
}

impl From<PlaybackError> for ApiError {
    fn from(error: PlaybackError) -> Self {
        if let PlaybackError::Storage(error) = error {
            return error.into();
        }
        tracing::error!(
            error = crate::cli::explain(&error),
            "a part of the record cannot be played"
        );
        Self(ErrorCode::Internal)
    }
}

impl From<HubError> for ApiError {
    fn from(error: HubError) -> Self {
        Self(hub_code(&error))
    }
}

/// The public code of a refusal.
#[must_use]
pub fn refusal_code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::NotAllowed => ErrorCode::NotAllowed,
        Refusal::WrongState => ErrorCode::WrongState,
        Refusal::UnknownParticipant => ErrorCode::UnknownParticipant,
        Refusal::RecordFault => ErrorCode::RecordFault,
    }
}

/// The public code of an offer that the media core did not take.
#[must_use]
pub(crate) fn offer_code(error: &MediaError) -> ErrorCode {
    match error {
        MediaError::Overloaded | MediaError::TooManySessions { .. } => ErrorCode::Overloaded,
        _ => ErrorCode::BadOffer,
    }
}

/// The public code of a fault of the hub; the cause is logged here, once.
#[must_use]
pub fn hub_code(error: &HubError) -> ErrorCode {
    match error {
        HubError::Refused(refusal) => refusal_code(*refusal),
        HubError::LineText => ErrorCode::BadMessage,
        HubError::UnknownHearing => ErrorCode::NotFound,
        HubError::Stopping => ErrorCode::Unavailable,
        HubError::Storage(error) => storage_code(error),
    }
}

/// The public code of a fault of storage; the cause is logged here, once.
fn storage_code(error: &StorageError) -> ErrorCode {
    match error {
        // The record of a hearing whose key was destroyed is no more.
        StorageError::NotFound(_) | StorageError::KeyDestroyed(_) => return ErrorCode::NotFound,
        StorageError::Busy => {
            tracing::warn!(%error, "a request met a busy database");
            return ErrorCode::Unavailable;
        }
        StorageError::DiskFull(_) | StorageError::NotWritable { .. } => {
            tracing::error!(%error, "a request met a disk that takes nothing");
            return ErrorCode::Unavailable;
        }
        _ => {}
    }
    tracing::error!(error = crate::cli::explain(error), "a request failed");
    ErrorCode::Internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_room_says_so_and_blames_no_offer() {
        let full = [
            MediaError::Overloaded,
            MediaError::TooManySessions { limit: 1 },
        ];
        assert!(
            full.iter()
                .all(|error| offer_code(error) == ErrorCode::Overloaded)
        );
        let rejected = MediaError::OfferRejected {
            reason: "not SDP".to_owned(),
        };
        assert_eq!(offer_code(&rejected), ErrorCode::BadOffer);
    }
}
