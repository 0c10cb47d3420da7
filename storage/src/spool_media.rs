//! The sound and the pictures in the spool, which go when they are safe elsewhere. What tells of
//! them stays: facts, chunk logs and the hearing's key.

use crate::{
    bundle::Bundle,
    damage::Damage,
    error::StorageError,
    files,
    ids::SegmentId,
    segment::SegmentFacts,
    spool::{RecordSpool, SegmentRecord},
};
use std::{fs, io};

impl RecordSpool {
    /// Whether the record file of a segment is still here.
    #[must_use]
    pub fn has_media(&self, facts: &SegmentFacts) -> bool {
        self.files(facts).media.exists()
    }

    /// Removes the record files of a hearing that are in its bundle, which the caller has
    /// [checked](Bundle::check); tells how many bytes that freed. A damaged one stays: others may be
    /// able to read what nobody could here. Interrupted, it leaves whole files
    /// and those of which the bundle has another copy; calling it again is safe.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if a segment is not in the bundle as it is here, before anything
    /// is removed; those of the disk.
    pub fn remove_media(&self, bundle: &Bundle) -> Result<u64, StorageError> {
        let records = self.segments(bundle.manifest.hearing)?;
        for record in &records {
            if !bundle.has(record) {
                return Err(StorageError::Conflict(format!(
                    "segment {} is not in the bundle as it is in the record",
                    record.facts.segment
                )));
            }
        }
        let mut freed = 0;
        let whole = |record: &&SegmentRecord| bundle.damage(record.facts.segment).is_empty();
        for record in records.iter().filter(whole) {
            let path = self.files(&record.facts).media;
            match fs::metadata(&path).and_then(|file| fs::remove_file(&path).map(|()| file.len())) {
                Ok(len) => freed += len,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::file(&path, error)),
            }
            files::sync_parent(&path)?;
        }
        Ok(freed)
    }
}

impl Bundle {
    /// Whether a segment is in the bundle to its last line.
    #[must_use]
    pub fn has(&self, record: &SegmentRecord) -> bool {
        let mut sealed = self.manifest.segments.iter();
        sealed.any(|head| (head.segment, head.head) == (record.facts.segment, record.head))
    }

    /// What of a segment was damaged when it was sealed.
    #[must_use]
    pub fn damage(&self, segment: SegmentId) -> &[Damage] {
        let mut sealed = self.manifest.segments.iter();
        let found = sealed.find(|head| head.segment == segment);
        found.map_or(&[], |head| &head.damage)
    }
}
