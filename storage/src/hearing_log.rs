//! The Merkle log of a hearing while it grows: every line of the event log and of every chunk log
//! is a leaf.
//!
//! **The lines on disk are the only truth about the leaves.** The database keeps the order in which
//! they became leaves ([`LogRun`]) in the same transaction as the checkpoint over them. A crash
//! before it leaves lines that have no number yet, and the next checkpoint gives them one; after it
//! nothing is missing. There is no moment at which a leaf could be without its line: an event counts
//! when it is committed, and a line of a chunk log when another one follows it, since the recorder
//! writes on only after the disk has confirmed what came before.

use crate::{
    checkpoint::{Checkpoint, origin},
    database::Database,
    digest::Digest,
    error::StorageError,
    ids::{HearingId, SegmentId},
    log_runs::{LogRun, LogSource, StoredLog},
    merkle::{Tree, leaf_hash},
    node_key::NodeKey,
    note::VerifierKey,
    segment::{FACTS_ENDING, LOG_ENDING},
    spool::RecordSpool,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Digits of a segment's UUID at the end of its files' stems.
const UUID_LEN: usize = 36;

/// How much of the chunk logs becomes leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the disk has confirmed for certain, while segments are being written: all but the last
    /// line of each.
    Confirmed,
    /// Every line: all segments have ended.
    Whole,
}

/// A hearing's log, ready to grow. One at a time: of two for the same hearing that both grow, the
/// second fails with [`StorageError::Conflict`].
#[derive(Debug, Clone)]
pub struct HearingLog {
    hearing: HearingId,
    tree: Tree,
    cursors: BTreeMap<LogSource, Cursor>,
}

/// How far the lines of a source have become leaves.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    lines: u64,
    bytes: u64,
}

/// A line that is a leaf or becomes one.
#[derive(Debug, Clone, Copy)]
struct Line {
    leaf: Digest,
    /// Where the next one begins, in bytes.
    ends_at: u64,
}

impl HearingLog {
    /// Builds the log anew from the lines on disk in the order that the database has, and checks
    /// its last checkpoint.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if a line is missing, or if the lines are not those that were
    /// signed with this key.
    pub async fn load(
        database: &Database,
        spool: &RecordSpool,
        key: &NodeKey,
        hearing: HearingId,
    ) -> Result<Self, StorageError> {
        let damaged = |reason: &str| damaged(hearing, reason);
        let stored = database.hearing_log(hearing).await?;
        let mut log = Self::empty(hearing);
        let lines = log.new_lines(database, spool, Reach::Whole).await?;
        for run in &stored.runs {
            log.grow(run.source, logged(run, &lines, hearing)?);
        }
        if let Some(note) = stored.checkpoints.last() {
            let by = VerifierKey::new(origin(hearing), key.public());
            let (signed, _) = Checkpoint::open_cosigned(note, &by).map_err(damaged)?;
            if signed != Checkpoint::of(&log.tree) {
                return Err(damaged("its last checkpoint is not that of its lines"));
            }
        }
        Ok(log)
    }

    fn empty(hearing: HearingId) -> Self {
        Self {
            hearing,
            tree: Tree::default(),
            cursors: BTreeMap::new(),
        }
    }

