//! The seal over a manifest: made when a bundle is written, checked when one is verified.

use crate::{
    digest::Digest,
    error::StorageError,
    manifest::{BUNDLE_FORMAT, MANIFEST_NAME, Manifest, SEAL_FORMAT, SEAL_NAME, Seal},
    node_key::{NodeKey, PublicKey},
    verify::Violation,
};

/// Seals the bytes of a manifest.
pub(crate) fn seal(manifest: &[u8], key: &NodeKey) -> Seal {
    let public = key.public();
    Seal {
        format: SEAL_FORMAT.to_owned(),
        algorithm: "Ed25519".to_owned(),
        key_id: public.id(),
        public_key: public.to_string(),
        manifest_sha256: Digest::of(manifest),
        signature: hex::encode(key.sign(manifest)),
    }
}

/// Checks a seal and the manifest under it, and reads the manifest.
pub(crate) fn check(
    seal_bytes: &[u8],
    manifest_bytes: &[u8],
    expected_key: Option<&PublicKey>,
) -> Result<(Manifest, PublicKey, Digest), Violation> {
    let broken_seal = |reason: &str| Violation::whole(SEAL_NAME, reason);
    let broken_manifest = |reason: &str| Violation::whole(MANIFEST_NAME, reason);
    let seal: Seal =
        serde_json::from_slice(seal_bytes).map_err(|_| broken_seal("it is not a seal"))?;
    if seal.format != SEAL_FORMAT || seal.algorithm != "Ed25519" {
        return Err(broken_seal("it is of another format"));
    }
    let key: PublicKey = seal
        .public_key
        .parse()
        .map_err(|_| broken_seal("its public key is not a key"))?;
    if key.id() != seal.key_id {
        return Err(broken_seal(
            "its public key and key id do not belong together",
        ));
    }
    if expected_key.is_some_and(|expected| *expected != key) {
        return Err(broken_seal("it was sealed with another key than expected"));
    }
    let mut signature = [0; 64];
    hex::decode_to_slice(&seal.signature, &mut signature)
        .map_err(|_| broken_seal("its signature is not a signature"))?;
    let manifest_sha256 = Digest::of(manifest_bytes);
    if !key.signed(manifest_bytes, &signature) {
        return Err(if manifest_sha256 == seal.manifest_sha256 {
            broken_seal("its signature does not hold")
        } else {
            broken_manifest("it is not the manifest that was sealed")
        });
    }
    // Nothing signs the seal itself, so it is accepted in one spelling only.
    let one_spelling = seal.public_key == key.to_string()
        && seal.signature == hex::encode(signature)
        && to_json(&seal).ok().as_deref() == Some(seal_bytes);
    if seal.manifest_sha256 != manifest_sha256 || !one_spelling {
        return Err(broken_seal("it was changed"));
    }
    let manifest: Manifest =
        serde_json::from_slice(manifest_bytes).map_err(|_| broken_manifest("it is no manifest"))?;
    if manifest.format != BUNDLE_FORMAT {
        return Err(broken_manifest("it is of another format"));
    }
    Ok((manifest, key, manifest_sha256))
}

/// JSON for people to read, in one spelling: two spaces, members in the order of the type.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StorageError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| StorageError::Invalid(format!("this is not JSON: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}
