//! Checking one file of a bundle, and finding where it was changed.

use super::{
    Violation,
    lines::{check_events, check_segment, seconds},
};
use crate::{
    digest::Hasher,
    error::StorageError,
    leaves::Leaves,
    manifest::{EVENTS_NAME, FileEntry, Manifest},
    segment::{LOG_ENDING, media_stem},
};
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

/// Checks size and digest of a file; if they fail, looks for the first byte that does.
pub(super) fn check(
    dir: &Path,
    entry: &FileEntry,
    manifest: &Manifest,
    leaves: Option<&Leaves>,
) -> Result<Option<Violation>, StorageError> {
    let path = entry.path.under(dir);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    if !is_file {
        return Ok(Some(Violation::whole(&entry.path, "it is missing")));
    }
    let mut file = File::open(&path).map_err(|error| StorageError::file(&path, error))?;
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| StorageError::file(&path, error))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hasher.update(bytes);
        size += read as u64;
    }
    if size == entry.size && hasher.finish() == entry.sha256 {
        return Ok(None);
    }
    let name = entry.path.as_str();
    if name == EVENTS_NAME {
        let found = check_events(dir, manifest, leaves)?;
        return Ok(found.or_else(|| Some(changed(entry, size))));
    }
    let stem = media_stem(name).or_else(|| name.strip_suffix(LOG_ENDING));
    let mut segments = manifest.segments.iter();
    let segment = segments.find(|head| stem.is_some() && media_stem(head.path.as_str()) == stem);
    let Some(segment) = segment else {
        return Ok(Some(changed(entry, size)));
    };
    let checked = check_segment(dir, segment, manifest.hearing, leaves)?;
    let found = checked
        .violations
        .into_iter()
        .find(|found| found.file == name);
    Ok(found.or_else(|| {
        // Its chunk log was changed as well, and vouches for what comes before the change alone.
        let offset = if entry.path == segment.path {
            checked.held_bytes
        } else {
            0
        };
        (offset > 0)
            .then(|| Violation {
                second: Some(seconds(checked.held_ms)),
                ..Violation::at(name, offset, "it is not what was recorded from here on")
            })
            .or_else(|| Some(changed(entry, size)))
    }))
}

/// A file in which no place can be named.
fn changed(entry: &FileEntry, size: u64) -> Violation {
    if size == entry.size {
        return Violation::whole(&entry.path, "its bytes are not those that were sealed");
    }
    let reason = format!("it has {size} bytes, {} were sealed", entry.size);
    // What was cut off or added begins at the smaller size; a change within, anywhere.
    Violation::at(&entry.path, size.min(entry.size), reason)
}
