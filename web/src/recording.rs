//! From the media core's recorder taps to files in the spool.
//!
//! The graph of a hearing says which tracks are recorded; a feed of the recorder is begun with a
//! track's first packet and ended when its edge to the recorder goes. Mostly a feed is one file.

mod backup;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use backup::{Backup, not_in_record};

use crate::{
    draft::{Draft, Speech},
    record_health::{Chunk, Sample, TrackHealth, Turn},
    stores::Stores,
};
use otyrys_media::{
    Codec, RecordedPacket, RoomId, SessionId, ShardHandle, TrackKey, TrackKind,
    recorder::{
        ChunkSink, ChunkWriter, Fault, FeedId, FeedInfo, RecorderEvent, RecorderHandle, SegmentKey,
        SenderClock,
    },
};
use otyrys_signaling::{RecordFault, TrackRef, TrackSource};
use otyrys_storage::{
    RecordSpool, SegmentFacts, SegmentWriter,
    ids::{HearingId, SegmentId},
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long a recorder that took no new track is left alone.
const BUSY: Duration = Duration::from_secs(1);

/// Where the recorded packets of a track go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// Into whose record.
    pub(crate) hearing: HearingId,
    /// As which track.
    pub(crate) track: TrackRef,
    /// Zero of the record's clock.
    pub(crate) epoch: Instant,
    /// What its speech is; absent when it is not to be recognised.
    pub(crate) recognise: Option<Speech>,
}

/// What happened to a record.
#[derive(Debug)]
pub(crate) enum RecordNotice {
    /// A file was begun.
    Opened {
        track: TrackRef,
        segment: SegmentId,
        starts_ms: u64,
    },
    /// A file is whole.
    Closed {
        track: TrackRef,
        segment: SegmentId,
        ends_ms: u64,
    },
    /// Nothing more is written for a track.
    Failed {
        track: TrackRef,
        segment: Option<SegmentId>,
        fault: RecordFault,
    },
    /// Packets were dropped before they were written.
    Behind,
}

/// The recorder as the hearings use it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recording {
    recorder: RecorderHandle,
    stores: Stores,
    draft: Draft,
    fault_after: Duration,
    /// The second copy of the sound, if there is one.
    backup: Option<Backup>,
    /// Written sound that is to be listened to.
    samples: mpsc::Sender<Sample>,
    state: Arc<Mutex<State>>,
    tracks: Tracks,
}

#[derive(Default)]
struct State {
    routes: HashMap<TrackKey, (RoomId, Route)>,
    by_track: HashMap<TrackKey, FeedId>,
    feeds: HashMap<FeedId, LiveFeed>,
    next_feed: u64,
    /// Segments whose end the hearing has not stored yet.
    unsettled: HashMap<SegmentId, HearingId>,
    /// Tracks that the recorder did not begin, and since when.
    refused: HashMap<TrackKey, Instant>,
}

struct LiveFeed {
    key: TrackKey,
    route: Route,
    codec: Codec,
    clock: SenderClock,
    segment: Option<SegmentFacts>,
    /// Bytes of the segment that are on disk.
    written: u64,
    health: TrackHealth,
}

/// What the files of a feed hold.
#[derive(Debug, Clone)]
struct RecordedTrack {
    hearing: HearingId,
    track: TrackRef,
    codec: Codec,
}

/// Of each feed that runs.
type Tracks = Arc<Mutex<HashMap<FeedId, RecordedTrack>>>;

impl RecordedTrack {
    fn facts(&self, segment: SegmentId, starts_ms: u64) -> SegmentFacts {
        SegmentFacts {
            segment,
            hearing: self.hearing,
            participant: self.track.participant,
            source: source_name(self.track.source).to_owned(),
            codec: codec_name(self.codec).to_owned(),
            starts_ms,
        }
    }
}

