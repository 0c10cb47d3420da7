//! Handing a bundle over: the plain files, as a folder or a zip archive that `otyrys verify` and
//! other verifiers read.

use crate::{
    archive_path::ArchivePath,
    at_rest::HearingKeys,
    bundle::{Bundle, partial},
    digest::HashedReader,
    error::StorageError,
    files,
    manifest::{MANIFEST_NAME, SEAL_NAME},
};
use std::{
    fs::{self, File},
    io::{self, Write},
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
        if target.exists() {
            return Err(StorageError::Conflict(format!(
                "{} exists already",
                target.display()
            )));
        }
        let partial = partial(target);
        let zipped = target.extension().is_some_and(|ending| ending == "zip");
        let written = match zipped {
            true => self.export_zip(keys, &partial),
            false => self.export_folder(keys, &partial),
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

    fn export_folder(&self, keys: &HearingKeys, root: &Path) -> Result<(), StorageError> {
        for path in self.paths()? {
            let place = path.under(root);
            if let Some(dir) = place.parent() {
                files::create_dirs(dir)?;
            }
            let mut file = File::create(&place).map_err(|e| StorageError::file(&place, e))?;
            self.copy(keys, &path, &mut file)?;
            file.sync_all().map_err(|e| StorageError::file(&place, e))?;
        }
        Ok(())
    }

    fn export_zip(&self, keys: &HearingKeys, place: &Path) -> Result<(), StorageError> {
        let failed = |error: ZipError| StorageError::file(place, error.into());
        let file = File::create(place).map_err(|error| StorageError::file(place, error))?;
        let mut zip = ZipWriter::new(file);
        // Sound and pictures are compressed already.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true);
        for path in self.paths()? {
            zip.start_file(path.as_str(), options).map_err(failed)?;
            self.copy(keys, &path, &mut zip)?;
        }
        let file = zip.finish().map_err(failed)?;
        file.sync_all()
            .map_err(|error| StorageError::file(place, error))
    }

    /// All files, the seal last.
    fn paths(&self) -> Result<Vec<ArchivePath>, StorageError> {
        let listed = self.manifest.files.iter().map(|file| Ok(file.path.clone()));
        listed
            .chain([MANIFEST_NAME, SEAL_NAME].map(str::parse))
            .collect()
    }

    /// Writes the plain bytes of a file, which must be those that were sealed.
    pub(crate) fn copy(
        &self,
        keys: &HearingKeys,
        path: &ArchivePath,
        into: &mut impl Write,
    ) -> Result<(), StorageError> {
        let place = path.under(&self.dir);
        let mut hashed = HashedReader::new(self.open(path, keys)?);
        let size =
            io::copy(&mut hashed, into).map_err(|error| StorageError::file(&place, error))?;
        let sha256 = hashed.digest();
        let mut listed = self.manifest.files.iter();
        let sealed = listed.find(|file| file.path == *path);
        if sealed.is_some_and(|file| (file.size, file.sha256) != (size, sha256)) {
            return Err(StorageError::corrupt(
                place.display(),
                "it is not the file that was sealed",
            ));
        }
        Ok(())
    }
}
