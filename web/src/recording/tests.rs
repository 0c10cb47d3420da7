//! What becomes of packets on their way to the disk, with real recorders and real files.

mod a_bad_second_disk_costs_the_hearing_nothing;

use super::*;
use crate::{
    config::{DraftConfig, RecordConfig},
    record_health,
};
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use otyrys_media::{
    MediaLimits, Shard, ShardConfig, Source, TrackKind,
    recorder::{Checker, Recorder, RecorderConfig, RecorderEvents},
};
use otyrys_storage::{Damage, ids::ParticipantId};
use otyrys_transcribe::Corrections;
use prometheus_client::metrics::counter::Counter;
use std::{net::Ipv4Addr, path::Path};
use tempfile::TempDir;
use tokio::time;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One Opus packet.
pub(crate) const PACKET: Duration = Duration::from_millis(20);
/// A voice, in -dBov.
pub(crate) const LOUD: u8 = 30;

/// Opus packets of noise so loud; 0 is digital silence.
pub(crate) fn opus(packets: usize, volume: f32) -> Vec<Vec<u8>> {
    gstreamer::init().unwrap();
    let pipeline = gstreamer::parse::launch(&format!(
        "audiotestsrc num-buffers={packets} samplesperbuffer=960 wave=pink-noise volume={volume} \
         ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 ! appsink name=out sync=false"
    ))
    .unwrap()
    .downcast::<gstreamer::Pipeline>()
    .unwrap();
    let out = pipeline
        .by_name("out")
        .unwrap()
        .downcast::<AppSink>()
        .unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let made = std::iter::from_fn(|| out.pull_sample().ok()).take(packets);
    let bytes =
        |sample: gstreamer::Sample| sample.buffer().unwrap().map_readable().unwrap().to_vec();
    let made = made.map(bytes).collect();
    pipeline.set_state(gstreamer::State::Null).unwrap();
    made
}

/// The second disk as a test wants it: while the test holds the lock, a write waits; `true` is full.
#[derive(Clone)]
struct SecondDisk {
    sink: SpoolSink,
    full: Arc<Mutex<bool>>,
}

struct SecondDiskWriter {
    writer: Box<dyn ChunkWriter>,
    full: Arc<Mutex<bool>>,
}

impl ChunkSink for SecondDisk {
    fn open(&self, feed: FeedId, starts_ms: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
        let (segment, writer) = self.sink.open(feed, starts_ms)?;
        let full = Arc::clone(&self.full);
        Ok((segment, Box::new(SecondDiskWriter { writer, full })))
    }
}

impl ChunkWriter for SecondDiskWriter {
    fn append(&mut self, bytes: &[u8], ends_ms: u64) -> io::Result<()> {
        match *lock(&self.full) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.writer.append(bytes, ends_ms),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish()
    }
}

/// A microphone of a hearing of its own.
pub(crate) struct Microphone {
    key: TrackKey,
    pub(crate) track: TrackRef,
    pub(crate) hearing: HearingId,
    sent: u64,
}

pub(crate) struct Court {
    pub(crate) recording: Recording,
    pub(crate) stores: Stores,
    pub(crate) draft: Draft,
    /// See [`SecondDisk`].
    second_disk: Arc<Mutex<bool>>,
    backup_failures: Counter,
    recorders: Vec<Recorder>,
    tasks: TaskTracker,
    stop: CancellationToken,
    epoch: Instant,
    folder: TempDir,
}

impl Court {
    pub(crate) async fn open() -> Self {
        Self::open_with(16_384).await
    }

