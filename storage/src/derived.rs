//! What was made from a sealed bundle, and is handed out with it: films, captions, pages. It is no
//! part of the seal. A signed list says that this node made these files of that bundle.

use crate::{
    archive_path::ArchivePath,
    checkpoint::origin,
    digest::Digest,
    ids::HearingId,
    manifest::FileEntry,
    node_key::NodeKey,
    note::{self, VerifierKey},
};
use std::path::PathBuf;

/// Name of the list in what is handed out.
pub const DERIVED_NAME: &str = "derived/list.txt";
/// First line of the list. No checkpoint begins with it.
const FORMAT: &str = "otyrys-derived/1";

/// Files to be handed out with a bundle.
#[derive(Debug)]
pub struct Derived<'a> {
    /// Where each goes, and what it is.
    pub files: Vec<(ArchivePath, DerivedContent)>,
    /// Signs the list.
    pub key: &'a NodeKey,
}

/// A file that was made from a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DerivedContent {
    /// Made for this time.
    Bytes(Vec<u8>),
    /// Kept, encrypted with the hearing's key.
    AtRest(PathBuf),
}

/// The signed list of these files, which were made from the bundle with this manifest.
pub(crate) fn list(
    hearing: HearingId,
    manifest: Digest,
    files: &[FileEntry],
    key: &NodeKey,
) -> String {
    note::sign(&text(hearing, manifest, files), &origin(hearing), key)
}

fn text(hearing: HearingId, manifest: Digest, files: &[FileEntry]) -> String {
    let lines = files
        .iter()
        .map(|file| format!("{} {} {}\n", file.sha256, file.size, file.path));
    let lines: String = lines.collect();
    format!("{FORMAT}\n{hearing}\n{manifest}\n{lines}")
}

/// Reads a list that this key signed, of files made from the bundle with this manifest.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn open(
    list: &[u8],
    by: &VerifierKey,
    hearing: HearingId,
    manifest: Digest,
) -> Result<Vec<FileEntry>, &'static str> {
    let list = std::str::from_utf8(list).map_err(|_| "it is not text")?;
    let signed = note::open(list, by)?;
    let files = signed.lines().skip(3).map(|line| {
        let (sha256, rest) = line.split_once(' ')?;
        let (size, path) = rest.split_once(' ')?;
        Some(FileEntry {
            path: path.parse().ok()?,
            size: size.parse().ok()?,
            sha256: sha256.parse().ok()?,
        })
    });
    let files = files.collect::<Option<Vec<_>>>();
    let files = files.ok_or("it is not a list of files")?;
    match text(hearing, manifest, &files) == signed {
        true => Ok(files),
        false => Err("it is not the list of files made from this bundle"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_of_one_bundle_and_one_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = NodeKey::load_or_create(&dir.path().join("key.pem")).unwrap();
        let (hearing, manifest) = (HearingId::generate(), Digest::of(b"manifest"));
        let files = [FileEntry {
            path: "derived/room.mp4".parse().unwrap(),
            size: 4,
            sha256: Digest::of(b"film"),
        }];
        let list = list(hearing, manifest, &files, &key);
        let by = VerifierKey::new(origin(hearing), key.public());
        assert_eq!(
            open(list.as_bytes(), &by, hearing, manifest).unwrap(),
            files
        );
        let refused = |list: &str, manifest| open(list.as_bytes(), &by, hearing, manifest).is_err();
        assert!(refused(&list, Digest::of(b"another manifest")));
        assert!(refused(&list.replace(" 4 ", " 5 "), manifest));
        assert!(refused(&list.replace(FORMAT, &origin(hearing)), manifest));
        let checkpoint = crate::checkpoint::Checkpoint::open(&list, &by);
        assert!(checkpoint.is_err(), "a list passed for a checkpoint");
    }
}
