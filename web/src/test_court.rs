//! What tests of this crate begin with: the stores of a court in a temporary folder.

use crate::{config::Config, hub::new_event, stores::Stores};
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSrc};
use jiff::{Timestamp, tz::Offset};
use otyrys_signaling::HearingEvent;
use otyrys_storage::{
    Bundle, BundleInput, HearingLog, NewHearing, NewParticipant, Reach, SegmentFacts,
    SegmentWriter,
    ids::{HearingId, ParticipantId, SegmentId},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An empty court.
pub(crate) struct TestCourt {
    pub(crate) config: Config,
    pub(crate) stores: Stores,
    _dir: TempDir,
}

impl TestCourt {
    pub(crate) async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.server.data_dir = dir.path().to_owned();
        let stores = Stores::open(dir.path(), &config.record).await;
        Self {
            config,
            stores: stores.expect("stores"),
            _dir: dir,
        }
    }

    /// A hearing of nobody, with its key.
    pub(crate) async fn hearing(&self, scheduled_at: Timestamp) -> HearingId {
        self.hearing_of(scheduled_at, Vec::new()).await
    }

    /// A hearing of these people, with its key. The court is five hours before UTC.
    pub(crate) async fn hearing_of(
        &self,
        scheduled_at: Timestamp,
        participants: Vec<NewParticipant>,
    ) -> HearingId {
        let id = HearingId::generate();
        let hearing = NewHearing {
            id,
            case_number: "1".to_owned(),
            case_title: String::new(),
            court_name: String::new(),
            court_names: Value::Null,
            courtroom: String::new(),
            language: "kk".to_owned(),
            scheduled_at,
            court_offset: Offset::constant(5),
            participants,
        };
        let Stores {
            database, spool, ..
        } = &self.stores;
        database.create_hearing(&hearing).await.expect("a hearing");
        spool.keys().ensure(database, id).await.expect("a key");
        id
    }

    /// A hearing of nobody that was closed then, with its key.
    pub(crate) async fn closed_hearing(&self, closed_at: Timestamp) -> HearingId {
        let id = self.hearing(closed_at).await;
        let event = new_event(closed_at, None, None, &HearingEvent::Closed).expect("an event");
        let database = &self.stores.database;
        let closed = database
            .append_events_with_state(id, vec![event], &json!(null), Some(closed_at))
            .await;
        closed.expect("closed");
        id
    }

    /// Something happens in a hearing, and its log is signed.
    pub(crate) async fn happened(&self, id: HearingId) {
        let Stores {
            database, spool, ..
        } = &self.stores;
        let now = Timestamp::UNIX_EPOCH;
        let event = new_event(now, None, None, &HearingEvent::Closed).expect("an event");
        let stored = database.append_events(id, vec![event]).await;
        stored.expect("stored");
        let key = self.stores.node_key().expect("a key");
        let log = HearingLog::load(database, spool, &key, id).await;
        let mut log = log.expect("a log");
        let signed = log.checkpoint(database, spool, &key, Reach::Whole).await;
        signed.expect("signed");
    }

    /// A file of a microphone of 3 s, which begins so far into the record and has ended.
    pub(crate) fn recorded(&self, hearing: HearingId, starts_ms: u64) -> SegmentFacts {
        self.recorded_of(hearing, ParticipantId::generate(), starts_ms)
    }

    /// [`Self::recorded`] of this person.
    pub(crate) fn recorded_of(
        &self,
        hearing: HearingId,
        participant: ParticipantId,
        starts_ms: u64,
    ) -> SegmentFacts {
        let (facts, mut writer) = self.microphone(hearing, participant, starts_ms);
        for second in 1..=3 {
            let ends_ms = starts_ms + 1_000 * second;
            writer.append(b"sound", ends_ms).expect("written");
        }
        writer.finish().expect("ended");
        facts
    }

    /// A file of this person's microphone with this content, which has ended.
    pub(crate) fn recorded_sound(
        &self,
        hearing: HearingId,
        participant: ParticipantId,
        starts_ms: u64,
        content: &[u8],
    ) -> SegmentFacts {
        let (facts, mut writer) = self.microphone(hearing, participant, starts_ms);
        for (second, piece) in (1..).zip(content.chunks(4_096)) {
            let ends_ms = starts_ms + 1_000 * second;
            writer.append(piece, ends_ms).expect("written");
        }
        writer.finish().expect("ended");
        facts
    }

    fn microphone(
        &self,
        hearing: HearingId,
        participant: ParticipantId,
        starts_ms: u64,
    ) -> (SegmentFacts, SegmentWriter) {
        let facts = SegmentFacts {
            segment: SegmentId::generate(),
            hearing,
            participant,
            source: "microphone".to_owned(),
            codec: "opus".to_owned(),
            starts_ms,
        };
        let writer = self.stores.spool.open_segment(facts.clone());
        (facts, writer.expect("a segment"))
    }

    /// A closed hearing with one file, sealed and archived.
    pub(crate) async fn sealed_hearing(&self) -> HearingId {
        let hearing = self.closed_hearing(Timestamp::UNIX_EPOCH).await;
        self.recorded(hearing, 0);
        self.seal(hearing).await;
        hearing
    }

    /// Seals and archives a hearing.
    pub(crate) async fn seal(&self, id: HearingId) {
        let Stores {
            database,
            spool,
            archive,
            ..
        } = &self.stores;
        let key = self.stores.node_key().expect("a key");
        let log = HearingLog::load(database, spool, &key, id).await;
        let mut log = log.expect("a log");
        let signed = log.checkpoint(database, spool, &key, Reach::Whole).await;
        signed.expect("signed");
        let documents = ["protocol.json", "protocol.html", "protocol.docx"];
        let input = BundleInput {
            hearing: id,
            facts: Value::Null,
            sealed_at: Timestamp::now(),
            events: database.events(id).await.expect("events"),
            log: database.hearing_log(id).await.expect("a log"),
            documents: documents.map(|name| (name.to_owned(), Vec::new())).into(),
            attachments: Vec::new(),
        };
        let dir = self.stores.bundle_dir(id);
        let bundle = Bundle::write(&dir, &input, spool, &key).expect("a bundle");
        archive.put(&bundle).await.expect("archived");
    }
}

