//! A registry behind the HTTP contract.

use super::{
    super::{
        Problem, ProblemCode,
        api::IDEMPOTENCY_KEY,
        contract::{Acknowledgement, ManifestFile},
    },
    CaseRegistry, DeliveryError, DeliveryPackage, Receipt,
};
use crate::{bounded_body::bounded_body, cli::explain};
use async_trait::async_trait;
use otyrys_storage::{ArchivePath, Digest, stream_of};
use reqwest::{Body, Certificate, Client, RequestBuilder, Response, StatusCode, header, redirect};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A registry that does not answer a connection for so long is down.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of the registry. A commit reads and hashes the whole package before it answers:
/// 100 GB at 200 MB/s take 500 s.
const SILENCE: Duration = Duration::from_secs(600);
/// Most of an error's body that is read.
const PROBLEM_BYTES: usize = 16 << 10;

/// A registry behind the HTTP contract (`docs/REGISTRY.md`).
pub struct HttpRegistry {
    client: Client,
    packages: String,
    token: String,
    /// What the registry has taken of packages under way, so that an attempt goes on where the
    /// last one ended. Lost with the process: then the files are sent once more.
    taken: Mutex<HashMap<String, HashSet<(ArchivePath, Digest)>>>,
}

/// The certificate to trust cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate to trust for the registry cannot be used: {0}")]
pub struct TrustError(#[from] reqwest::Error);

impl fmt::Debug for HttpRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRegistry")
            .field("packages", &self.packages)
            .finish_non_exhaustive()
    }
}

impl HttpRegistry {
    /// The registry whose API begins at `base_url` (`https://host/registry/api/v1`), with the
    /// delivery token. The certificates in `trust` (PEM) are trusted beside the system's.
    ///
    /// # Errors
    /// [`TrustError`] if `trust` is not PEM, or TLS cannot be set up.
    pub fn new(base_url: &str, token: String, trust: Option<&[u8]>) -> Result<Self, TrustError> {
        let certificates = trust
            .map(Certificate::from_pem_bundle)
            .transpose()?
            .unwrap_or_default();
        let client = Client::builder()
            .tls_certs_merge(certificates)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // The token goes to the address that the operator wrote and nowhere else: not where
            // an answer points, not through a proxy that the environment happens to name.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        let packages = format!("{}/packages", base_url.trim_end_matches('/'));
        Ok(Self {
            client,
            packages,
            token,
            taken: Mutex::default(),
        })
    }

    /// Whether the package was committed before, and only the answer did not arrive.
    async fn is_committed(&self, package: &DeliveryPackage) -> Result<bool, DeliveryError> {
        let url = format!("{}/{}", self.packages, package.key());
        let response = self.send(self.client.get(url), false).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(response, false).await),
        }
    }

    async fn upload(
        &self,
        package: &DeliveryPackage,
        file: &ManifestFile,
    ) -> Result<(), DeliveryError> {
        let source = package
            .open(file)
            .map_err(|error| DeliveryError::unsent(explain(&error)))?;
        let size = source
            .size()
            .map_err(|error| DeliveryError::unsent(format!("{}: {error}", file.path)))?;
        if size != file.size {
            return Err(DeliveryError::unsent(format!(
                "{} has changed its size",
                file.path
            )));
        }
        let url = format!("{}/{}/files/{}", self.packages, package.key(), file.path);
        let request = self
            .client
            .put(url)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, size)
            .body(Body::wrap_stream(stream_of(source)));
        let response = self.send(request, false).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response, false).await);
        }
        let arrived: ManifestFile = response
            .json()
            .await
            .map_err(|error| DeliveryError::unsent(words(&error)))?;
        if arrived != *file {
            return Err(DeliveryError::unsent(format!(
                "{} arrived with digest {}, not {}",
                file.path, arrived.sha256, file.sha256
            )));
        }
        Ok(())
    }

    async fn commit(&self, package: &DeliveryPackage) -> Result<Receipt, DeliveryError> {
        let url = format!("{}/{}", self.packages, package.key());
        let request = self
            .client
            .post(url)
            .header(IDEMPOTENCY_KEY, package.key())
            .json(package.manifest());
        let response = self.send(request, true).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(response, true).await);
        }
        let Acknowledgement {
            receipt,
            received_at,
        } = response
            .json()
            .await
            .map_err(|error| DeliveryError::Retry {
                sent: true,
                cause: words(&error),
            })?;
        Ok(Receipt {
            receipt,
            received_at,
        })
    }

    async fn send(&self, request: RequestBuilder, sent: bool) -> Result<Response, DeliveryError> {
        let request = request.bearer_auth(&self.token);
        request.send().await.map_err(|error| DeliveryError::Retry {
            sent: sent && !error.is_connect(),
            cause: words(&error),
        })
    }

    fn has_taken(&self, key: &str, file: &ManifestFile) -> bool {
        let taken = self.taken();
        taken
            .get(key)
            .is_some_and(|files| files.contains(&(file.path.clone(), file.sha256)))
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<String, HashSet<(ArchivePath, Digest)>>> {
        // Each entry stands for an answer that came; a thread that died changes none.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CaseRegistry for HttpRegistry {
    async fn deliver(&self, package: &DeliveryPackage) -> Result<Receipt, DeliveryError> {
        let key = package.key();
        if !self.is_committed(package).await? {
            for file in &package.manifest().files {
                if self.has_taken(key, file) {
                    continue;
                }
                self.upload(package, file).await?;
                let entry = (file.path.clone(), file.sha256);
                self.taken()
                    .entry(key.to_owned())
                    .or_default()
                    .insert(entry);
            }
        }
        let result = self.commit(package).await;
        // After a receipt or a refusal nothing is under way any more, and if the registry has lost
        // a file, all are sent again.
        if !matches!(result, Err(DeliveryError::Retry { sent: true, .. })) {
            self.taken().remove(key);
        }
        result
    }
}

/// What an answer that is not a success means for the delivery.
async fn refusal(response: Response, sent: bool) -> DeliveryError {
    let status = response.status();
    let body = bounded_body(response, PROBLEM_BYTES).await;
    let problem: Option<Problem> = body.and_then(|body| serde_json::from_slice(&body).ok());
    let reason = problem
        .as_ref()
        .and_then(|problem| problem.reason.as_deref());
    let words = match reason {
        Some(reason) => format!("{status}: {reason}"),
        None => status.to_string(),
    };
    if problem.is_some_and(|problem| problem.error == ProblemCode::Incomplete) {
        return DeliveryError::unsent(words);
    }
    // What does not follow the contract, collides or is unwelcome stays so however often it is
    // sent. Everything else (a wrong token or address too) an operator can mend meanwhile.
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => DeliveryError::Rejected(words),
        _ => DeliveryError::Retry { sent, cause: words },
    }
}

/// An error of the client with its causes, without the address: that is in the configuration.
fn words(error: &reqwest::Error) -> String {
    let mut words = "the registry cannot be reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}
