//! The draft protocol of a closed hearing, for the bench, and how far its room file is.

use super::{AppState, error::ApiError, invitations::seat_cookie};
use crate::{cli::explain, jobs::ROOM_FILE, secrets::hash_of, stores::Stores};
use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use otyrys_signaling::{Role, wire::ErrorCode};
use otyrys_storage::{Job, JobState, StorageError, ids::HearingId};
use serde::Serialize;

pub(super) async fn document(
    State(app): State<AppState>,
    Path((hearing, name)): Path<(HearingId, String)>,
    jar: CookieJar,
) -> Result<Response, ApiError> {
    let kind = match name.as_str() {
        "protocol.html" => "text/html; charset=utf-8",
        "protocol.json" => "application/json",
        "protocol.docx" => {
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        }
        _ => return Err(ApiError(ErrorCode::NotFound)),
    };
    if !reads_draft(&app, hearing, &jar).await? {
        return Err(ApiError(ErrorCode::NotSeated));
    }
    let stores = app.stores.clone();
    let read = tokio::task::spawn_blocking(move || document_of(&stores, hearing, &name));
    match read.await.map_err(|_| ApiError(ErrorCode::Internal))? {
        Ok(bytes) => Ok((
            [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "private, no-store"),
                // Whatever was said in the hearing, the document runs nothing and loads nothing.
                (
                    header::CONTENT_SECURITY_POLICY,
                    "default-src 'none'; style-src 'unsafe-inline'; sandbox",
                ),
            ],
            bytes,
        )
            .into_response()),
        // It is made after closing; until then trying again helps.
        Err(StorageError::NotFound(_)) => Err(ApiError(ErrorCode::Unavailable)),
        Err(StorageError::KeyDestroyed(_)) => Err(ApiError(ErrorCode::NotFound)),
        Err(error) => {
            tracing::error!(hearing.id = %hearing, error = explain(&error), "a document cannot be read");
            Err(ApiError(ErrorCode::Internal))
        }
    }
}

/// How far the room file of a hearing is.
#[derive(Debug, Serialize)]
pub(super) struct RoomFileProgress {
    state: RoomFileState,
    /// What is made of it, 0 to 100.
    percent: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum RoomFileState {
    /// The bundle is not sealed yet, or none is wanted.
    None,
    Making,
    Ready,
    /// Given up: somebody must look.
    Failed,
}

pub(super) async fn room_file(
    State(app): State<AppState>,
    Path(hearing): Path<HearingId>,
    jar: CookieJar,
) -> Result<Json<RoomFileProgress>, ApiError> {
    if !reads_draft(&app, hearing, &jar).await? {
        return Err(ApiError(ErrorCode::NotSeated));
    }
    let jobs = app.stores.database.jobs(hearing).await?;
    let job = jobs.into_iter().find(|job| job.kind == ROOM_FILE);
    Ok(Json(progress(job.as_ref())))
}

fn progress(job: Option<&Job>) -> RoomFileProgress {
    let noted = job.and_then(|job| job.payload.get("percent")?.as_u64());
    let (state, percent) = match job.map(|job| job.state) {
        None => (RoomFileState::None, 0),
        Some(JobState::Waiting | JobState::Leased) => (RoomFileState::Making, noted.unwrap_or(0)),
        Some(JobState::Done) => (RoomFileState::Ready, 100),
        Some(JobState::Failed) => (RoomFileState::Failed, noted.unwrap_or(0)),
    };
    RoomFileProgress { state, percent }
}

fn document_of(stores: &Stores, hearing: HearingId, name: &str) -> Result<Vec<u8>, StorageError> {
    let bundle = stores.bundle(hearing)?;
    let path = format!("documents/{name}").parse()?;
    bundle.contents(&path, stores.spool.keys())
}

/// Whether the browser holds a seat of the hearing whose role may read the draft.
async fn reads_draft(
    app: &AppState,
    hearing: HearingId,
    jar: &CookieJar,
) -> Result<bool, ApiError> {
    let database = &app.stores.database;
    for person in database.participants(hearing).await? {
        let Some(cookie) = jar.get(&seat_cookie(person.id)) else {
            continue;
        };
        let role: Option<Role> = serde_json::from_value(person.role.into()).ok();
        let presented = hash_of(cookie.value()).into();
        let holds = database
            .seat(person.id)
            .await?
            .is_some_and(|seat| seat.secret_hash == presented);
        if holds && role.is_some_and(Role::reads_draft) {
            return Ok(true);
        }
    }
    Ok(false)
}
