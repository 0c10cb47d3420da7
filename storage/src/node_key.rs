//! The key with which this node seals records: Ed25519 (RFC 8032), made at the first start.

use crate::{digest::Digest, error::StorageError, files};
use ed25519_dalek::{
    Signature, Signer, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use std::{fmt, path::Path, str::FromStr};

/// The private key of this node. `Debug` does not show it.
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// Reads the key (PKCS#8 PEM, RFC 8410) or makes a new one with mode 0600.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if others may read the file (as ssh, we refuse such a key),
    /// [`StorageError::Corrupt`] if it holds no Ed25519 key, [`StorageError::NotWritable`].
    pub fn load_or_create(path: &Path) -> Result<Self, StorageError> {
        let Some(pem) = files::read_private(path)? else {
            return Self::create(path);
        };
        let key = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|error| StorageError::corrupt(path.display(), error))?;
        Ok(Self(key))
    }

    fn create(path: &Path) -> Result<Self, StorageError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| StorageError::NotWritable {
            what: "a new key".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let key = SigningKey::from_bytes(&secret);
        let pem = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| StorageError::corrupt("a new key", error))?;
        files::write_private(path, &pem)?;
        Ok(Self(key))
    }

    /// What others check our seals with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message` (pure Ed25519); 64 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.public().id())
    }
}

/// A node's public key. As text: its 32 bytes in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Its name: SHA-256 of its 32 bytes.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Its 32 bytes (RFC 8032).
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The key with these 32 bytes.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if there is none.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, StorageError> {
        VerifyingKey::from_bytes(bytes)
            .map(Self)
            .map_err(|_| not_a_key())
    }

    /// Whether `signature` is this key's over `message`; malleable signatures are refused.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| not_a_key())?;
        Self::from_bytes(&bytes)
    }
}

fn not_a_key() -> StorageError {
    StorageError::Invalid("this is not an Ed25519 public key".to_owned())
}