impl Recording {
    pub(crate) fn new(
        recorder: RecorderHandle,
        spool: SpoolSink,
        stores: Stores,
        draft: Draft,
        fault_after: Duration,
        samples: mpsc::Sender<Sample>,
        backup: Option<Backup>,
    ) -> Self {
        Self {
            recorder,
            stores,
            draft,
            fault_after,
            samples,
            backup,
            state: Arc::default(),
            tracks: spool.tracks,
        }
    }

    /// Replaces the recorded tracks of a room; files of tracks that are no longer recorded end.
    pub(crate) fn set_routes(&self, room: RoomId, routes: HashMap<TrackKey, Route>) {
        let mut state = self.lock();
        let ended: Vec<TrackKey> = state
            .routes
            .iter()
            .filter(|(key, (of, _))| *of == room && !routes.contains_key(key))
            .map(|(key, _)| *key)
            .collect();
        for key in ended {
            state.routes.remove(&key);
            self.end(&mut state, key);
            if let Some(backup) = &self.backup {
                backup.end(key);
            }
        }
        for (key, route) in routes {
            state.routes.insert(key, (room, route));
        }
    }

    /// Ends the file of a track, if it has one.
    pub(crate) fn stop(&self, key: TrackKey) {
        self.end(&mut self.lock(), key);
        if let Some(backup) = &self.backup {
            backup.end(key);
        }
    }

    /// Ends the files of a session and forgets its tracks.
    pub(crate) fn stop_session(&self, session: SessionId) {
        let mut state = self.lock();
        let keys: Vec<TrackKey> = state
            .by_track
            .keys()
            .copied()
            .filter(|key| key.session == session)
            .collect();
        for key in keys {
            self.end(&mut state, key);
        }
        state.routes.retain(|key, _| key.session != session);
        if let Some(backup) = &self.backup {
            backup.end_session(session);
        }
    }

    /// A track that arrives may stay unwritten for so long.
    pub(crate) fn fault_after(&self) -> Duration {
        self.fault_after
    }

    /// Whether a write hangs.
    pub(crate) fn hangs(&self) -> bool {
        self.recorder.stalled_for() > self.fault_after
    }

    /// Whether there is to be a second copy of the sound and it cannot be written.
    pub(crate) fn backup_fails(&self) -> bool {
        let backup = self.backup.as_ref();
        backup.is_some_and(|backup| backup.fails(self.fault_after))
    }

    /// What is wrong with what is written for a hearing, if anything, and with which track.
    pub(crate) fn fault(&self, hearing: HearingId) -> Option<(RecordFault, TrackRef)> {
        self.lock().fault(hearing, Instant::now(), self.fault_after)
    }

    /// Tells how what is written for a feed is; answers whose track it is, if it runs.
    pub(crate) fn with_health(
        &self,
        feed: FeedId,
        tell: impl FnOnce(&mut TrackHealth),
    ) -> Option<TrackKey> {
        let mut state = self.lock();
        let live = state.feeds.get_mut(&feed)?;
        tell(&mut live.health);
        Some(live.key)
    }

    /// What is to be done now about a recorded picture: of the one that waits for the longest time.
    pub(crate) fn next_picture(&self, now: Instant) -> Option<Turn> {
        let mut state = self.lock();
        let seen = state
            .feeds
            .iter()
            .filter(|(_, live)| live.codec.kind() == TrackKind::Video);
        let due = seen.filter_map(|(feed, live)| Some((live.health.is_due(now)?, *feed)));
        let (_, feed) = due.min()?;
        let live = state.feeds.get_mut(&feed)?;
        let Some(chunk) = live.health.take_turn(now) else {
            return Some(Turn::Ask(live.key));
        };
        Some(Turn::Look(Sample {
            feed,
            codec: live.codec,
            chunk,
            speech: Duration::ZERO,
        }))
    }

    /// Whether the record can be written again after a fault.
    pub(crate) async fn can_write(&self) -> bool {
        let stores = self.stores.clone();
        !self.hangs()
            && tokio::task::spawn_blocking(move || stores.disk_takes_bytes())
                .await
                .unwrap_or(false)
    }

