//! A file of a bundle as whoever may read it gets it: the plain bytes, with any range of them.

use crate::{
    archive_path::ArchivePath,
    at_rest::{BlockReader, HearingKeys},
    bundle::Bundle,
    error::StorageError,
    manifest::{ATTESTATION_NAMES, KEY_NAME, MANIFEST_NAME, SEAL_NAME},
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// Whether a file of a bundle is readable without the hearing's key. Manifest, key, seal and what
/// others say of it are: they prove what there was, also when it cannot be read any more, and nothing in them was spoken.
pub(crate) fn is_open(path: &str) -> bool {
    [MANIFEST_NAME, SEAL_NAME, KEY_NAME].contains(&path) || ATTESTATION_NAMES.contains(&path)
}

/// A file of a bundle, open for reading.
#[derive(Debug)]
pub enum BundleFile {
    /// One that was never encrypted.
    Open(File),
    /// One that is encrypted at rest.
    Sealed(BlockReader),
}

impl Bundle {
    /// Opens a file of the bundle. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::NotFound`], [`StorageError::Corrupt`], [`StorageError::KeyMissing`] and the
    /// like.
    pub fn open(&self, path: &ArchivePath, keys: &HearingKeys) -> Result<BundleFile, StorageError> {
        let place = path.under(&self.dir);
        if is_open(path.as_str()) {
            let file = File::open(&place).map_err(|error| StorageError::file(&place, error))?;
            return Ok(BundleFile::Open(file));
        }
        keys.open_file(self.manifest.hearing, &place)
            .map(BundleFile::Sealed)
    }

    /// All bytes of a file of the bundle, for those that are small. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn contents(
        &self,
        path: &ArchivePath,
        keys: &HearingKeys,
    ) -> Result<Vec<u8>, StorageError> {
        let mut bytes = Vec::new();
        self.open(path, keys)?
            .read_to_end(&mut bytes)
            .map_err(|error| StorageError::file(&path.under(&self.dir), error))?;
        Ok(bytes)
    }
}

impl BundleFile {
    /// Its plain bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::Open(file) => Ok(file.metadata()?.len()),
            Self::Sealed(file) => Ok(file.len()),
        }
    }
}

impl Read for BundleFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Open(file) => file.read(into),
            Self::Sealed(file) => file.read(into),
        }
    }
}

impl Seek for BundleFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Open(file) => file.seek(to),
            Self::Sealed(file) => file.seek(to),
        }
    }
}
