//! The registry API.

use super::{
    Problem, RegistryError, RegistryState,
    access::{Deliverer, Reader, no_cookie},
    contract::{Acknowledgement, CaseFile, CaseRow, Manifest, ManifestFile, PackageView, SignIn},
    playback,
};
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, State, rejection},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{any, get},
};
use axum_extra::extract::CookieJar;
use jiff::Timestamp;
use otyrys_storage::{ArchivePath, StorageError, registry::PackageManifest};
use std::{io, time::Duration};
use tokio_stream::StreamExt as _;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// A manifest of the most files that a package may have (10,000) is about 2 MB; facts come on top.
const MANIFEST_BYTES: usize = 8 << 20;
/// A sender that is silent for so long in the middle of a file is gone.
const UPLOAD_SILENCE: Duration = Duration::from_secs(60);
/// Header of a commit: the package's key again (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Otyrys case registry",
        description = "Cases with their parties and schedule, and the packages of closed hearings \
            attached to them. A sender PUTs every file of a package, then POSTs its manifest; \
            each step may be repeated. See docs/REGISTRY.md.",
        version = "1"
    ),
    modifiers(&Security)
)]
struct Api;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme(
            "delivery_token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("otyrys_registry"))),
        );
    }
}

/// The registry API with its description, which it also serves at `openapi.json`.
pub fn router(state: RegistryState) -> (Router, utoipa::openapi::OpenApi) {
    let (router, mut openapi) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(sign_in, sign_out))
        .routes(routes!(cases))
        .routes(routes!(case))
        .routes(routes!(package, commit))
        .routes(routes!(put_file, file))
        .routes(routes!(room))
        .split_for_parts();
    // OpenAPI has no wildcard: there the rest of the path is a parameter like any other.
    openapi.paths.paths = std::mem::take(&mut openapi.paths.paths)
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    let description = openapi.clone();
    let router = router
        .route(
            "/registry/api/v1/openapi.json",
            get(async move || Json(description)),
        )
        .route(
            "/registry/api/{*rest}",
            any(async || RegistryError::NotFound),
        )
        .layer(DefaultBodyLimit::max(MANIFEST_BYTES))
        .with_state(state);
    (router, openapi)
}

/// A JSON body; what cannot be read becomes a [`RegistryError`].
#[derive(FromRequest)]
#[from_request(via(Json), rejection(RegistryError))]
struct JsonBody<T>(T);

/// Parts of the path; what cannot be read becomes a [`RegistryError`].
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(RegistryError))]
struct Segments<T>(T);

impl From<rejection::JsonRejection> for RegistryError {
    fn from(rejection: rejection::JsonRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Self::LimitReached("the manifest is too large")
        } else {
            Self::BadRequest("the body is not the JSON of the contract")
        }
    }
}

impl From<rejection::PathRejection> for RegistryError {
    fn from(_: rejection::PathRejection) -> Self {
        Self::BadRequest("the path is not UTF-8")
    }
}

/// Signs a reader in: exchanges the access key for a session cookie.
#[utoipa::path(
    post,
    path = "/registry/api/v1/session",
    request_body = SignIn,
    responses(
        (status = 204, description = "Signed in; the session is in the cookie"),
        (status = 401, description = "Not the key", body = Problem),
    )
)]
async fn sign_in(
    State(state): State<RegistryState>,
    jar: CookieJar,
    JsonBody(body): JsonBody<SignIn>,
) -> Result<(StatusCode, CookieJar), RegistryError> {
    let cookie = state.access().sign_in(&body.key)?;
    Ok((StatusCode::NO_CONTENT, jar.add(cookie)))
}

/// Ends the reader's session.
#[utoipa::path(
    delete,
    path = "/registry/api/v1/session",
    responses((status = 204, description = "There is no session any more"))
)]
async fn sign_out(State(state): State<RegistryState>, jar: CookieJar) -> (StatusCode, CookieJar) {
    state.access().sign_out(&jar);
    (StatusCode::NO_CONTENT, jar.add(no_cookie()))
}

/// All cases, by number.
#[utoipa::path(
    get,
    path = "/registry/api/v1/cases",
    responses(
        (status = 200, description = "The cases", body = Vec<CaseRow>),
        (status = 401, description = "Not signed in", body = Problem),
    ),
    security(("session" = []), ("delivery_token" = []))
)]
async fn cases(
    _: Reader,
    State(state): State<RegistryState>,
) -> Result<Json<Vec<CaseRow>>, RegistryError> {
    let mut rows = Vec::new();
    for case in state.store().cases().await? {
        let packages = state.store().packages_of(&case.number).await?.len();
        rows.push(CaseRow::of(case, packages));
    }
    Ok(Json(rows))
}

