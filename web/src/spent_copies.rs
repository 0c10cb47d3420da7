//! The copies of a delivered record that are not needed any more, and their removal.
//!
//! Of a record that was delivered this machine has, beside the archive: the record files as they
//! were written, the bundle where it was made, and the second names of its playable files. They go
//! when the archive's copy was read to its last byte, and not before.

use crate::stores::Stores;
use otyrys_storage::{Bundle, Depth, StorageError, ids::HearingId};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Ending of a folder that is being removed.
const REMOVED_ENDING: &str = ".removed";

/// Removes the spent copies of a hearing whose delivery was acknowledged; tells how many bytes of
/// the record that freed. Where the archive is no folder of this machine nobody reads it again, and
/// all copies stay: nothing is told then. Interrupted, it leaves the archive's copy, whole, and what was not
/// removed; doing it again removes the rest.
///
/// # Errors
/// [`StorageError::Corrupt`] or [`StorageError::NotFound`] if the archive's copy does not hold,
/// [`StorageError::Conflict`] if the record has what the archive has not: nothing was removed then.
/// Else those of the disk.
pub(crate) async fn remove(
    stores: &Stores,
    hearing: HearingId,
) -> Result<Option<u64>, StorageError> {
    if !stores.archive.is_here() {
        return Ok(None);
    }
    let stores = stores.clone();
    let removed = tokio::task::spawn_blocking(move || remove_blocking(&stores, hearing));
    let freed = removed.await.map_err(|error| StorageError::NotWritable {
        what: format!("the record of hearing {hearing}"),
        source: io::Error::other(error),
    })?;
    freed.map(Some)
}

fn remove_blocking(stores: &Stores, hearing: HearingId) -> Result<u64, StorageError> {
    let archived = stores.archive.folder(hearing).ok_or_else(|| {
        StorageError::Conflict("the whole bundle is in no archive of this machine".to_owned())
    })?;
    let bundle = Bundle::read(&archived)?;
    bundle.check(stores.spool.keys(), Depth::Bytes)?;
    let freed = stores.spool.remove_media(&bundle)?;
    for folder in [stores.playback_dir(hearing), stores.bundle_dir(hearing)] {
        remove_folder(&folder)?;
    }
    Ok(freed)
}

/// Takes its name from a folder before anything in it goes: nobody finds half of it.
fn remove_folder(folder: &Path) -> Result<(), StorageError> {
    let mut name = folder.as_os_str().to_owned();
    name.push(REMOVED_ENDING);
    let removed = PathBuf::from(name);
    let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let failed = |source| StorageError::NotWritable {
        what: folder.display().to_string(),
        source,
    };
    // One that an interrupted removal left.
    match fs::remove_dir_all(&removed) {
        Err(error) if !is_gone(&error) => return Err(failed(error)),
        _ => {}
    }
    match fs::rename(folder, &removed).and_then(|()| fs::remove_dir_all(&removed)) {
        Err(error) if !is_gone(&error) => Err(failed(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_court::TestCourt;
    use object_store::memory::InMemory;
    use otyrys_storage::{Archive, RecordSpool};
    use std::sync::Arc;

    /// Whether the record can still be handed out, to the last byte.
    fn is_whole(stores: &Stores, hearing: HearingId) -> bool {
        let bundle = stores.bundle(hearing);
        bundle.is_ok_and(|bundle| bundle.check(stores.spool.keys(), Depth::Bytes).is_ok())
    }

    fn has_media(spool: &RecordSpool, hearing: HearingId) -> bool {
        let records = spool.segments(hearing).expect("segments");
        assert!(!records.is_empty(), "what tells of them stays");
        records.iter().any(|record| spool.has_media(&record.facts))
    }

    #[tokio::test]
    async fn the_last_copy_stays_whole_wherever_the_removal_is_interrupted() {
        let court = TestCourt::open().await;
        let stores = &court.stores;
        for interrupted_after in 0..=3 {
            let hearing = court.sealed_hearing().await;
            // What a removal does in its order, as far as it came.
            if interrupted_after > 0 {
                let record = stores.spool.segments(hearing).expect("segments").remove(0);
                fs::remove_file(stores.spool.media_path(&record.facts)).expect("removed");
            }
            let bundle = stores.bundle_dir(hearing);
            let renamed = bundle.with_extension("removed");
            if interrupted_after > 1 {
                fs::rename(&bundle, &renamed).expect("renamed");
            }
            if interrupted_after > 2 {
                fs::remove_file(renamed.join("seal.txt")).expect("removed");
            }
            assert!(is_whole(stores, hearing), "{interrupted_after}");

            remove(stores, hearing).await.expect("removed");
            assert!(is_whole(stores, hearing), "{interrupted_after}");
            assert!(!has_media(&stores.spool, hearing));
            assert!(!bundle.exists() && !renamed.exists());
            assert_eq!(
                remove(stores, hearing).await.expect("nothing to do"),
                Some(0)
            );
        }
    }

    #[tokio::test]
    async fn all_copies_stay_where_the_archive_is_on_no_disk_of_this_machine() {
        let court = TestCourt::open().await;
        let hearing = court.sealed_hearing().await;
        let mut stores = court.stores.clone();
        stores.archive = Archive::new(Arc::new(InMemory::new()));
        assert_eq!(remove(&stores, hearing).await.expect("done"), None);
        assert!(has_media(&stores.spool, hearing));
        assert!(is_whole(&stores, hearing));
    }

    #[tokio::test]
    async fn nothing_is_removed_while_the_archive_does_not_hold_all_of_it() {
        let court = TestCourt::open().await;
        let (stores, hearing) = (&court.stores, court.sealed_hearing().await);
        let archived = stores.archive.folder(hearing).expect("a folder");
        let events = archived.join("events.jsonl");
        let sealed = fs::read(&events).expect("a file");
        let mut flipped = sealed.clone();
        *flipped.last_mut().expect("a byte") ^= 1;
        fs::write(&events, flipped).expect("written");
        let refused = remove(stores, hearing).await;
        assert!(
            matches!(refused, Err(StorageError::Corrupt { .. })),
            "{refused:?}"
        );
        fs::write(&events, sealed).expect("written");

        // A file of the record that came after the seal.
        let more = court.recorded(hearing, 60_000);
        let refused = remove(stores, hearing).await;
        assert!(
            matches!(refused, Err(StorageError::Conflict(_))),
            "{refused:?}"
        );
        assert!(stores.spool.has_media(&more));
        assert!(stores.bundle_dir(hearing).exists());
        assert!(has_media(&stores.spool, hearing));
    }
}