    /// With so many packets that may wait for the second disk.
    async fn open_with(backup_queue: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = RecordConfig {
            backup_path: Some(folder.path().join("second")),
            ..RecordConfig::default()
        };
        let stores = Stores::open(&folder.path().join("first"), &config)
            .await
            .unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let off = DraftConfig {
            enabled: false,
            ..DraftConfig::default()
        };
        let (draft, _notices) =
            Draft::start(&off, Corrections::default(), stores.clone(), stop.clone()).await;
        let program = muxing_process::program();
        let spawn = |sink: Arc<dyn ChunkSink>, queue_packets| {
            let config = RecorderConfig {
                queue_packets,
                threads: 1,
                ..RecorderConfig::new(program.clone())
            };
            Recorder::spawn(config, sink).unwrap()
        };
        let first = SpoolSink::new(stores.spool.clone());
        let second = SpoolSink::new(stores.backup.clone().unwrap());
        let (second_disk, backup_failures) = (Arc::default(), Counter::default());
        let (recorder, events) = spawn(Arc::new(first.clone()), 16_384);
        let disk = SecondDisk {
            sink: second.clone(),
            full: Arc::clone(&second_disk),
        };
        let (backup_recorder, mut backup_events) = spawn(Arc::new(disk), backup_queue);
        let backup = Backup::new(backup_recorder.handle(), second, backup_failures.clone());
        let (samples, to_check) = mpsc::channel(record_health::SAMPLES);
        let recording = Recording::new(
            recorder.handle(),
            first,
            stores.clone(),
            draft.clone(),
            Duration::from_secs(3),
            samples,
            Some(backup.clone()),
        );
        let loopback = (Ipv4Addr::LOCALHOST, 0).into();
        let (shard, _outputs) = Shard::spawn(ShardConfig {
            bind: loopback,
            advertised: vec![Ipv4Addr::LOCALHOST.into()],
            limits: MediaLimits::default(),
        })
        .unwrap();
        tasks.spawn(record_health::watch(
            recording.clone(),
            stores.spool.clone(),
            shard.clone(),
            Checker::new(program),
            to_check,
            stop.clone(),
        ));
        tasks.spawn(listen(recording.clone(), shard, events));
        tasks.spawn(async move {
            while let Some(event) = backup_events.recv().await {
                backup.event(event);
            }
        });
        Self {
            recording,
            stores,
            draft,
            second_disk,
            backup_failures,
            recorders: vec![recorder, backup_recorder],
            tasks,
            stop,
            epoch: Instant::now(),
            folder,
        }
    }

    /// A microphone of somebody in a hearing of nobody else.
    pub(crate) fn microphone(&self, session: u64) -> Microphone {
        let hearing = HearingId::generate();
        self.stores.spool.keys().create(hearing).unwrap();
        self.microphone_of(hearing, ParticipantId::generate(), session)
    }

    /// A microphone of this person in a hearing that has its key.
    pub(crate) fn microphone_of(
        &self,
        hearing: HearingId,
        participant: ParticipantId,
        session: u64,
    ) -> Microphone {
        let key_file = |spool: &RecordSpool| spool.hearing_dir(hearing).join("hearing.key");
        let backup = self.stores.backup.as_ref().unwrap();
        std::fs::create_dir_all(backup.hearing_dir(hearing)).unwrap();
        std::fs::copy(key_file(&self.stores.spool), key_file(backup)).unwrap();
        let key = TrackKey {
            session: SessionId(session),
            source: Source::Microphone,
        };
        let track = TrackRef {
            participant,
            source: TrackSource::Microphone,
        };
        let route = Route {
            hearing,
            track,
            epoch: self.epoch,
            recognise: None,
        };
        self.recording
            .set_routes(RoomId(session), [(key, route)].into());
        Microphone {
            key,
            track,
            hearing,
            sent: 0,
        }
    }

    pub(crate) fn send(&self, microphone: &mut Microphone, payload: &[u8], level: u8) {
        microphone.sent += 1;
        self.recording.packet(RecordedPacket {
            track: microphone.key,
            kind: TrackKind::Audio,
            codec: Codec::Opus,
            stream: 1,
            seq: microphone.sent,
            timestamp: microphone.sent * 960,
            clock_rate_hz: 48_000,
            arrival: Instant::now(),
            marker: false,
            level: Some(level),
            payload: bytes::Bytes::copy_from_slice(payload),
            sender_report: None,
        });
    }

    /// Everything is on disk when this returns.
    pub(crate) async fn close(self) -> (Stores, TempDir) {
        let recorders = self.recorders;
        tokio::task::spawn_blocking(move || recorders.into_iter().for_each(Recorder::shutdown))
            .await
            .unwrap();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        (self.stores, self.folder)
    }
}

