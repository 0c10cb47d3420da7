//! Files of packages as a browser gets them: played, shown or saved, never run.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_range_header::parse_range_header;
use otyrys_storage::{BlockReader, Digest, stream_of};
use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::RangeInclusive,
};

/// What a browser may do with a file.
enum Use {
    /// Show or play it in the page.
    Show,
    /// Save it.
    Save,
}

/// The file of that name, or the range of it that the request asks for. `digest`: of its bytes, if
/// it is known.
pub(super) fn serve(
    name: &str,
    bytes: BlockReader,
    digest: Option<Digest>,
    request: &HeaderMap,
) -> io::Result<Response> {
    let (media_type, purpose) = kind(name);
    let mut response = range(bytes, request)?;
    let disposition = match purpose {
        Use::Show => format!("inline; filename=\"{name}\""),
        Use::Save => format!("attachment; filename=\"{name}\""),
    };
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
    if let Some(Ok(value)) = digest.map(|digest| HeaderValue::try_from(format!("\"{digest}\""))) {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}

/// The bytes that the request asks for: all, or one range. Several ranges, which no player asks for,
/// get all (RFC 9110, section 14.2).
fn range(mut bytes: BlockReader, request: &HeaderMap) -> io::Result<Response> {
    let size = bytes.len();
    let asked = request
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let asked = asked.map(|range| parse_range_header(range).and_then(|asked| asked.validate(size)));
    let (status, range) = match asked {
        Some(Err(_)) => {
            let whole = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response());
        }
        Some(Ok(ranges)) if ranges.len() == 1 => {
            (StatusCode::PARTIAL_CONTENT, ranges.into_iter().next())
        }
        _ => (StatusCode::OK, None),
    };
    let (begins, len) = match &range {
        Some(range) => (*range.start(), range.end() - range.start() + 1),
        None => (0, size),
    };
    bytes.seek(SeekFrom::Start(begins))?;
    let body = Body::from_stream(stream_of(bytes.take(len)));
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, len.into());
    if let Some(value) = range.and_then(|range| content_range(&range, size)) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

fn content_range(range: &RangeInclusive<u64>, size: u64) -> Option<HeaderValue> {
    let text = format!("bytes {}-{}/{size}", range.start(), range.end());
    HeaderValue::try_from(text).ok()
}

/// Media type of a file by its ending; what is not known is bytes to be saved.
fn kind(name: &str) -> (&'static str, Use) {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("webm") => ("video/webm", Use::Show),
        Some("mp4") => ("video/mp4", Use::Show),
        Some("mkv") => ("video/x-matroska", Use::Save),
        Some("html") => ("text/html; charset=utf-8", Use::Show),
        Some("json") => ("application/json", Use::Show),
        Some("vtt") => ("text/vtt; charset=utf-8", Use::Show),
        Some("txt") => ("text/plain; charset=utf-8", Use::Show),
        Some("pdf") => ("application/pdf", Use::Save),
        Some("docx") => (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Use::Save,
        ),
        _ => ("application/octet-stream", Use::Save),
    }
}