/// One case with its parties, schedule and packages.
#[utoipa::path(
    get,
    path = "/registry/api/v1/cases/{number}",
    params(("number" = String, Path, description = "Number of the case, percent-encoded")),
    responses(
        (status = 200, description = "The case", body = CaseFile),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 404, description = "No such case", body = Problem),
    ),
    security(("session" = []), ("delivery_token" = []))
)]
async fn case(
    _: Reader,
    State(state): State<RegistryState>,
    Segments(number): Segments<String>,
) -> Result<Json<CaseFile>, RegistryError> {
    let case = state.store().case(&number).await.map_err(found)?;
    let packages = state.store().packages_of(&number).await?;
    Ok(Json(CaseFile::of(case, packages)))
}

/// A received package: what it consists of, and its receipt.
#[utoipa::path(
    get,
    path = "/registry/api/v1/packages/{key}",
    params(("key" = String, Path, description = "The package's key")),
    responses(
        (status = 200, description = "The package", body = PackageView),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 404, description = "No package was committed under the key", body = Problem),
    ),
    security(("session" = []), ("delivery_token" = []))
)]
async fn package(
    _: Reader,
    State(state): State<RegistryState>,
    Segments(key): Segments<String>,
) -> Result<Json<PackageView>, RegistryError> {
    let package = state.store().package(&key).await.map_err(found)?;
    Ok(Json(package.into()))
}

/// Commits a package: the registry checks every file of the manifest and then has the package for
/// good. The same manifest again under the same key gets the same receipt.
#[utoipa::path(
    post,
    path = "/registry/api/v1/packages/{key}",
    params(
        ("key" = String, Path, description = "The package's key"),
        ("Idempotency-Key" = String, Header, description = "The package's key again"),
    ),
    request_body = Manifest,
    responses(
        (status = 200, description = "The registry has the package", body = Acknowledgement),
        (status = 400, description = "Not as the contract says", body = Problem),
        (status = 401, description = "Not the delivery token", body = Problem),
        (status = 409, description = "`conflict`: another manifest was committed under the key. \
            `incomplete`: a file is missing or not as the manifest says; send it again",
            body = Problem),
        (status = 413, description = "Too large or too many files", body = Problem),
        (status = 422, description = "The case is not in this registry", body = Problem),
        (status = 503, description = "Ask again later", body = Problem),
    ),
    security(("delivery_token" = []))
)]
async fn commit(
    _: Deliverer,
    State(state): State<RegistryState>,
    Segments(key): Segments<String>,
    headers: HeaderMap,
    JsonBody(manifest): JsonBody<Manifest>,
) -> Result<Json<Acknowledgement>, RegistryError> {
    if headers
        .get(IDEMPOTENCY_KEY)
        .is_none_or(|header| header != key.as_str())
    {
        return Err(RegistryError::BadRequest(
            "Idempotency-Key is not the package's key",
        ));
    }
    let manifest = PackageManifest::from(manifest);
    match state
        .store()
        .commit(&key, &manifest, Timestamp::now())
        .await
    {
        Ok(receipt) => {
            tracing::info!(package.key = %key, package.id = %receipt.package_id, "package received");
            Ok(Json(receipt.into()))
        }
        Err(error) => Err(commit_error(&state, &manifest, error).await),
    }
}

/// Takes one file of a package that is to be committed. The same file may be sent again.
#[utoipa::path(
    put,
    path = "/registry/api/v1/packages/{key}/files/{*path}",
    params(
        ("key" = String, Path, description = "The package's key"),
        ("path" = String, Path, description = "Path in the package; its slashes stay slashes"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The file is on the registry's disk", body = ManifestFile),
        (status = 400, description = "Not as the contract says", body = Problem),
        (status = 401, description = "Not the delivery token", body = Problem),
        (status = 409, description = "The package is committed without this file", body = Problem),
        (status = 503, description = "Ask again later", body = Problem),
    ),
    security(("delivery_token" = []))
)]
async fn put_file(
    _: Deliverer,
    State(state): State<RegistryState>,
    Segments((key, path)): Segments<(String, String)>,
    body: Body,
) -> Result<Json<ManifestFile>, RegistryError> {
    let path = archive_path(&path)?;
    let pieces = body
        .into_data_stream()
        .timeout(UPLOAD_SILENCE)
        .map(|piece| match piece {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(_)) => Err("the sender broke off"),
            Err(_) => Err("the sender fell silent"),
        });
    let file = state
        .store()
        .put_file(&key, &path, pieces)
        .await
        .map_err(refused)?;
    Ok(Json(file.into()))
}

