//! Mending the record after the process died: nothing acknowledged is lost, nothing torn is left.

use crate::{
    chunk_log::{ChunkLog, Ending},
    damage::Damage,
    error::StorageError,
    files::{self, PARTIAL_ENDING},
    ids::HearingId,
    segment::{FACTS_ENDING, LOG_ENDING, SegmentFacts, SegmentFiles, media_stem},
    segment_writer::remove_segment,
    spool::RecordSpool,
};
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::Path,
};

/// What was done to a segment that nobody had ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Which.
    pub facts: SegmentFacts,
    /// Bytes that it keeps; `0` when it had no acknowledged chunk and was removed.
    pub kept: u64,
    /// Bytes on disk of what had never been acknowledged and was cut off the record file.
    pub cut: u64,
    /// Where it ends now, milliseconds on the hearing's record clock.
    pub ends_ms: u64,
    /// What of its acknowledged bytes is not what was written.
    pub damage: Vec<Damage>,
}

/// What [`RecordSpool::recover`] found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Segments that were brought to an end.
    pub mended: Vec<Mended>,
    /// Segments of which a line is damaged in a way that no crash explains, or whose hearing's key is
    /// missing. They are left untouched, for a person to look at.
    pub damaged: Vec<StorageError>,
}

impl RecordSpool {
    /// Brings every segment that nobody ended to an end at its last acknowledged chunk. Call it
    /// at start, before the first [`RecordSpool::open_segment`]: a segment that is being written
    /// would be ended under its writer.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`] or [`StorageError::NotWritable`]; calling again is safe. One
    /// damaged segment is no error: see [`Recovery::damaged`].
    pub fn recover(&self) -> Result<Recovery, StorageError> {
        let mut recovery = Recovery::default();
        for hearing in self.hearings()? {
            let found = self.recover_hearing(hearing)?;
            recovery.mended.extend(found.mended);
            recovery.damaged.extend(found.damaged);
        }
        Ok(recovery)
    }

    /// [`RecordSpool::recover`] for one hearing, none of whose segments is being written.
    ///
    /// # Errors
    /// As [`RecordSpool::recover`].
    pub fn recover_hearing(&self, hearing: HearingId) -> Result<Recovery, StorageError> {
        let mut recovery = Recovery::default();
        self.sweep(hearing)?;
        for path in self.facts_files(hearing)? {
            match self.mend(&path) {
                Ok(mended) => recovery.mended.extend(mended),
                Err(error @ (StorageError::DiskFull(_) | StorageError::NotWritable { .. })) => {
                    return Err(error);
                }
                Err(error) => recovery.damaged.push(error),
            }
        }
        Ok(recovery)
    }

    /// Removes what is left of a segment that died before it began (its facts come last).
    fn sweep(&self, hearing: HearingId) -> Result<(), StorageError> {
        let hearing_dir = self.hearing_dir(hearing);
        for (participant, _) in files::list(&hearing_dir)?
            .iter()
            .filter(|(_, folder)| *folder)
        {
            let dir = hearing_dir.join(participant);
            for (name, _) in files::list(&dir)? {
                let stem = media_stem(&name).or_else(|| name.strip_suffix(LOG_ENDING));
                let orphan = match stem {
                    // Bytes without facts are evidence of something else than a crash; they stay.
                    Some(stem) => {
                        !dir.join(format!("{stem}{FACTS_ENDING}")).exists()
                            && fs::metadata(dir.join(&name)).is_ok_and(|file| file.len() == 0)
                    }
                    None => name.ends_with(PARTIAL_ENDING),
                };
                if orphan {
                    let path = dir.join(name);
                    fs::remove_file(&path).map_err(|error| StorageError::file(&path, error))?;
                }
            }
        }
        Ok(())
    }

    fn mend(&self, facts_path: &Path) -> Result<Option<Mended>, StorageError> {
        let (facts, digest) = SegmentFiles::read_facts(facts_path)?;
        let paths = self.files(&facts);
        if paths.facts != facts_path {
            return Err(StorageError::corrupt(
                facts_path.display(),
                "it lies in a wrong place",
            ));
        }
        let bytes = fs::read(&paths.log).map_err(|error| StorageError::file(&paths.log, error))?;
        let (log, fault) = ChunkLog::read(&bytes, digest, facts.starts_ms);
        if let Some(fault) = fault.filter(|fault| !fault.torn) {
            return Err(StorageError::corrupt(paths.log.display(), fault.reason));
        }
        if log.end.is_some() {
            return Ok(None);
        }
        let media_len = files::len(&paths.media)?;
        let mut mended = Mended {
            kept: log.media_len,
            cut: media_len.saturating_sub(log.stored_len()),
            ends_ms: log.ends_ms,
            damage: Vec::new(),
            facts,
        };
        if log.chunks.is_empty() {
            remove_segment(&paths)?;
            return Ok(Some(mended));
        }
        let record = self.segment(&mended.facts)?;
        (_, mended.damage) = self.reader(&record)?.examine()?;
        // One that is shorter than was acknowledged gets no bytes that nobody wrote.
        if mended.cut > 0 {
            cut(&paths.media, log.stored_len(), &[])?;
        }
        cut(
            &paths.log,
            log.log_len,
            log.end_line(Ending::Recovered).as_bytes(),
        )?;
        Ok(Some(mended))
    }
}

/// Cuts a file to `len`, appends `end`, and waits for the disk.
fn cut(path: &Path, len: u64, end: &[u8]) -> Result<(), StorageError> {
    let write = || {
        let mut file = File::options().write(true).open(path)?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        file.write_all(end)?;
        file.sync_all()
    };
    write().map_err(|error| StorageError::file(path, error))
}
