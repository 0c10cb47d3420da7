//! The record as it is listened to: pieces of its sound, and how loud it is.
//!
//! Everything is read from acknowledged bytes of the spool, while a file grows and after. Where a
//! moment lies in a file is found once and kept, and so is how loud it is.

#[cfg(test)]
mod tests;

use otyrys_media::{Clusters, NotOurs};
use otyrys_signaling::wire::Loudness;
use otyrys_storage::{
    RecordSpool, SegmentFacts, SegmentReach, StorageError, Tail,
    ids::{HearingId, SegmentId},
};
use otyrys_transcribe::{
    decode::DecodeError,
    loudness::{LEVELS_PER_SECOND, loudness},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Semaphore, task::JoinError, time::Instant};

/// A piece of sound has at most so many clusters of a second. What was sent counts as listened to,
/// so that no more is sent ahead than a line needs.
const PIECE_CLUSTERS: usize = 10;
/// So much is decoded for one request for loudness, in clusters of a second; more is asked for again.
const METERED_CLUSTERS: usize = 600;
/// So many values of loudness are in one answer: ten minutes.
const LEVELS: usize = 6_000;
/// Files about which something is kept: three hours of one take 300 kB. The one that was asked about
/// longest ago goes first, and is read again when it is wanted.
const FILES: usize = 256;
/// Bytes that are read from the record at once.
const READ: usize = 1024 * 1024;
/// Milliseconds that one value of loudness stands for.
const LEVEL_MS: u64 = 1_000 / LEVELS_PER_SECOND;

/// Why something of the record cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaybackError {
    /// The spool.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file is not as the recorder writes it.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// Its first bytes are damaged, without which no player knows what the others are.
    #[error("the beginning of the file is damaged")]
    NoBeginning,
    /// The sound cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The work was interrupted.
    #[error("the work was interrupted: {0}")]
    Interrupted(#[from] JoinError),
}

/// A piece of a sound file that plays by itself: the file's header and whole clusters, with the
/// times of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    /// WebM.
    pub(crate) bytes: Vec<u8>,
    /// Where it begins, milliseconds on the record clock.
    pub(crate) from_ms: u64,
    /// Where the next piece begins.
    pub(crate) to_ms: u64,
}

/// The record of all hearings, to be played. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Playback {
    spool: RecordSpool,
    files: Arc<Mutex<KnownFiles>>,
    /// Decoding for waveforms never takes more than one core.
    decoding: Arc<Semaphore>,
}

/// What is kept about each file, and when it was asked about last.
type KnownFiles = HashMap<SegmentId, (Instant, Arc<SoundFile>)>;

impl Playback {
    pub(crate) fn new(spool: RecordSpool) -> Self {
        Self {
            spool,
            files: Arc::default(),
            decoding: Arc::new(Semaphore::new(1)),
        }
    }

    /// The files of a hearing and how far they are on disk.
    pub(crate) async fn reaches(
        &self,
        hearing: HearingId,
    ) -> Result<Vec<SegmentReach>, PlaybackError> {
        let spool = self.spool.clone();
        Ok(tokio::task::spawn_blocking(move || spool.reaches(hearing)).await??)
    }

    /// What a file is.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if the hearing has no such file.
    pub(crate) async fn facts(
        &self,
        hearing: HearingId,
        segment: SegmentId,
    ) -> Result<SegmentFacts, PlaybackError> {
        let known = self
            .lock()
            .get(&segment)
            .map(|(_, file)| file.facts.clone());
        let facts = match known {
            Some(facts) => Some(facts).filter(|facts| facts.hearing == hearing),
            None => {
                let mut all = self.reaches(hearing).await?.into_iter();
                all.find(|reach| reach.facts.segment == segment)
                    .map(|reach| reach.facts)
            }
        };
        let missing = || StorageError::NotFound(format!("segment {segment}"));
        Ok(facts.ok_or_else(missing)?)
    }

    /// The sound of a file from a moment of the record on, as far as one piece goes; nothing while
    /// no whole cluster of it is on disk.
    pub(crate) async fn sound(
        &self,
        facts: SegmentFacts,
        from_ms: u64,
    ) -> Result<Option<Sound>, PlaybackError> {
        let (file, spool) = (self.file(facts), self.spool.clone());
        tokio::task::spawn_blocking(move || file.sound(&spool, from_ms)).await?
    }

    /// How loud a file is, from a value on.
    pub(crate) async fn loudness(
        &self,
        facts: SegmentFacts,
        from: u32,
    ) -> Result<Loudness, PlaybackError> {
        let (file, spool) = (self.file(facts), self.spool.clone());
        // Never closed; and who waits here blocks no thread.
        let _turn = self.decoding.acquire().await;
        tokio::task::spawn_blocking(move || file.loudness(&spool, from)).await?
    }

    fn file(&self, facts: SegmentFacts) -> Arc<SoundFile> {
        let mut files = self.lock();
        let segment = facts.segment;
        let (asked, file) = files
            .entry(segment)
            .or_insert_with(|| (Instant::now(), Arc::new(SoundFile::new(facts))));
        *asked = Instant::now();
        let file = Arc::clone(file);
        if files.len() > FILES {
            let oldest = files.iter().min_by_key(|(_, (asked, _))| *asked);
            if let Some(oldest) = oldest.map(|(segment, _)| *segment) {
                files.remove(&oldest);
            }
        }
        file
    }