    /// Whether every file of a hearing has been ended and the hearing knows it.
    pub(crate) fn is_settled(&self, hearing: HearingId) -> bool {
        let state = self.lock();
        state.unsettled.values().all(|of| *of != hearing)
            && state
                .feeds
                .values()
                .all(|feed| feed.route.hearing != hearing)
    }

    /// The hearing has stored what became of a segment.
    pub(crate) fn settled(&self, segment: SegmentId) {
        self.lock().unsettled.remove(&segment);
    }

    /// Takes a packet from the media core. The first one of a track begins its file.
    pub(crate) fn packet(&self, packet: RecordedPacket) {
        let mut state = self.lock();
        if let Some(backup) = &self.backup
            && let Some((_, route)) = state.routes.get(&packet.track)
        {
            backup.packet(route, packet.clone());
        }
        let feed = state.by_track.get(&packet.track).copied();
        let feed = match feed.filter(|feed| state.records(*feed, packet.codec)) {
            Some(feed) => feed,
            // One file has one codec: another one ends it and begins the next.
            None => match self.begin(&mut state, packet.track, packet.codec) {
                Some(feed) => feed,
                None => return,
            },
        };
        if let Some(live) = state.feeds.get_mut(&feed) {
            live.health.came(packet.arrival);
        }
        drop(state);
        // A refused packet is counted by the recorder, which reports it as an event.
        let _behind = self.recorder.packet(feed, packet);
    }

    /// Takes an event from the recorder; says which hearing is to know what.
    pub(crate) fn event(
        &self,
        event: RecorderEvent,
        shard: &ShardHandle,
    ) -> Vec<(HearingId, RecordNotice)> {
        let mut state = self.lock();
        match event {
            RecorderEvent::Opened {
                feed,
                segment,
                starts_ms,
            } => {
                let track = lock(&self.tracks).get(&feed).cloned();
                let (Some(track), Some(live)) = (track, state.feeds.get_mut(&feed)) else {
                    return Vec::new();
                };
                let segment = SegmentId::from_u128(segment.0);
                let facts = track.facts(segment, starts_ms);
                if let Some(speech) = live.route.recognise.clone() {
                    self.draft.follow(facts.clone(), speech);
                }
                live.segment = Some(facts);
                live.written = 0;
                state.unsettled.insert(segment, track.hearing);
                let notice = RecordNotice::Opened {
                    track: track.track,
                    segment,
                    starts_ms,
                };
                vec![(track.hearing, notice)]
            }
            RecorderEvent::Closed {
                feed, duration_ms, ..
            } => {
                let live = state.feeds.get_mut(&feed);
                let Some((live, facts)) =
                    live.and_then(|live| live.segment.take().map(|facts| (live, facts)))
                else {
                    return Vec::new();
                };
                let notice = RecordNotice::Closed {
                    track: live.route.track,
                    segment: facts.segment,
                    ends_ms: facts.starts_ms + duration_ms,
                };
                vec![(live.route.hearing, notice)]
            }
            RecorderEvent::Stopped { feed, lost_packets } => {
                let live = self.forget(&mut state, feed);
                if let Some(live) = live
                    && lost_packets > 0
                {
                    tracing::warn!(hearing.id = %live.route.hearing, participant.id = %live.route.track.participant, packets.lost = lost_packets, "packets never reached the record");
                }
                Vec::new()
            }
            RecorderEvent::Failed {
                feed, kind, error, ..
            } => {
                let Some(live) = self.forget(&mut state, feed) else {
                    return Vec::new();
                };
                tracing::error!(hearing.id = %live.route.hearing, participant.id = %live.route.track.participant, error, "a track is no longer written");
                let notice = RecordNotice::Failed {
                    track: live.route.track,
                    segment: live.segment.map(|facts| facts.segment),
                    fault: match kind {
                        Fault::Disk => RecordFault::Disk,
                        Fault::Pipeline => RecordFault::Recorder,
                    },
                };
                vec![(live.route.hearing, notice)]
            }
            RecorderEvent::KeyframeWanted { feed, malformed } => {
                if let Some(live) = state.feeds.get_mut(&feed) {
                    // It is the sender who keeps the recorder waiting.
                    live.health.waits(malformed, Instant::now());
                    // Asked again each second until it comes.
                    let _busy = shard.request_keyframe(live.key);
                }
                Vec::new()
            }
            RecorderEvent::Behind { refused_packets } => {
                tracing::error!(
                    packets.dropped = refused_packets,
                    "the recorder does not keep up"
                );
                let mut hearings: Vec<HearingId> = state
                    .feeds
                    .values()
                    .map(|feed| feed.route.hearing)
                    .collect();
                hearings.sort_unstable();
                hearings.dedup();
                hearings
                    .into_iter()
                    .map(|hearing| (hearing, RecordNotice::Behind))
                    .collect()
            }
            RecorderEvent::Written {
                feed,
                bytes_total,
                ends_ms,
                arrived,
                fills,
                speech,
                key,
                ..
            } => {
                let Some(live) = state.feeds.get_mut(&feed) else {
                    return Vec::new();
                };
                let Some((chunk, ends)) = live.chunk(bytes_total, ends_ms) else {
                    return Vec::new();
                };
                live.health.written(ends, arrived, fills);
                match live.codec {
                    Codec::Opus if !speech.is_zero() => {
                        let sample = Sample {
                            feed,
                            codec: live.codec,
                            chunk,
                            speech,
                        };
                        // More than can be listened to is left out.
                        let _full = self.samples.try_send(sample);
                    }
                    Codec::Vp8 | Codec::H264 if key => live.health.shows(chunk),
                    _ => {}
                }
                Vec::new()
            }
        }
    }

