//! A second copy of the sound, on another disk.
//!
//! Each recorded microphone is written twice, by a recorder of its own with its own threads and its
//! own muxing process: nothing that happens to the first disk, or to who writes to it, reaches this
//! one. What is not recorded does not come here either, since both are given the same packets. The
//! files are like those of the record; their folder has the keys of its hearings.

use super::{RecordedTrack, Route, SpoolSink, Tracks, lock};
use otyrys_media::{
    RecordedPacket, SessionId, Source, TrackKey,
    recorder::{FeedId, FeedInfo, RecorderEvent, RecorderHandle, SenderClock},
};
use otyrys_storage::{Damage, SegmentRecord};
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// After a failure the disk is left alone for so long.
const AGAIN: Duration = Duration::from_secs(5);

/// Sound at both ends of a file may come to disk in one copy and not in the other.
const EDGES_MS: u64 = 1_500;

/// The recorder of the second copy. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backup {
    recorder: RecorderHandle,
    tracks: Tracks,
    state: Arc<Mutex<State>>,
    failures: Counter,
}

#[derive(Default)]
struct State {
    feeds: HashMap<TrackKey, FeedId>,
    next_feed: u64,
    failed: Option<Instant>,
}

impl Backup {
    /// `failures` counts how often something could not be written.
    pub(crate) fn new(recorder: RecorderHandle, spool: SpoolSink, failures: Counter) -> Self {
        Self {
            recorder,
            tracks: spool.tracks,
            state: Arc::default(),
            failures,
        }
    }

    /// Takes a packet that is recorded. Never blocks.
    pub(super) fn packet(&self, route: &Route, packet: RecordedPacket) {
        if packet.track.source != Source::Microphone {
            return;
        }
        let mut state = lock(&self.state);
        let begun = state.feeds.get(&packet.track).copied();
        let Some(feed) = begun.or_else(|| self.begin(&mut state, route, &packet)) else {
            return;
        };
        drop(state);
        // A refused packet is counted by the recorder, which reports it as an event.
        let _behind = self.recorder.packet(feed, packet);
    }

    fn begin(&self, state: &mut State, route: &Route, packet: &RecordedPacket) -> Option<FeedId> {
        if state.failed.is_some_and(|at| at.elapsed() < AGAIN) {
            return None;
        }
        let feed = FeedId(state.next_feed);
        state.next_feed += 1;
        let track = RecordedTrack {
            hearing: route.hearing,
            track: route.track,
            codec: packet.codec,
        };
        lock(&self.tracks).insert(feed, track);
        let info = FeedInfo {
            codec: packet.codec,
            epoch: route.epoch,
            clock: SenderClock::default(),
        };
        if let Err(error) = self.recorder.start(feed, info) {
            tracing::warn!(hearing.id = %route.hearing, %error, "the backup takes no new track");
            self.failed(state, feed);
            return None;
        }
        state.feeds.insert(packet.track, feed);
        Some(feed)
    }

    /// A track is no longer recorded.
    pub(super) fn end(&self, key: TrackKey) {
        if let Some(feed) = lock(&self.state).feeds.remove(&key) {
            // A recorder that has stopped has ended its files.
            let _stopped = self.recorder.stop(feed);
        }
    }

    /// A session is over.
    pub(super) fn end_session(&self, session: SessionId) {
        let feeds = lock(&self.state).feeds.keys().copied().collect::<Vec<_>>();
        for key in feeds.into_iter().filter(|key| key.session == session) {
            self.end(key);
        }
    }

    /// Takes an event of the backup's recorder. The hearing goes on whatever it says.
    pub(crate) fn event(&self, event: RecorderEvent) {
        match event {
            RecorderEvent::Stopped { feed, .. } => {
                lock(&self.tracks).remove(&feed);
            }
            RecorderEvent::Failed { feed, error, .. } => {
                tracing::warn!(error, "the backup of the sound cannot be written");
                self.failed(&mut lock(&self.state), feed);
            }
            RecorderEvent::Behind { refused_packets } => {
                tracing::warn!(
                    packets.dropped = refused_packets,
                    "the backup does not keep up"
                );
                self.failures.inc();
            }
            RecorderEvent::Written { .. } => lock(&self.state).failed = None,
            RecorderEvent::Opened { .. }
            | RecorderEvent::Closed { .. }
            | RecorderEvent::KeyframeWanted { .. } => {}
        }
    }

    /// Whether the copy cannot be written, as far as is known: since it failed nothing was, or a write
    /// takes longer than `allowed`.
    pub(super) fn fails(&self, allowed: Duration) -> bool {
        lock(&self.state).failed.is_some() || self.recorder.stalled_for() > allowed
    }

    fn failed(&self, state: &mut State, feed: FeedId) {
        self.failures.inc();
        state.failed = Some(Instant::now());
        state.feeds.retain(|_, running| *running != feed);
        lock(&self.tracks).remove(&feed);
    }
}

/// The files of a backup that hold sound which the record has not: there is no file of it, or what
/// there is, is damaged.
pub(crate) fn not_in_record<'a>(
    backup: &'a [SegmentRecord],
    record: &'a [(&'a SegmentRecord, &'a [Damage])],
) -> impl Iterator<Item = &'a SegmentRecord> {
    backup.iter().filter(|copy| {
        let same_track = record.iter().filter(|(segment, _)| {
            segment.facts.participant == copy.facts.participant
                && segment.facts.source == copy.facts.source
        });
        let mut damage = same_track.clone().flat_map(|(_, damage)| damage.iter());
        let holds =
            |damage: &Damage| damage.from_ms < copy.ends_ms && copy.facts.starts_ms < damage.to_ms;
        if damage.any(holds) {
            return true;
        }
        let mut own: Vec<_> = same_track
            .map(|(segment, _)| (segment.facts.starts_ms, segment.ends_ms))
            .collect();
        own.sort_unstable();
        let mut reached = copy.facts.starts_ms;
        let mut missing = 0;
        for (starts, ends) in own.into_iter().chain([(copy.ends_ms, copy.ends_ms)]) {
            missing += starts.min(copy.ends_ms).saturating_sub(reached);
            reached = reached.max(ends);
        }
        missing > EDGES_MS
    })
}
