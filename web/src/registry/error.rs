//! The one place where the registry's faults become answers.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use otyrys_storage::StorageError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why the registry does not do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No session and no token, or the wrong one. Sign in and ask again.
    #[error("not signed in")]
    NotSignedIn,
    /// There is no such case, package or file.
    #[error("not found")]
    NotFound,
    /// The request does not follow the contract; asking again in the same way is of no use.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The store takes no such thing; asking again in the same way is of no use.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The body is larger than this registry takes.
    #[error("a limit was reached: {0}")]
    LimitReached(&'static str),
    /// The key is used for something else already.
    #[error("conflict: {0}")]
    Conflict(String),
    /// A file of the package is missing or not as its manifest says. Send it again, then commit.
    #[error("incomplete: {0}")]
    Incomplete(String),
    /// The registry does not want the package. A person must look.
    #[error("rejected: {0}")]
    Rejected(&'static str),
    /// The database or the disk failed. Asking again later helps.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What went wrong, as a stable code.
    pub error: ProblemCode,
    /// What exactly, for the log of whoever asked. English, without anything private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Stable codes of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// 401: sign in, or present the token.
    NotSignedIn,
    /// 404.
    NotFound,
    /// 400: the request does not follow the contract.
    BadRequest,
    /// 409: a file of the package is missing or not as the manifest says.
    Incomplete,
    /// 413: too large.
    LimitReached,
    /// 409: the key is used for something else already.
    Conflict,
    /// 422: the package is not acceptable as it is.
    Rejected,
    /// 503: ask again later.
    Unavailable,
}

impl IntoResponse for RegistryError {
    fn into_response(self) -> Response {
        use {ProblemCode as Code, StatusCode as Status};
        let (status, error, reason) = match self {
            Self::NotSignedIn => (Status::UNAUTHORIZED, Code::NotSignedIn, None),
            Self::NotFound => (Status::NOT_FOUND, Code::NotFound, None),
            Self::BadRequest(reason) => (
                Status::BAD_REQUEST,
                Code::BadRequest,
                Some(reason.to_owned()),
            ),
            Self::Invalid(reason) => (Status::BAD_REQUEST, Code::BadRequest, Some(reason)),
            Self::LimitReached(reason) => (
                Status::PAYLOAD_TOO_LARGE,
                Code::LimitReached,
                Some(reason.to_owned()),
            ),
            Self::Conflict(reason) => (Status::CONFLICT, Code::Conflict, Some(reason)),
            Self::Incomplete(reason) => (Status::CONFLICT, Code::Incomplete, Some(reason)),
            Self::Rejected(reason) => (
                Status::UNPROCESSABLE_ENTITY,
                Code::Rejected,
                Some(reason.to_owned()),
            ),
            Self::Storage(error) => {
                tracing::error!(%error, "the registry cannot use its database or its disk");
                (Status::SERVICE_UNAVAILABLE, Code::Unavailable, None)
            }
        };
        (status, Json(Problem { error, reason })).into_response()
    }
}