    fn begin(&self, state: &mut State, key: TrackKey, codec: Codec) -> Option<FeedId> {
        self.end(state, key);
        let busy = state.refused.get(&key);
        if busy.is_some_and(|since| since.elapsed() < BUSY) {
            return None;
        }
        let (_, route) = state.routes.get(&key)?;
        let route = route.clone();
        let feed = FeedId(state.next_feed);
        state.next_feed += 1;
        let track = RecordedTrack {
            hearing: route.hearing,
            track: route.track,
            codec,
        };
        lock(&self.tracks).insert(feed, track);
        // The feeds of a person's device are placed by the same clock.
        let mut live = state.feeds.values();
        let clock = live
            .find(|live| live.key.session == key.session)
            .map(|live| live.clock.clone())
            .unwrap_or_default();
        let info = FeedInfo {
            codec,
            epoch: route.epoch,
            clock: clock.clone(),
        };
        if let Err(error) = self.recorder.start(feed, info) {
            lock(&self.tracks).remove(&feed);
            tracing::error!(hearing.id = %route.hearing, %error, "the recorder takes no new track");
            state.refused.insert(key, Instant::now());
            return None;
        }
        state.refused.remove(&key);
        state.by_track.insert(key, feed);
        let live = LiveFeed {
            key,
            route,
            codec,
            clock,
            segment: None,
            written: 0,
            health: TrackHealth::default(),
        };
        state.feeds.insert(feed, live);
        Some(feed)
    }

    fn end(&self, state: &mut State, key: TrackKey) {
        if let Some(feed) = state.by_track.remove(&key)
            && let Err(error) = self.recorder.stop(feed)
        {
            tracing::error!(%error, "the recorder does not end a file");
        }
    }

