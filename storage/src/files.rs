//! Files that are whole or not there, and folders that remember them after a power cut.

use crate::error::StorageError;
use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::Zeroizing;

/// Ending of files in the making; whoever finds one may delete it.
pub(crate) const PARTIAL_ENDING: &str = ".partial";

/// Writes a new file so that it is on disk whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(PARTIAL_ENDING);
    let partial = Path::new(&partial);
    let written = File::create(partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| StorageError::file(path, error))?;
    rename(partial, path)
}

/// How long a file is; one that is not there has no bytes.
pub(crate) fn len(path: &Path) -> Result<u64, StorageError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StorageError::file(path, error)),
    }
}

/// A file's bytes; nothing if there is no such file.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file(path, error)),
    }
}

/// Reads a secret; nothing if there is no such file.
///
/// # Errors
/// [`StorageError::Invalid`] if others may read it: as ssh, we refuse such a key.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, StorageError> {
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Err(StorageError::Invalid(
            format!("{} may be read by others; chmod 600 it", path.display()),
        )),
        Ok(_) => fs::read_to_string(path)
            .map(|secret| Some(Zeroizing::new(secret)))
            .map_err(|error| StorageError::file(path, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::file(path, error)),
    }
}

/// Writes a new secret that nobody else may read, so that it is on disk whole or not at all.
pub(crate) fn write_private(path: &Path, secret: &str) -> Result<(), StorageError> {
    if let Some(dir) = path.parent() {
        create_dirs(dir)?;
    }
    // A half-written key of an interrupted first start was never used: it is made anew.
    let partial = path.with_extension("partial");
    let write = || {
        let mut file: File = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| StorageError::file(path, error))?;
    rename(&partial, path)
}

/// Gives a file or folder its name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StorageError> {
    fs::rename(from, to).map_err(|error| StorageError::file(to, error))?;
    sync_parent(to)
}

/// Makes the name of a file in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StorageError> {
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StorageError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| StorageError::file(dir, error))
}

/// Makes a folder and those above it, durably.
pub(crate) fn create_dirs(dir: &Path) -> Result<(), StorageError> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StorageError::file(dir, error))
        }
        _ => sync_parent(dir),
    }
}

/// The names in a folder, sorted, with whether each is a folder; none if there is no such folder.
pub(crate) fn list(dir: &Path) -> Result<Vec<(String, bool)>, StorageError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StorageError::file(dir, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| StorageError::file(dir, error))?;
        let kind = entry
            .file_type()
            .map_err(|error| StorageError::file(&entry.path(), error))?;
        names.push((
            entry.file_name().to_string_lossy().into_owned(),
            kind.is_dir(),
        ));
    }
    names.sort();
    Ok(names)
}

/// The paths of all files in a folder and below it, with `/` between names; none if there is no
/// such folder.
pub(crate) fn below(dir: &Path) -> Result<Vec<String>, StorageError> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for (name, is_folder) in list(&dir.join(&folder))? {
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if is_folder {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}
