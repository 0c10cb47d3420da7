//! Files of packages as a browser gets them: played, shown or saved, never run.

use super::RegistryError;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use otyrys_storage::registry::FileInPackage;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

/// What a browser may do with a file.
enum Use {
    /// Show or play it in the page.
    Show,
    /// Save it.
    Save,
}

/// The file, or the range of it that the request asks for.
pub(super) async fn serve(
    found: &FileInPackage,
    request: Request,
) -> Result<Response, RegistryError> {
    let path = found.file.path.as_str();
    let name = path.rsplit('/').next().unwrap_or(path);
    let (media_type, purpose) = kind(name);
    let served = ServeFile::new(&found.place).oneshot(request).await;
    let mut response = match served {
        Ok(response) => response.map(Body::new).into_response(),
        Err(never) => match never {},
    };
    if response.status() == StatusCode::NOT_FOUND {
        // The database has it and the disk does not.
        tracing::error!(file = path, "a file of a received package is gone");
        return Err(RegistryError::NotFound);
    }
    let disposition = match purpose {
        Use::Show => format!("inline; filename=\"{name}\""),
        Use::Save => format!("attachment; filename=\"{name}\""),
    };
    let etag = format!("\"{}\"", found.file.sha256);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Whoever wrote the page in a package, it runs nothing and loads nothing.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    );
    // Court files do not stay on the disk of a reader's computer.
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    // Names and digests are ASCII without quotes: both conversions succeed.
    if let Ok(value) = HeaderValue::try_from(disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Ok(value) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}

/// Media type of a file by its ending; what is not known is bytes to be saved.
fn kind(name: &str) -> (&'static str, Use) {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("webm") => ("video/webm", Use::Show),
        Some("mp4") => ("video/mp4", Use::Show),
        Some("mkv") => ("video/x-matroska", Use::Save),
        Some("html") => ("text/html; charset=utf-8", Use::Show),
        Some("json") => ("application/json", Use::Show),
        Some("txt") => ("text/plain; charset=utf-8", Use::Show),
        Some("pdf") => ("application/pdf", Use::Save),
        Some("docx") => (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Use::Save,
        ),
        _ => ("application/octet-stream", Use::Save),
    }
}
