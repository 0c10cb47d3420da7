//! The draft protocol of a closed hearing, for the bench, and how far work on it is that takes long.

use super::{AppState, error::ApiError, invitations::seat_cookie};
use crate::{
    cli::explain,
    jobs::{FINAL_PASS, ROOM_FILE},
    secrets::hash_of,
    stores::Stores,
};
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

/// How far work on a closed hearing is.
#[derive(Debug, Serialize)]
pub(super) struct WorkProgress {
    state: WorkState,
    /// What is done of it, 0 to 100.
    percent: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum WorkState {
    /// It has not begun, or is not wanted.
    None,
    Making,
    Ready,
    /// Given up: somebody must look.
    Failed,
}

pub(super) async fn room_file(
    app: State<AppState>,
    hearing: Path<HearingId>,
    jar: CookieJar,
) -> Result<Json<WorkProgress>, ApiError> {
    progress_of(ROOM_FILE, app, hearing, jar).await
}

pub(super) async fn final_pass(
    app: State<AppState>,
    hearing: Path<HearingId>,
    jar: CookieJar,
) -> Result<Json<WorkProgress>, ApiError> {
    progress_of(FINAL_PASS, app, hearing, jar).await
}

async fn progress_of(
    kind: &str,
    State(app): State<AppState>,
    Path(hearing): Path<HearingId>,
    jar: CookieJar,
) -> Result<Json<WorkProgress>, ApiError> {
    if !reads_draft(&app, hearing, &jar).await? {
        return Err(ApiError(ErrorCode::NotSeated));
    }
    let jobs = app.stores.database.jobs(hearing).await?;
    let job = jobs.into_iter().find(|job| job.kind == kind);
    Ok(Json(progress(job.as_ref())))
}

fn progress(job: Option<&Job>) -> WorkProgress {
    let noted = job.and_then(|job| job.payload.get("percent")?.as_u64());
    let (state, percent) = match job.map(|job| job.state) {
        None => (WorkState::None, 0),
        Some(JobState::Waiting | JobState::Leased) => (WorkState::Making, noted.unwrap_or(0)),
        Some(JobState::Done) => (WorkState::Ready, 100),
        Some(JobState::Failed) => (WorkState::Failed, noted.unwrap_or(0)),
    };
    WorkProgress { state, percent }
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
