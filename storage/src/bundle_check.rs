//! Whether a bundle on this server's disk is still the one that was sealed.

use crate::{
    archive_path::ArchivePath,
    at_rest::HearingKeys,
    bundle::Bundle,
    error::StorageError,
    manifest::{KEY_NAME, MANIFEST_NAME, SEAL_NAME},
    seal::{self, SealFiles},
};
use std::{fs, io};

/// How closely a bundle is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// That each file is there with its size: of each the first bytes are read.
    Sizes,
    /// That each byte is the one that was sealed: everything is read.
    Bytes,
}

impl Bundle {
    /// Checks the seal over the manifest, and against it every file that it lists. Who sealed it,
    /// and that its lines are the leaves of its log, is for [`verify`](crate::verify::verify()) on
    /// what was exported. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] or [`StorageError::NotFound`] with the first file that does not
    /// hold, [`StorageError::KeyMissing`] and the like.
    pub fn check(&self, keys: &HearingKeys, depth: Depth) -> Result<(), StorageError> {
        let file = |name: &str| {
            let path = self.dir.join(name);
            fs::read(&path).map_err(|error| StorageError::file(&path, error))
        };
        let files = SealFiles {
            key: file(KEY_NAME)?,
            seal: file(SEAL_NAME)?,
            manifest: file(MANIFEST_NAME)?,
        };
        let sealed = seal::check(&files, None).map_err(|violation| {
            StorageError::corrupt(self.dir.join(violation.file).display(), violation.reason)
        })?;
        for entry in &sealed.0.files {
            match depth {
                Depth::Sizes => self.has_size(keys, &entry.path, entry.size)?,
                Depth::Bytes => self.copy(keys, &entry.path, &mut io::sink())?,
            }
        }
        Ok(())
    }

    fn has_size(
        &self,
        keys: &HearingKeys,
        path: &ArchivePath,
        sealed: u64,
    ) -> Result<(), StorageError> {
        let place = path.under(&self.dir);
        let found = self.open(path, keys)?.size();
        match found.map_err(|error| StorageError::file(&place, error))? {
            size if size == sealed => Ok(()),
            size => Err(StorageError::corrupt(
                place.display(),
                format!("it has {size} bytes, {sealed} were sealed"),
            )),
        }
    }
}
