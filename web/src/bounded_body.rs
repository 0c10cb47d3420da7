//! Bodies of answers that others send.

use reqwest::Response;

/// The body of an answer; nothing if it is longer than `most` bytes or was cut off.
pub(crate) async fn bounded_body(mut response: Response, most: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > most {
            return None;
        }
    }
    Some(body)
}