/// A voice of 16 kHz, as a recorder writes it.
pub(crate) fn webm(samples: &[i16]) -> Vec<u8> {
    gst::init().expect("GStreamer");
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved \
         ! audioconvert ! audioresample ! opusenc bitrate=32000 ! webmmux streamable=true \
         ! appsink name=out sync=false",
    );
    let pipeline = pipeline
        .expect("GStreamer")
        .downcast::<gst::Pipeline>()
        .expect("GStreamer");
    let source: AppSrc = pipeline
        .by_name("in")
        .expect("GStreamer")
        .downcast()
        .expect("GStreamer");
    let target: AppSink = pipeline
        .by_name("out")
        .expect("GStreamer")
        .downcast()
        .expect("GStreamer");
    source.set_max_bytes(0);
    pipeline.set_state(gst::State::Playing).expect("GStreamer");
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let mut buffer = gst::Buffer::from_slice(bytes);
    buffer
        .get_mut()
        .expect("GStreamer")
        .set_pts(gst::ClockTime::ZERO);
    source.push_buffer(buffer).expect("GStreamer");
    source.end_of_stream().expect("GStreamer");
    let mut file = Vec::new();
    while let Ok(sample) = target.pull_sample() {
        file.extend_from_slice(
            &sample
                .buffer()
                .expect("GStreamer")
                .map_readable()
                .expect("GStreamer"),
        );
    }
    pipeline.set_state(gst::State::Null).expect("GStreamer");
    file
}
