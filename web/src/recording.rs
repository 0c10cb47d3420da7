//! From the media core's recorder taps to files in the spool.
//!
//! The graph of a hearing says which tracks are recorded; a file is begun with a track's first
//! packet and ended when its edge to the recorder goes.

use crate::{draft::Draft, stores::Stores};
use otyrys_media::{
    Codec, RecordedPacket, RoomId, SessionId, ShardHandle, TrackKey,
    recorder::{
        ChunkSink, ChunkWriter, Fault, FeedId, FeedInfo, RecorderEvent, RecorderHandle, SegmentKey,
    },
};
use otyrys_signaling::{Language, RecordFault, TrackRef, TrackSource};
use otyrys_storage::{
    RecordSpool, SegmentFacts, SegmentWriter, StorageError,
    ids::{HearingId, SegmentId},
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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
    /// The language to recognise it in; absent when it is not to be recognised.
    pub(crate) recognise: Option<Language>,
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
        segment: SegmentId,
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
    state: Arc<Mutex<State>>,
    pending: Pending,
}

#[derive(Default)]
struct State {
    routes: HashMap<TrackKey, (RoomId, Route)>,
    by_track: HashMap<TrackKey, FeedId>,
    feeds: HashMap<FeedId, LiveFeed>,
    next_feed: u64,
    /// Segments whose end the hearing has not stored yet.
    unsettled: HashMap<SegmentId, HearingId>,
    /// Feeds whose end the recorder was too busy to take.
    unstopped: Vec<FeedId>,
    /// Tracks that the recorder was too busy to begin, and since when.
    refused: HashMap<TrackKey, Instant>,
}

struct LiveFeed {
    key: TrackKey,
    route: Route,
    facts: SegmentFacts,
    opened: bool,
}

/// Facts of segments whose files the recorder has not begun yet.
type Pending = Arc<Mutex<HashMap<SegmentKey, SegmentFacts>>>;

impl Recording {
    pub(crate) fn new(
        recorder: RecorderHandle,
        spool: SpoolSink,
        stores: Stores,
        draft: Draft,
        fault_after: Duration,
    ) -> Self {
        Self {
            recorder,
            stores,
            draft,
            fault_after,
            state: Arc::default(),
            pending: spool.pending,
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
        }
        for (key, route) in routes {
            state.routes.insert(key, (room, route));
        }
    }

    /// Ends the file of a track, if it has one.
    pub(crate) fn stop(&self, key: TrackKey) {
        self.end(&mut self.lock(), key);
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
    }

    /// A track that arrives may stay unwritten for so long.
    pub(crate) fn fault_after(&self) -> Duration {
        self.fault_after
    }

    /// Whether a write hangs.
    pub(crate) fn hangs(&self) -> bool {
        self.recorder.stalled_for() > self.fault_after
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
        self.lock().unsettled.values().all(|of| *of != hearing)
    }

    /// The hearing has stored what became of a segment.
    pub(crate) fn settled(&self, segment: SegmentId) {
        self.lock().unsettled.remove(&segment);
    }

    /// Ends what the recorder was too busy to end.
    pub(crate) fn try_again(&self) {
        let mut state = self.lock();
        for feed in std::mem::take(&mut state.unstopped) {
            self.stop_feed(&mut state, feed);
        }
    }