/// One file of a received package. Ranges of bytes (RFC 9110, section 14) may be asked for.
#[utoipa::path(
    get,
    path = "/registry/api/v1/packages/{key}/files/{*path}",
    params(
        ("key" = String, Path, description = "The package's key"),
        ("path" = String, Path, description = "Path in the package; its slashes stay slashes"),
        ("Range" = Option<String>, Header, description = "A range of bytes"),
    ),
    responses(
        (status = 200, description = "The file; its ETag is its SHA-256"),
        (status = 206, description = "The range"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 404, description = "No such file in a committed package", body = Problem),
        (status = 416, description = "The range is outside the file"),
    ),
    security(("session" = []), ("delivery_token" = []))
)]
async fn file(
    _: Reader,
    State(state): State<RegistryState>,
    Segments((key, path)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, RegistryError> {
    let path = archive_path(&path)?;
    let found = state.store().file(&key, &path).await.map_err(found)?;
    let path = found.file.path.as_str();
    let name = path.rsplit('/').next().unwrap_or(path);
    playback::serve(name, found.bytes, Some(found.file.sha256), &headers)
        .map_err(|source| unreadable(path, source))
}

/// What this server made of a package's hearing after the seal: `room.mp4`, one film of the session,
/// its captions `room.vtt`, and `room.json`. Not part of the package, and no registry needs it.
/// Ranges as for a file.
#[utoipa::path(
    get,
    path = "/registry/api/v1/packages/{key}/room/{name}",
    params(
        ("key" = String, Path, description = "The package's key"),
        ("name" = String, Path, description = "`room.mp4`, `room.vtt` or `room.json`"),
        ("Range" = Option<String>, Header, description = "A range of bytes"),
    ),
    responses(
        (status = 200, description = "The file"),
        (status = 206, description = "The range"),
        (status = 401, description = "Not signed in", body = Problem),
        (status = 404, description = "None was made here, or not yet", body = Problem),
        (status = 416, description = "The range is outside the file"),
    ),
    security(("session" = []), ("delivery_token" = []))
)]
async fn room(
    _: Reader,
    State(state): State<RegistryState>,
    Segments((key, name)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, RegistryError> {
    let package = state.store().package(&key).await.map_err(found)?;
    let hearing = package.manifest.hearing.parse();
    let hearing = hearing.map_err(|_| RegistryError::NotFound)?;
    let (films, wanted) = (state.films().clone(), name.clone());
    let opened = tokio::task::spawn_blocking(move || films.open(hearing, &wanted));
    let opened = opened.await;
    let bytes = opened.map_err(|error| unreadable(&name, error.into()))?;
    let bytes = bytes.map_err(|error| match error {
        // Nobody can read it any more.
        StorageError::KeyDestroyed(_) => RegistryError::NotFound,
        other => found(other),
    })?;
    playback::serve(&name, bytes, None, &headers).map_err(|source| unreadable(&name, source))
}

fn unreadable(what: &str, source: io::Error) -> RegistryError {
    RegistryError::Storage(StorageError::NotWritable {
        what: what.to_owned(),
        source,
    })
}

fn archive_path(path: &str) -> Result<ArchivePath, RegistryError> {
    path.parse()
        .map_err(|_| RegistryError::BadRequest("the path is not allowed"))
}

/// An error of looking something up.
fn found(error: StorageError) -> RegistryError {
    match error {
        StorageError::NotFound(_) => RegistryError::NotFound,
        other => refused(other),
    }
}

/// An error of storing something.
fn refused(error: StorageError) -> RegistryError {
    match error {
        StorageError::Invalid(reason) => RegistryError::Invalid(reason),
        StorageError::Conflict(reason) => RegistryError::Conflict(reason),
        other => RegistryError::Storage(other),
    }
}

/// An error of a commit: the store says `NotFound` of the case and of a file alike.
async fn commit_error(
    state: &RegistryState,
    manifest: &PackageManifest,
    error: StorageError,
) -> RegistryError {
    match error {
        StorageError::NotFound(what) => match state.store().case(&manifest.case_number).await {
            Err(StorageError::NotFound(_)) => {
                RegistryError::Rejected("the case is not in this registry")
            }
            _ => RegistryError::Incomplete(format!("{what} is missing")),
        },
        StorageError::Corrupt { what, reason } => {
            RegistryError::Incomplete(format!("{what}: {reason}"))
        }
        other => refused(other),
    }
}
