//! Handing a bundle over: the plain files, as a folder or a zip archive that `otyrys verify` and
//! other verifiers read.

use crate::{
    archive_path::ArchivePath,
    at_rest::HearingKeys,
    bundle::{Bundle, partial},
    derived::{self, DERIVED_NAME, Derived, DerivedContent},
    digest::{Digest, HashedReader},
    error::StorageError,
    files,
    manifest::{ATTESTATION_NAMES, FileEntry, MANIFEST_NAME, SEAL_NAME},
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

impl Bundle {
    /// Writes the plain bundle to `target`: a zip archive if its name ends in `.zip`, else a
    /// folder. Each file must be the one that was sealed. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if `target` exists, [`StorageError::Corrupt`] if a file is not
    /// the one that was sealed, [`StorageError::KeyMissing`] and the like, those of the disk.
    /// Nothing is left at `target` then.
    pub fn export(&self, keys: &HearingKeys, target: &Path) -> Result<(), StorageError> {
        self.export_to(keys, None, target)
    }

    /// As [`Bundle::export`], with files that were made from the bundle, and a list of them that is
    /// signed.
    ///
    /// # Errors
    /// As [`Bundle::export`].
    pub fn export_with(
        &self,
        keys: &HearingKeys,
        derived: &Derived<'_>,
        target: &Path,
    ) -> Result<(), StorageError> {
        self.export_to(keys, Some(derived), target)
    }

    fn export_to(
        &self,
        keys: &HearingKeys,
        derived: Option<&Derived<'_>>,
        target: &Path,
    ) -> Result<(), StorageError> {
        if target.exists() {
            return Err(StorageError::Conflict(format!(
                "{} exists already",
                target.display()
            )));
        }
        let partial = partial(target);
        let zipped = target.extension().is_some_and(|ending| ending == "zip");
        let written = match zipped {
            true => Zip::create(&partial).and_then(|mut zip| {
                self.put_all(keys, derived, &mut zip)?;
                zip.finish()
            }),
            false => self.put_all(keys, derived, &mut Folder(&partial)),
        };
        if let Err(error) = written {
            // What is left of it holds plain bytes of a court's record.
            let _gone = match zipped {
                true => fs::remove_file(&partial),
                false => fs::remove_dir_all(&partial),
            };
            return Err(error);
        }
        files::rename(&partial, target)
    }

    fn put_all(
        &self,
        keys: &HearingKeys,
        derived: Option<&Derived<'_>>,
        target: &mut dyn Target,
    ) -> Result<(), StorageError> {
        for path in self.paths()? {
            target.put(&path, &mut |to| self.copy(keys, &path, to))?;
        }
        let Some(Derived { files, key }) = derived else {
            return Ok(());
        };
        let hearing = self.manifest.hearing;
        let mut entries = Vec::new();
        for (path, content) in files {
            target.put(path, &mut |to| {
                let (size, sha256) = match content {
                    DerivedContent::Bytes(bytes) => copied(bytes.as_slice(), path, to)?,
                    DerivedContent::AtRest(place) => {
                        copied(keys.open_file(hearing, place)?, path, to)?
                    }
                };
                let path = path.clone();
                entries.push(FileEntry { path, size, sha256 });
                Ok(())
            })?;
        }
        let list = derived::list(hearing, self.manifest_sha256, &entries, key);
        let path = DERIVED_NAME.parse()?;
        target.put(&path, &mut |to| {
            copied(list.as_bytes(), &path, to).map(|_| ())
        })
    }

    /// All its files, the seal last.
    pub(crate) fn paths(&self) -> Result<Vec<ArchivePath>, StorageError> {
        let listed = self.manifest.files.iter().map(|file| file.path.clone());
        Ok(listed.chain(self.unlisted()?).collect())
    }

    /// The files that its manifest does not list: itself, what others say of the seal, and, last, the
    /// seal.
    ///
    /// # Errors
    /// None: all are names that may be paths.
    pub fn unlisted(&self) -> Result<Vec<ArchivePath>, StorageError> {
        let attested = ATTESTATION_NAMES.into_iter();
        let attested = attested.filter(|name| self.dir.join(name).exists());
        let names = [MANIFEST_NAME].into_iter().chain(attested);
        names.chain([SEAL_NAME]).map(str::parse).collect()
    }

    /// Writes the plain bytes of a file, which must be those that were sealed.
    pub(crate) fn copy(
        &self,
        keys: &HearingKeys,
        path: &ArchivePath,
        to: &mut dyn Write,
    ) -> Result<(), StorageError> {
        let found = copied(self.open(path, keys)?, path, to)?;
        let mut listed = self.manifest.files.iter();
        let sealed = listed.find(|file| file.path == *path);
        if sealed.is_some_and(|file| (file.size, file.sha256) != found) {
            return Err(StorageError::corrupt(
                path.under(&self.dir).display(),
                "it is not the file that was sealed",
            ));
        }
        Ok(())
    }
}

/// Size and digest of what was copied.
fn copied(
    from: impl Read,
    path: &ArchivePath,
    to: &mut dyn Write,
) -> Result<(u64, Digest), StorageError> {
    let mut hashed = HashedReader::new(from);
    let size = io::copy(&mut hashed, to)
        .map_err(|error| StorageError::file(Path::new(path.as_str()), error))?;
    Ok((size, hashed.digest()))
}

/// Writes a file's bytes.
type Content<'a> = dyn FnMut(&mut dyn Write) -> Result<(), StorageError> + 'a;

/// Where the files go.
trait Target {
    fn put(&mut self, path: &ArchivePath, content: &mut Content<'_>) -> Result<(), StorageError>;
}

struct Folder<'a>(&'a Path);

impl Target for Folder<'_> {
    fn put(&mut self, path: &ArchivePath, content: &mut Content<'_>) -> Result<(), StorageError> {
        let place = path.under(self.0);
        if let Some(dir) = place.parent() {
            files::create_dirs(dir)?;
        }
        let mut file = File::create(&place).map_err(|e| StorageError::file(&place, e))?;
        content(&mut file)?;
        file.sync_all().map_err(|e| StorageError::file(&place, e))
    }
}

struct Zip<'a> {
    place: &'a Path,
    zip: ZipWriter<File>,
}

impl<'a> Zip<'a> {
    fn create(place: &'a Path) -> Result<Self, StorageError> {
        let file = File::create(place).map_err(|error| StorageError::file(place, error))?;
        let zip = ZipWriter::new(file);
        Ok(Self { place, zip })
    }

    fn finish(self) -> Result<(), StorageError> {
        let file = self.zip.finish().map_err(|e| zip_failed(self.place, e))?;
        file.sync_all()
            .map_err(|error| StorageError::file(self.place, error))
    }
}

impl Target for Zip<'_> {
    fn put(&mut self, path: &ArchivePath, content: &mut Content<'_>) -> Result<(), StorageError> {
        // Sound and pictures are compressed already.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        let started = self.zip.start_file(path.as_str(), options);
        started.map_err(|error| zip_failed(self.place, error))?;
        content(&mut self.zip)
    }
}

fn zip_failed(place: &Path, error: ZipError) -> StorageError {
    StorageError::file(place, error.into())
}
