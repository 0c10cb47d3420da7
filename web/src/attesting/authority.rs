//! The time-stamping authority (RFC 3161), over HTTP (its section 3.4).

use super::{client, words};
use crate::{bounded_body::bounded_body, cli::CommandError, config::TimeStampConfig};
use otyrys_storage::{Authorities, TimeStamp, TimeStampQuery, time_stamp::MAX_ANSWER_BYTES};
use reqwest::{Client, StatusCode, header};
use std::fs;

/// An authority that can be asked.
pub(super) struct Authority {
    client: Client,
    url: String,
    trusted: Authorities,
}

impl Authority {
    /// The configured one, if there is to be one.
    pub(super) fn new(config: &TimeStampConfig) -> Result<Option<Self>, CommandError> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let file = config.authority_file.as_ref().ok_or(
            "seal.time_stamp.url is set and authority_file is not: a stamp is checked before it is \
             kept",
        )?;
        let pem = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Some(Self {
            client: client(None)?,
            url: config.url.clone(),
            trusted: Authorities::from_pem(&pem)?,
        }))
    }

    /// Asks for a stamp on these bytes: the whole answer, and what it says.
    ///
    /// # Errors
    /// In words, why there is none.
    pub(super) async fn stamp(&self, bytes: &[u8]) -> Result<(Vec<u8>, TimeStamp), String> {
        let failed = |cause: String| format!("the time-stamping authority: {cause}");
        let query = TimeStampQuery::of(bytes).map_err(|error| failed(error.to_string()))?;
        let body = query.to_der().map_err(|error| failed(error.to_string()))?;
        let request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/timestamp-query")
            .body(body);
        let response = request.send().await.map_err(|error| failed(words(error)))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(failed(status.to_string()));
        }
        let answer = bounded_body(response, MAX_ANSWER_BYTES).await;
        let answer = answer.ok_or_else(|| failed("its answer is too long or not whole".into()))?;
        let stamp = query.answered(&answer, &self.trusted);
        let stamp = stamp.map_err(|fault| failed(fault.to_string()))?;
        Ok((answer, stamp))
    }
}