async fn listen(recording: Recording, shard: ShardHandle, mut events: RecorderEvents) {
    while let Some(event) = events.recv().await {
        recording.event(event, &shard);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_that_is_recorded_as_silence_is_known_within_3_s_and_a_quiet_voice_is_none() {
    let court = Court::open().await;
    let [mut broken, mut quiet, mut muted] = [1, 2, 3].map(|session| court.microphone(session));
    let (voice, whisper, silence) = (opus(250, 0.3), opus(250, 0.004), opus(250, 0.0));
    let mut clock = time::interval(PACKET);
    let mut broken_since = None;
    let mut known = None;
    for number in 0..250 {
        clock.tick().await;
        // After a second and a half nothing comes of what is said.
        let heard = number < 75;
        let said = if heard { &voice } else { &silence };
        court.send(&mut broken, &said[number], LOUD);
        court.send(&mut quiet, &whisper[number], 49);
        court.send(&mut muted, &silence[number], 127);
        if !heard {
            broken_since.get_or_insert_with(Instant::now);
        }
        if let Some(fault) = court.recording.fault(broken.hearing) {
            known.get_or_insert((fault, Instant::now()));
        }
        assert_eq!(court.recording.fault(quiet.hearing), None);
        assert_eq!(court.recording.fault(muted.hearing), None);
    }
    let (fault, at) = known.expect("the fault is known");
    assert_eq!(fault, (RecordFault::Silence, broken.track));
    let took = at.duration_since(broken_since.expect("it was broken"));
    // A hearing asks each 500 ms.
    assert!(took < Duration::from_millis(2_500), "{took:?}");
    court.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_has_the_whole_hearing_when_the_first_disk_is_gone_and_nothing_else() {
    let court = Court::open().await;
    let mut microphone = court.microphone(1);
    let hearing = microphone.hearing;
    // Louder each second, so that what is found can be told apart.
    let seconds: Vec<_> = [0.05, 0.1, 0.2, 0.4].map(|volume| opus(50, volume)).into();
    let mut clock = time::interval(PACKET);
    for (second, packets) in seconds.iter().enumerate() {
        for packet in packets {
            clock.tick().await;
            court.send(&mut microphone, packet, LOUD);
        }
        if second == 1 {
            std::fs::remove_dir_all(court.stores.spool.hearing_dir(hearing)).unwrap();
        }
    }
    // Off the record.
    court.recording.set_routes(RoomId(1), HashMap::new());
    for packet in &seconds[0] {
        clock.tick().await;
        court.send(&mut microphone, packet, LOUD);
    }
    let (stores, folder) = court.close().await;
    assert!(stores.spool.segments(hearing).unwrap().is_empty());
    let backup = stores.backup.unwrap();
    let copies = backup.segments(hearing).unwrap();
    let [copy] = copies.as_slice() else {
        panic!("{copies:?}");
    };
    assert_eq!(copy.facts.participant, microphone.track.participant);
    let path = folder.path().join("sound.webm");
    let mut plain = std::fs::File::create(&path).unwrap();
    io::copy(&mut backup.reader(copy).unwrap(), &mut plain).unwrap();
    let loudness = loudness(&path);
    assert!((39..=42).contains(&loudness.len()), "{}", loudness.len());
    // Four times the energy in each second.
    let second = |number: usize| {
        loudness[number * 10 + 1..number * 10 + 9]
            .iter()
            .sum::<f64>()
    };
    for number in 1..4 {
        let grown = second(number) / second(number - 1);
        assert!((2.5..6.0).contains(&grown), "second {number}: {grown}");
    }
    // What is nowhere else goes into the bundle.
    assert_eq!(not_in_record(&copies, &[]).count(), 1);
    let damage = |from_ms, to_ms| Damage {
        first_chunk: 2,
        last_chunk: 2,
        offset: 0,
        len: 1,
        from_ms,
        to_ms,
    };
    let lacks = |damage: &[Damage]| not_in_record(&copies, &[(copy, damage)]).count();
    assert_eq!(lacks(&[]), 0);
    assert_eq!(lacks(&[damage(600, 1_200)]), 1, "a piece of it is damaged");
    assert_eq!(lacks(&[damage(60_000, 60_600)]), 0, "elsewhere");
}

/// The mean square of each 100 ms of a file, as ffmpeg decodes it; nothing comes where it has no
/// sound.
pub(crate) fn loudness(path: &Path) -> Vec<f64> {
    let decoded = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-af", "aresample=8000:async=1:first_pts=0"])
        .args(["-f", "s16le", "-ac", "1", "-"])
        .output()
        .unwrap();
    let samples: Vec<f64> = decoded
        .stdout
        .chunks_exact(2)
        .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    let mean = |part: &[f64]| part.iter().map(|sample| sample * sample).sum::<f64>() / 800.0;
    samples.chunks(800).map(mean).collect()
}

#[test]
fn what_is_wrong_with_a_track_is_told_to_its_own_hearing_only() {
    let (hearing, now, allowed) = (
        HearingId::generate(),
        Instant::now(),
        Duration::from_secs(3),
    );
    let track = TrackRef {
        participant: ParticipantId::generate(),
        source: TrackSource::Microphone,
    };
    let mut health = TrackHealth::default();
    health.came(now);
    let live = LiveFeed {
        key: TrackKey {
            session: SessionId(1),
            source: Source::Microphone,
        },
        route: Route {
            hearing,
            track,
            epoch: now,
            recognise: None,
        },
        codec: Codec::Opus,
        clock: SenderClock::default(),
        segment: None,
        written: 0,
        health,
    };
    let mut state = State::default();
    state.feeds.insert(FeedId(1), live);
    let later = now + allowed + Duration::from_millis(1);
    let fault = Some((RecordFault::TrackNotWritten, track));
    assert_eq!(state.fault(hearing, later, allowed), fault);
    assert_eq!(state.fault(HearingId::generate(), later, allowed), None);
}