    fn forget(&self, state: &mut State, feed: FeedId) -> Option<LiveFeed> {
        lock(&self.tracks).remove(&feed);
        let live = state.feeds.remove(&feed)?;
        if state.by_track.get(&live.key) == Some(&feed) {
            state.by_track.remove(&live.key);
        }
        Some(live)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl LiveFeed {
    /// The chunk that is on disk since the last one, and where it ends.
    fn chunk(&mut self, bytes_total: u64, ends_ms: u64) -> Option<(Chunk, Instant)> {
        let facts = self.segment.clone()?;
        let ends_ms = Duration::from_millis(facts.starts_ms.checked_add(ends_ms)?);
        let ends = self.route.epoch.checked_add(ends_ms)?;
        let offset = std::mem::replace(&mut self.written, bytes_total);
        let len = bytes_total.saturating_sub(offset);
        Some((Chunk { facts, offset, len }, ends))
    }
}

impl State {
    fn fault(
        &self,
        hearing: HearingId,
        now: Instant,
        allowed: Duration,
    ) -> Option<(RecordFault, TrackRef)> {
        let feeds = self.feeds.values();
        let mut own = feeds.filter(|feed| feed.route.hearing == hearing);
        own.find_map(|feed| Some((feed.health.fault(now, allowed)?, feed.route.track)))
    }

    /// Whether a feed writes this codec.
    fn records(&self, feed: FeedId, codec: Codec) -> bool {
        self.feeds.get(&feed).is_none_or(|live| live.codec == codec)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section leaves the maps consistent at every step that can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a source in the record.
pub(crate) fn source_name(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Microphone => "microphone",
        TrackSource::Camera => "camera",
        TrackSource::Screen => "screen",
    }
}

/// What a name in the record means; nothing if it is none of ours.
pub(crate) fn source_named(name: &str) -> Option<TrackSource> {
    TrackSource::ALL
        .into_iter()
        .find(|source| source_name(*source) == name)
}

/// The name of a codec in the record.
pub(crate) fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Vp8 => "vp8",
        Codec::H264 => "h264",
    }
}

/// The recorder's way into the spool.
#[derive(Clone)]
pub(crate) struct SpoolSink {
    spool: RecordSpool,
    tracks: Tracks,
}

impl SpoolSink {
    pub(crate) fn new(spool: RecordSpool) -> Self {
        Self {
            spool,
            tracks: Tracks::default(),
        }
    }
}

impl ChunkSink for SpoolSink {
    fn open(&self, feed: FeedId, starts_ms: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
        let track = lock(&self.tracks).get(&feed).cloned();
        let track = track.ok_or_else(|| io::Error::other("a feed that was never begun"))?;
        let segment = SegmentId::generate();
        let facts = track.facts(segment, starts_ms);
        let writer = self.spool.open_segment(facts).map_err(io::Error::from)?;
        let writer = SpoolWriter {
            writer: Some(writer),
            starts_ms,
        };
        Ok((SegmentKey(segment.as_u128()), Box::new(writer)))
    }
}

struct SpoolWriter {
    writer: Option<SegmentWriter>,
    starts_ms: u64,
}

impl ChunkWriter for SpoolWriter {
    fn append(&mut self, bytes: &[u8], ends_ms: u64) -> io::Result<()> {
        let writer = self
            .writer
            .as_mut()
            .ok_or_else(|| io::Error::other("already finished"))?;
        writer
            .append(bytes, self.starts_ms + ends_ms)
            .map(|_| ())
            .map_err(io::Error::from)
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.finish().map(|_| ()).map_err(io::Error::from),
            None => Ok(()),
        }
    }
}

/// The recorder's own process in tests: the test program itself, of which it is one test.
#[cfg(test)]
pub(crate) mod muxing_process {
    use otyrys_media::recorder::{RecorderProgram, run_recorder_process};

    pub(crate) fn program() -> RecorderProgram {
        let test = concat!(module_path!(), "::process");
        let (_, test) = test.split_once("::").unwrap_or_default();
        RecorderProgram::this(&["--exact", "--ignored", "--nocapture", test])
    }

    #[test]
    #[ignore = "the process that tests with a server start"]
    fn process() {
        // The server is gone, or not there.
        let _ = run_recorder_process();
    }
}