    /// Takes a packet from the media core. The first one of a track begins its file.
    pub(crate) fn packet(&self, packet: RecordedPacket) {
        let mut state = self.lock();
        let feed = state.by_track.get(&packet.track).copied();
        let feed = match feed.filter(|feed| state.records(*feed, packet.codec)) {
            Some(feed) => feed,
            // One file has one codec: another one ends it and begins the next.
            None => match self.begin(&mut state, packet.track, packet.codec) {
                Some(feed) => feed,
                None => return,
            },
        };
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
                feed, starts_ms, ..
            } => {
                let Some(live) = state.feeds.get_mut(&feed) else {
                    return Vec::new();
                };
                live.opened = true;
                live.facts.starts_ms = starts_ms;
                if let Some(language) = live.route.recognise {
                    self.draft.follow(live.facts.clone(), language);
                }
                let LiveFeed { route, facts, .. } = live;
                let notice = RecordNotice::Opened {
                    track: route.track,
                    segment: facts.segment,
                    starts_ms,
                };
                vec![(route.hearing, notice)]
            }
            RecorderEvent::Closed {
                feed,
                duration_ms,
                lost_packets,
                ..
            } => {
                let Some(live) = state.feeds.remove(&feed) else {
                    return Vec::new();
                };
                forget(&mut state, &live, feed);
                if lost_packets > 0 {
                    tracing::warn!(hearing.id = %live.route.hearing, segment.id = %live.facts.segment, packets.lost = lost_packets, "packets never reached the record");
                }
                if !live.opened {
                    state.unsettled.remove(&live.facts.segment);
                    return Vec::new();
                }
                let notice = RecordNotice::Closed {
                    track: live.route.track,
                    segment: live.facts.segment,
                    ends_ms: live.facts.starts_ms + duration_ms,
                };
                vec![(live.route.hearing, notice)]
            }
            RecorderEvent::Failed {
                feed, kind, error, ..
            } => {
                let Some(live) = state.feeds.remove(&feed) else {
                    return Vec::new();
                };
                forget(&mut state, &live, feed);
                tracing::error!(hearing.id = %live.route.hearing, segment.id = %live.facts.segment, error, "a track is no longer written");
                let notice = RecordNotice::Failed {
                    track: live.route.track,
                    segment: live.facts.segment,
                    fault: match kind {
                        Fault::Disk => RecordFault::Disk,
                        Fault::Pipeline => RecordFault::Recorder,
                    },
                };
                vec![(live.route.hearing, notice)]
            }
            RecorderEvent::KeyframeWanted { feed } => {
                if let Some(live) = state.feeds.get(&feed) {
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
            RecorderEvent::Written { .. } => Vec::new(),
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
        let facts = SegmentFacts {
            segment: SegmentId::generate(),
            hearing: route.hearing,
            participant: route.track.participant,
            source: source_name(route.track.source).to_owned(),
            codec: codec_name(codec).to_owned(),
            // Known when the first packet is placed on the clock.
            starts_ms: 0,
        };
        let segment = SegmentKey(facts.segment.as_u128());
        let feed = FeedId(state.next_feed);
        state.next_feed += 1;
        lock(&self.pending).insert(segment, facts.clone());
        let info = FeedInfo {
            segment,
            codec,
            epoch: route.epoch,
        };
        if let Err(error) = self.recorder.start(feed, info) {
            lock(&self.pending).remove(&segment);
            tracing::error!(hearing.id = %route.hearing, %error, "the recorder takes no new track");
            state.refused.insert(key, Instant::now());
            return None;
        }
        state.refused.remove(&key);
        state.by_track.insert(key, feed);
        state.unsettled.insert(facts.segment, route.hearing);
        let live = LiveFeed {
            key,
            route,
            facts,
            opened: false,
        };
        state.feeds.insert(feed, live);
        Some(feed)
    }

    fn end(&self, state: &mut State, key: TrackKey) {
        if let Some(feed) = state.by_track.remove(&key) {
            self.stop_feed(state, feed);
        }
    }

    fn stop_feed(&self, state: &mut State, feed: FeedId) {
        if let Err(error) = self.recorder.stop(feed) {
            tracing::error!(%error, "the recorder does not end a file; it is told again");
            state.unstopped.push(feed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Whether a feed writes this codec.
    fn records(&self, feed: FeedId, codec: Codec) -> bool {
        self.feeds
            .get(&feed)
            .is_none_or(|live| live.facts.codec == codec_name(codec))
    }
}

fn forget(state: &mut State, live: &LiveFeed, feed: FeedId) {
    if state.by_track.get(&live.key) == Some(&feed) {
        state.by_track.remove(&live.key);
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
    pending: Pending,
}

impl SpoolSink {
    pub(crate) fn new(spool: RecordSpool) -> Self {
        Self {
            spool,
            pending: Pending::default(),
        }
    }
}

impl ChunkSink for SpoolSink {
    fn open(&self, segment: SegmentKey, starts_ms: u64) -> io::Result<Box<dyn ChunkWriter>> {
        let mut facts = lock(&self.pending)
            .remove(&segment)
            .ok_or_else(|| io::Error::other("a segment that was never begun"))?;
        facts.starts_ms = starts_ms;
        let writer = self.spool.open_segment(facts).map_err(to_io)?;
        Ok(Box::new(SpoolWriter {
            writer: Some(writer),
            starts_ms,
        }))
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
            .map_err(to_io)
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.finish().map(|_| ()).map_err(to_io),
            None => Ok(()),
        }
    }
}

fn to_io(error: StorageError) -> io::Error {
    let kind = match &error {
        StorageError::DiskFull(_) => io::ErrorKind::StorageFull,
        StorageError::NotWritable { source, .. } => source.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
