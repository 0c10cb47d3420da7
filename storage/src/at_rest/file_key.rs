//! The key of one file, and the pieces that are encrypted under it.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA-256 (RFC 5869) derives from the key of
//! the hearing, with 16 random bytes at the beginning of the file as its salt. **A file has one
//! [`Sealer`] in its life, and that counts its pieces: no nonce comes twice under one key**, also
//! where a piece is written again after a full disk or a player's index.

use crate::error::StorageError;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, Salt},
};
use std::io;

/// Bytes that a piece has on disk beside its own: the nonce before it, the tag behind it.
pub(super) const OVERHEAD: usize = NONCE_LEN + 16;
/// Bytes before the first piece: what kind of file it is, and the salt.
pub(super) const HEADER_LEN: usize = KIND_LEN + SALT_LEN;

const KIND_LEN: usize = 16;
const SALT_LEN: usize = 16;

/// What a file begins with.
pub(super) type Kind = [u8; KIND_LEN];

/// The key that HKDF-SHA-256 derives from a secret.
pub(super) fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Result<LessSafeKey, Unspecified> {
    let secret = Salt::new(HKDF_SHA256, salt).extract(secret);
    let key: UnboundKey = secret.expand(&[info], &AES_256_GCM)?.into();
    Ok(LessSafeKey::new(key))
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StorageError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// The cryptography failed, for a reason that no input explains.
pub(super) fn failed(reason: impl Into<String>) -> StorageError {
    StorageError::NotWritable {
        what: "an encrypted file".to_owned(),
        source: io::Error::other(reason.into()),
    }
}

/// What writes the pieces of a new file.
#[derive(Debug)]
pub(super) struct Sealer {
    key: LessSafeKey,
    header: [u8; HEADER_LEN],
    /// Pieces so far: the nonce of the next one.
    pieces: u64,
}

impl Sealer {
    /// For a new file of this kind.
    pub(super) fn new(hearing_key: &[u8], kind: Kind) -> Result<Self, StorageError> {
        let salt: [u8; SALT_LEN] = random()?;
        let mut header = [0; HEADER_LEN];
        let (before, after) = header.split_at_mut(KIND_LEN);
        before.copy_from_slice(&kind);
        after.copy_from_slice(&salt);
        let key = derive(hearing_key, &salt, &kind).map_err(|_| failed("no key was derived"))?;
        Ok(Self {
            key,
            header,
            pieces: 0,
        })
    }

    /// What the file begins with.
    pub(super) fn header(&self) -> &[u8; HEADER_LEN] {
        &self.header
    }

    /// The next piece as it is stored. It can be read only with the same `about`.
    pub(super) fn seal(&mut self, about: &[u8], piece: &[u8]) -> Result<Vec<u8>, StorageError> {
        let mut nonce = [0; NONCE_LEN];
        let (_, number) = nonce.split_at_mut(NONCE_LEN - size_of::<u64>());
        number.copy_from_slice(&self.pieces.to_be_bytes());
        self.pieces += 1;
        let mut stored = Vec::with_capacity(piece.len() + OVERHEAD);
        stored.extend_from_slice(&nonce);
        stored.extend_from_slice(piece);
        let (_, text) = stored.split_at_mut(NONCE_LEN);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(about), text)
            .map_err(|_| failed("a piece was not encrypted"))?;
        stored.extend_from_slice(tag.as_ref());
        Ok(stored)
    }
}

/// What reads the pieces of a file.
#[derive(Debug)]
pub(super) struct Opener(LessSafeKey);

impl Opener {
    /// For the file that begins with `header`; nothing if it is of another kind.
    pub(super) fn new(hearing_key: &[u8], kind: Kind, header: &[u8]) -> Option<Self> {
        let salt = header.strip_prefix(&kind)?;
        derive(hearing_key, salt, &kind).ok().map(Self)
    }

    /// The piece that is stored so; nothing if it is not what was written, `about` included.
    pub(super) fn open(&self, about: &[u8], stored: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = stored.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self
            .0
            .open_in_place(nonce, Aad::from(about), &mut text)
            .ok()?
            .len();
        text.truncate(len);
        Some(text)
    }
}
