//! Time stamps (RFC 3161): the word of an authority outside the court that a seal was there at a
//! time. Asking is for the crate above; here are the question, and what the answer is worth.

mod asn1;
mod token;

use crate::{digest::Digest, error::StorageError};
use asn1::{MessageImprint, SHA_256, TimeStampReq, TimeStampResp};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use der::{Decode, Encode, asn1::OctetString};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// Most bytes of an answer: a token with a chain of certificates has 3 to 8 kB.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The certificates that somebody trusts to vouch for time-stamping authorities.
#[derive(Debug, Clone)]
pub struct Authorities(Vec<CertificateDer<'static>>);

impl Authorities {
    /// Reads certificates (PEM, one or more).
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if there is none, or one that is not a certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, StorageError> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let invalid = |reason: String| {
            StorageError::Invalid(format!(
                "the certificates of time-stamping authorities: {reason}"
            ))
        };
        let certificates = certificates.map_err(|error| invalid(error.to_string()))?;
        if certificates.is_empty() {
            return Err(invalid("there is none in the file".to_owned()));
        }
        for certificate in &certificates {
            webpki::anchor_from_trusted_cert(certificate)
                .map_err(|error| invalid(error.to_string()))?;
        }
        Ok(Self(certificates))
    }
}

/// A time stamp that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamp {
    /// What it says: not later than then, by the authority's clock.
    pub at: Timestamp,
    /// Whose certificate signed it (RFC 4514).
    pub authority: String,
    /// That certificate leads to one that is trusted. If not, nobody vouches for the authority.
    pub trusted: bool,
}

/// Why an answer is no time stamp of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeStampFault {
    /// It is none of an authority, or one that breaks RFC 3161.
    #[error("{0}")]
    Wrong(&'static str),
    /// The authority did not stamp.
    #[error("the authority refused with status {status}: {words}")]
    Refused {
        /// `PKIStatus` of RFC 3161, section 2.4.2.
        status: u8,
        /// The authority's own.
        words: String,
    },
    /// The authority's certificate does not lead to one that is trusted, or was not valid then.
    #[error("the authority is not trusted: {0}")]
    NotTrusted(webpki::Error),
}

/// What an authority is asked for.
#[derive(Debug)]
pub struct TimeStampQuery {
    message: Digest,
    nonce: u64,
}

impl TimeStampQuery {
    /// Asks for a stamp on these bytes, of which the authority learns the SHA-256.
    ///
    /// # Errors
    /// [`StorageError::NotWritable`] if the system has no random numbers.
    pub fn of(bytes: &[u8]) -> Result<Self, StorageError> {
        let nonce = getrandom::u64().map_err(|error| StorageError::NotWritable {
            what: "a new nonce".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok(Self {
            message: Digest::of(bytes),
            nonce,
        })
    }

    /// The body of the request (`application/timestamp-query`).
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if it cannot be written.
    pub fn to_der(&self) -> Result<Vec<u8>, StorageError> {
        let request = imprint(&self.message).and_then(|message_imprint| {
            TimeStampReq {
                version: 1,
                message_imprint,
                nonce: self.nonce,
                cert_req: true,
            }
            .to_der()
        });
        request.map_err(|error| StorageError::Invalid(format!("a time-stamp query: {error}")))
    }

    /// Checks the body of the answer (`application/timestamp-reply`): that it answers this question, is
    /// signed, and by a certificate for time stamps alone that led to a trusted one then.
    ///
    /// # Errors
    /// [`TimeStampFault`].
    pub fn answered(
        &self,
        answer: &[u8],
        trusted: &Authorities,
    ) -> Result<TimeStamp, TimeStampFault> {
        let (stamp, nonce) = open(answer, &self.message, Some(trusted))?;
        let ours = self.nonce.to_der().ok();
        if nonce.is_none() || nonce != ours {
            return Err(TimeStampFault::Wrong("it answers another question"));
        }
        Ok(stamp)
    }
}

/// Checks an answer that was kept: that it is a stamp on these bytes, whole and signed, by a
/// certificate for nothing but time stamps. With `trusted`, that this certificate led to one of them
/// at the time of the stamp.
///
/// # Errors
/// [`TimeStampFault`].
pub(crate) fn check(
    answer: &[u8],
    bytes: &[u8],
    trusted: Option<&Authorities>,
) -> Result<TimeStamp, TimeStampFault> {
    open(answer, &Digest::of(bytes), trusted).map(|(stamp, _)| stamp)
}

/// The stamp, and its nonce in DER.
fn open(
    answer: &[u8],
    message: &Digest,
    trusted: Option<&Authorities>,
) -> Result<(TimeStamp, Option<Vec<u8>>), TimeStampFault> {
    let wrong = TimeStampFault::Wrong;
    let answer = TimeStampResp::from_der(answer)
        .map_err(|_| wrong("it is not the answer of a time-stamping authority"))?;
    // 0 is granted, 1 granted with modifications.
    if answer.status.status > 1 {
        let words = answer.status.words.unwrap_or_default().join(" ");
        return Err(TimeStampFault::Refused {
            status: answer.status.status,
            words: words.chars().filter(|sign| !sign.is_control()).collect(),
        });
    }
    let token = answer.token.ok_or(wrong("it has no token"))?;
    let signed = token::open(&token, trusted)?;
    let imprint = imprint(message).map_err(|_| wrong("it stamps nothing"))?;
    let stamped = &signed.info.message_imprint;
    // Parameters of the hash may be absent or NULL.
    if stamped.hash_algorithm.oid != imprint.hash_algorithm.oid
        || stamped.hashed_message != imprint.hashed_message
    {
        return Err(wrong("it stamps something else"));
    }
    let nonce = signed.info.nonce.and_then(|nonce| nonce.to_der().ok());
    Ok((signed.stamp, nonce))
}

fn imprint(message: &Digest) -> der::Result<MessageImprint> {
    Ok(MessageImprint {
        hash_algorithm: AlgorithmIdentifierOwned {
            oid: SHA_256,
            parameters: None,
        },
        hashed_message: OctetString::new(message.as_bytes().as_slice())?,
    })
}
