//! The seal of a bundle: the last checkpoint of the hearing's log, whose last leaf is the manifest.

use crate::{
    checkpoint::{Checkpoint, origin},
    ids::HearingId,
    manifest::{BUNDLE_FORMAT, BUNDLE_FORMAT_2, KEY_NAME, MANIFEST_NAME, Manifest, SEAL_NAME},
    merkle::{Tree, leaf_hash, root_with_last},
    node_key::{NodeKey, PublicKey},
    note::VerifierKey,
    verify::Violation,
};

/// The texts that a seal is checked by, as they are in a bundle.
pub(crate) struct SealFiles {
    pub(crate) key: Vec<u8>,
    pub(crate) seal: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

/// Ends a log with a manifest, and signs it.
pub(crate) fn seal(hearing: HearingId, mut log: Tree, manifest: &[u8], key: &NodeKey) -> String {
    log.push(leaf_hash(manifest));
    Checkpoint::of(&log).sign(hearing, key)
}

/// Checks the key, the seal under it and the manifest under that, and reads the manifest. Of the
/// three, the first that does not hold is named.
pub(crate) fn check(
    files: &SealFiles,
    expected_key: Option<&PublicKey>,
) -> Result<(Manifest, VerifierKey), Violation> {
    let broken_key = |reason: &str| Violation::whole(KEY_NAME, reason);
    let broken_manifest = |reason: &str| Violation::whole(MANIFEST_NAME, reason);
    let by: VerifierKey = std::str::from_utf8(&files.key)
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .ok_or("it is not a line of text")
        .and_then(str::parse)
        .map_err(broken_key)?;
    if expected_key.is_some_and(|expected| expected != by.key()) {
        return Err(broken_key("it is another key than expected"));
    }
    let sealed = std::str::from_utf8(&files.seal)
        .map_err(|_| "it is not text")
        .and_then(|note| Checkpoint::open(note, &by))
        .map_err(|reason| Violation::whole(SEAL_NAME, reason))?;
    let manifest: Manifest = serde_json::from_slice(&files.manifest)
        .map_err(|_| broken_manifest("it is no manifest"))?;
    let log = &manifest.log;
    let root = root_with_last(log.leaves, leaf_hash(&files.manifest), &log.inclusion);
    if log.leaves.checked_add(1) != Some(sealed.size) || root != Some(sealed.root) {
        return Err(broken_manifest("it is not the manifest that was sealed"));
    }
    if ![BUNDLE_FORMAT, BUNDLE_FORMAT_2].contains(&manifest.format.as_str()) {
        return Err(broken_manifest("it is of another format"));
    }
    if origin(manifest.hearing) != by.name() {
        return Err(broken_manifest("it is of another hearing than the log"));
    }
    Ok((manifest, by))
}