    /// Makes leaves of the lines that are none yet, and signs and stores a checkpoint over the
    /// whole. Nothing new is no checkpoint.
    ///
    /// # Errors
    /// Those of the disk and the database. Nothing has changed then; calling again is safe.
    pub async fn checkpoint(
        &mut self,
        database: &Database,
        spool: &RecordSpool,
        key: &NodeKey,
        reach: Reach,
    ) -> Result<Option<Checkpoint>, StorageError> {
        let new = self.new_lines(database, spool, reach).await?;
        let mut grown = self.clone();
        let runs: Vec<LogRun> = new
            .iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(source, lines)| grown.grow(*source, lines))
            .collect();
        if runs.is_empty() {
            return Ok(None);
        }
        let checkpoint = Checkpoint::of(&grown.tree);
        let note = checkpoint.sign(self.hearing, key);
        database
            .append_to_log(self.hearing, self.tree.size(), &runs, &note)
            .await?;
        *self = grown;
        Ok(Some(checkpoint))
    }

    /// The lines of each source that are no leaves yet.
    async fn new_lines(
        &self,
        database: &Database,
        spool: &RecordSpool,
        reach: Reach,
    ) -> Result<BTreeMap<LogSource, Vec<Line>>, StorageError> {
        let known = self.cursor(LogSource::Events).lines;
        let events = database.event_lines(self.hearing, known).await?;
        let event = |line: String| Line {
            leaf: leaf_hash(line.as_bytes()),
            // Events are counted, not measured.
            ends_at: 0,
        };
        let (log, spool) = (self.clone(), spool.clone());
        let read = tokio::task::spawn_blocking(move || log.new_chunk_lines(&spool, reach));
        let mut lines = read.await.map_err(|error| StorageError::NotWritable {
            what: "the record".to_owned(),
            source: io::Error::other(error),
        })??;
        lines.insert(LogSource::Events, events.into_iter().map(event).collect());
        Ok(lines)
    }

    fn new_chunk_lines(
        &self,
        spool: &RecordSpool,
        reach: Reach,
    ) -> Result<BTreeMap<LogSource, Vec<Line>>, StorageError> {
        let mut found = BTreeMap::new();
        for facts in spool.facts_files(self.hearing)? {
            let Some((segment, path)) = chunk_log_beside(&facts) else {
                continue;
            };
            let source = LogSource::Segment(segment);
            let mut lines = match whole_lines(&path, self.cursor(source).bytes) {
                Ok(lines) => lines,
                // It was ended without a chunk, and its files are being removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StorageError::file(&path, error)),
            };
            if reach == Reach::Confirmed {
                lines.pop();
            }
            found.insert(source, lines);
        }
        Ok(found)
    }

    fn cursor(&self, source: LogSource) -> Cursor {
        self.cursors.get(&source).copied().unwrap_or_default()
    }

    /// Appends the next lines of a source.
    fn grow(&mut self, source: LogSource, lines: &[Line]) -> LogRun {
        let cursor = self.cursors.entry(source).or_default();
        let run = LogRun {
            source,
            first_line: cursor.lines + 1,
            lines: lines.len() as u64,
        };
        cursor.lines += run.lines;
        for line in lines {
            cursor.bytes = line.ends_at;
            self.tree.push(line.leaf);
        }
        run
    }
}

/// The leaves of a hearing's log in their order, and its last checkpoint, which is over all of them;
/// not checked.
pub(crate) async fn signed_leaves(
    database: &Database,
    spool: &RecordSpool,
    hearing: HearingId,
) -> Result<(Vec<Digest>, Option<String>), StorageError> {
    let StoredLog { runs, checkpoints } = database.hearing_log(hearing).await?;
    let log = HearingLog::empty(hearing);
    let lines = log.new_lines(database, spool, Reach::Whole).await?;
    let mut leaves = Vec::new();
    for run in &runs {
        let logged = logged(run, &lines, hearing)?;
        leaves.extend(logged.iter().map(|line| line.leaf));
    }
    Ok((leaves, checkpoints.into_iter().last()))
}

/// The lines of a run, among all lines on disk.
fn logged<'a>(
    run: &LogRun,
    lines: &'a BTreeMap<LogSource, Vec<Line>>,
    hearing: HearingId,
) -> Result<&'a [Line], StorageError> {
    let lines = lines.get(&run.source).and_then(|lines| run.of(lines));
    lines.ok_or_else(|| damaged(hearing, "lines that are leaves are missing"))
}

fn damaged(hearing: HearingId, reason: &str) -> StorageError {
    StorageError::corrupt(format!("the log of hearing {hearing}"), reason)
}

/// Which segment a facts file is of, and where its chunk log lies. By the names alone: a damaged
/// segment keeps no other one out of the log.
fn chunk_log_beside(facts: &Path) -> Option<(SegmentId, PathBuf)> {
    let stem = facts.to_str()?.strip_suffix(FACTS_ENDING)?;
    let segment = stem
        .get(stem.len().checked_sub(UUID_LEN)?..)?
        .parse()
        .ok()?;
    Some((segment, PathBuf::from(format!("{stem}{LOG_ENDING}"))))
}

/// The whole lines of a file from an offset on.
fn whole_lines(path: &Path, from: u64) -> io::Result<Vec<Line>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut ends_at = from;
    let whole = bytes.split_inclusive(|byte| *byte == b'\n');
    Ok(whole
        .filter_map(|line| {
            ends_at += line.len() as u64;
            let leaf = leaf_hash(line.strip_suffix(b"\n")?);
            Some(Line { leaf, ends_at })
        })
        .collect())
}
