//! Asking others to vouch for a record: an authority that says when its seal was there, and
//! witnesses that see its log while it grows. None of them can hold a hearing, and a record only for
//! as long as the configuration has patience.

mod authority;
#[cfg(test)]
mod tests;
mod witnesses;

pub(crate) use witnesses::Witnesses;

use crate::{
    cli::{CommandError, explain},
    config::SealConfig,
    stores::Stores,
};
use authority::Authority;
use jiff::Timestamp;
use otyrys_storage::{Bundle, StorageError, manifest::TIME_STAMP_NAME};
use reqwest::{Certificate, Client, redirect};
use std::{sync::Arc, time::Duration};

/// Whoever does not answer a connection for so long is down.
const CONNECT: Duration = Duration::from_secs(5);
/// A whole question and its answer, of a few kB each. Meanwhile other records wait.
const ANSWER: Duration = Duration::from_secs(15);
/// The first pause before somebody who did not answer is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Who vouches for the records of this server.
pub(crate) struct Attestors {
    authority: Option<Authority>,
    pub(crate) witnesses: Arc<Witnesses>,
    patience: Duration,
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attestation {
    /// Everybody has answered, or nobody is to be asked.
    Whole,
    /// Somebody has not; in words. Ask again after the pause.
    Later { after: Duration, cause: String },
    /// Somebody has not, and the record does not wait any longer.
    Without { cause: String },
}

impl Attestors {
    /// # Errors
    /// An authority without certificates to check it by, and keys and certificates that are none.
    pub(crate) fn new(config: &SealConfig) -> Result<Self, CommandError> {
        Ok(Self {
            authority: Authority::new(&config.time_stamp)?,
            witnesses: Arc::new(Witnesses::new(&config.witness)?),
            patience: config.patience(),
        })
    }

    /// Asks those who have not yet vouched for the seal of a bundle, and puts their answers beside
    /// it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) async fn attest(
        &self,
        stores: &Stores,
        bundle: &Bundle,
        now: Timestamp,
    ) -> Result<Attestation, StorageError> {
        let mut missing = Vec::new();
        if let Some(authority) = &self.authority
            && bundle.attestation(TIME_STAMP_NAME)?.is_none()
        {
            match authority.stamp(&bundle.seal()?).await {
                Ok((answer, stamp)) => {
                    bundle.attest(TIME_STAMP_NAME, &answer)?;
                    tracing::info!(hearing.id = %bundle.manifest.hearing, stamp.at = %stamp.at, "a seal was stamped");
                }
                Err(cause) => missing.push(cause),
            }
        }
        missing.extend(self.witnesses.sign_seal(stores, bundle).await?);
        if missing.is_empty() {
            return Ok(Attestation::Whole);
        }
        let cause = missing.join("; ");
        let waited = now.duration_since(bundle.manifest.sealed_at);
        let waited = Duration::try_from(waited).unwrap_or_default();
        Ok(match waited < self.patience {
            true => Attestation::Later {
                // It doubles what has been waited.
                after: waited.clamp(FIRST_PAUSE, LONGEST_PAUSE),
                cause,
            },
            false => Attestation::Without { cause },
        })
    }
}

/// A client for somebody whose address the operator wrote: it goes nowhere else.
fn client(trust: Option<&[u8]>) -> Result<Client, CommandError> {
    let certificates = trust.map(Certificate::from_pem_bundle).transpose()?;
    Ok(Client::builder()
        .tls_certs_merge(certificates.unwrap_or_default())
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()?)
}

/// Why there was no answer, without the address: that is in the configuration.
fn words(error: reqwest::Error) -> String {
    explain(&error.without_url())
}