    fn lock(&self) -> MutexGuard<'_, KnownFiles> {
        // Each critical section leaves a whole map.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a sound file.
#[derive(Debug)]
struct SoundFile {
    facts: SegmentFacts,
    clusters: Mutex<Clusters>,
    metered: Mutex<Metered>,
}

#[derive(Debug, Default)]
struct Metered {
    levels: Vec<u8>,
    clusters: usize,
}

/// The whole clusters of a file at one moment.
struct WholeClusters {
    clusters: Clusters,
    count: usize,
    /// Where they end: in bytes, and on the record clock.
    ends: u64,
    ends_ms: u64,
    /// The file's zero on the record clock.
    starts_ms: u64,
}

impl SoundFile {
    fn new(facts: SegmentFacts) -> Self {
        Self {
            facts,
            clusters: Mutex::default(),
            metered: Mutex::default(),
        }
    }

    fn sound(&self, spool: &RecordSpool, from_ms: u64) -> Result<Option<Sound>, PlaybackError> {
        let whole = self.whole_clusters(spool)?;
        let first = whole
            .clusters
            .at(from_ms.saturating_sub(self.facts.starts_ms));
        let last = (first + PIECE_CLUSTERS).min(whole.count);
        if first >= last {
            return Ok(None);
        }
        Ok(Some(Sound {
            bytes: self.piece(spool, &whole, first, last)?,
            from_ms: whole.begins_ms(first),
            to_ms: whole.begins_ms(last),
        }))
    }

    fn loudness(&self, spool: &RecordSpool, from: u32) -> Result<Loudness, PlaybackError> {
        let whole = self.whole_clusters(spool)?;
        let mut metered = self.metered.lock().unwrap_or_else(PoisonError::into_inner);
        let first = metered.clusters;
        let last = (first + METERED_CLUSTERS).min(whole.count);
        if first < last {
            let piece = self.piece(spool, &whole, first, last)?;
            // Not tried again: what cannot be decoded once cannot be decoded the next time.
            metered.clusters = last;
            let levels = loudness(piece.into())?;
            if metered.levels.len() < levels.len() {
                metered.levels.resize(levels.len(), 0);
            }
            for (known, level) in metered.levels.iter_mut().zip(levels) {
                *known = level.max(*known);
            }
        }
        let until_ms = whole.begins_ms(last) - self.facts.starts_ms;
        let until = usize::try_from(until_ms / LEVEL_MS).unwrap_or(usize::MAX);
        // Silence at the end has no samples.
        if metered.levels.len() < until {
            metered.levels.resize(until, 0);
        }
        let begin = (from as usize).min(until);
        let end = (begin + LEVELS).min(until);
        Ok(Loudness {
            from: u32::try_from(begin).unwrap_or(from),
            levels: metered.levels[begin..end].to_vec(),
            more: end < until || last < whole.count,
        })
    }

    /// Reads on where it stopped before.
    fn whole_clusters(&self, spool: &RecordSpool) -> Result<WholeClusters, PlaybackError> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let before = clusters.position();
            let tail = spool.read_from(&self.facts, before, READ)?;
            clusters.read(&tail.bytes)?;
            if let Some(to) = tail.damaged_to.filter(|_| clusters.position() == before) {
                clusters.pass(to);
            }
            if clusters.position() == before || clusters.position() >= tail.acknowledged {
                return Ok(WholeClusters::of(&clusters, &tail, self.facts.starts_ms));
            }
        }
    }

    /// Header and clusters from `first` up to `last`, without what of them is damaged.
    fn piece(
        &self,
        spool: &RecordSpool,
        whole: &WholeClusters,
        first: usize,
        last: usize,
    ) -> Result<Vec<u8>, PlaybackError> {
        let header = whole.clusters.header_len().unwrap_or(0);
        let read = |offset: u64, to: u64| {
            let max = usize::try_from(to - offset).unwrap_or(usize::MAX);
            spool.read_from(&self.facts, offset, max)
        };
        let mut bytes = read(0, header)?.bytes;
        if bytes.len() as u64 != header {
            return Err(PlaybackError::NoBeginning);
        }
        let (mut at, to) = (whole.offset(first), whole.offset(last));
        while at < to {
            let tail = read(at, to)?;
            bytes.extend(tail.bytes);
            at = tail
                .damaged_to
                .map_or(to, |damaged_to| whole.cluster_from(damaged_to));
        }
        Ok(bytes)
    }
}

impl WholeClusters {
    /// A cluster is whole when another one follows it or nothing will.
    fn of(clusters: &Clusters, tail: &Tail, starts_ms: u64) -> Self {
        let found = clusters.found();
        let (count, ends, ends_ms) = match (found.last(), tail.ended) {
            (_, true) => (found.len(), tail.acknowledged, tail.ends_ms),
            (Some(last), false) => (found.len() - 1, last.offset, starts_ms + last.at_ms),
            (None, false) => (0, 0, starts_ms),
        };
        Self {
            clusters: clusters.clone(),
            count,
            ends,
            ends_ms,
            starts_ms,
        }
    }

    /// Where a cluster begins in the file, or the last whole one ends.
    fn offset(&self, index: usize) -> u64 {
        let found = self.clusters.found().get(index);
        found.map_or(self.ends, |cluster| cluster.offset)
    }

    /// Where the first cluster begins at or behind a place in the file, or the last whole one ends.
    fn cluster_from(&self, offset: u64) -> u64 {
        let found = self.clusters.found();
        self.offset(found.partition_point(|cluster| cluster.offset < offset))
    }

    /// Where a cluster begins on the record clock, or the last whole one ends.
    fn begins_ms(&self, index: usize) -> u64 {
        let found = self.clusters.found().get(index);
        found.map_or(self.ends_ms, |cluster| self.starts_ms + cluster.at_ms)
    }
}
