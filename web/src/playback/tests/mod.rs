//! Listening to a record that is there as the recorder writes it.

mod a_piece_plays_from_the_moment_on;
mod only_the_bench_listens_and_it_is_noted;
mod the_waveform_shows_what_was_said;

use gstreamer::prelude::*;
use otyrys_storage::{
    KeySource, MasterKey, RecordSpool, SegmentFacts, SegmentWriter,
    ids::{HearingId, ParticipantId, SegmentId},
};
use std::{path::Path, sync::Arc};

/// Where the tests' files begin on the record clock.
const STARTS_MS: u64 = 5_000;

/// A file, and how long it is.
struct Recorded {
    bytes: Vec<u8>,
    length_ms: u64,
}

/// A WebM file as the recorder writes it: streamable, clusters of a second. A tone of 440 Hz at half
/// of full scale (-6.02 dBFS) for `tone_s` seconds, then silence for `silence_s`.
fn recorded_sound(dir: &Path, tone_s: u32, silence_s: u32) -> Recorded {
    gstreamer::init().unwrap();
    let path = dir.join(SegmentId::generate().to_string());
    let sound = |wave: &str, volume: f32, seconds: u32| {
        let buffers = seconds * 50;
        format!(
            "audiotestsrc wave={wave} freq=440 volume={volume} samplesperbuffer=960 \
             num-buffers={buffers} ! audio/x-raw,rate=48000,channels=1 ! c. "
        )
    };
    let pipeline = gstreamer::parse::launch(&format!(
        "{}{}concat name=c ! opusenc ! webmmux streamable=true \
         min-cluster-duration=1000000000 max-cluster-duration=1000000000 ! filesink location={}",
        sound("sine", 0.5, tone_s),
        sound("silence", 0.0, silence_s),
        path.display(),
    ))
    .unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let ended = pipeline.bus().unwrap().timed_pop_filtered(
        gstreamer::ClockTime::from_seconds(60),
        &[gstreamer::MessageType::Eos, gstreamer::MessageType::Error],
    );
    assert_eq!(ended.unwrap().type_(), gstreamer::MessageType::Eos);
    pipeline.set_state(gstreamer::State::Null).unwrap();
    Recorded {
        bytes: std::fs::read(path).unwrap(),
        length_ms: u64::from(tone_s + silence_s) * 1_000,
    }
}

/// A record, and the hearing that it is of.
async fn record(dir: &Path) -> (RecordSpool, HearingId) {
    let source = KeySource::File(dir.join("master.key"));
    let master = MasterKey::load_or_create(&source).await.unwrap();
    let spool = RecordSpool::new(dir.join("record"), Arc::new(master));
    let hearing = HearingId::generate();
    spool.keys().create(hearing).unwrap();
    (spool, hearing)
}

/// A microphone's file, begun and still empty.
fn begun(
    spool: &RecordSpool,
    hearing: HearingId,
    participant: ParticipantId,
) -> (SegmentFacts, SegmentWriter) {
    let facts = SegmentFacts {
        segment: SegmentId::generate(),
        hearing,
        participant,
        source: "microphone".to_owned(),
        codec: "opus".to_owned(),
        starts_ms: STARTS_MS,
    };
    let writer = spool.open_segment(facts.clone()).unwrap();
    (facts, writer)
}

/// Appends `sound` from its `from`th to its `to`th part of a hundred, in small chunks.
fn append(writer: &mut SegmentWriter, sound: &Recorded, from: usize, to: usize) {
    let len = sound.bytes.len();
    let part = |percent: usize| len * percent / 100;
    for chunk in sound.bytes[part(from)..part(to)].chunks(1_500) {
        let written = writer.acknowledged().len + chunk.len() as u64;
        let ends_ms = STARTS_MS + sound.length_ms * written / len as u64;
        writer.append(chunk, ends_ms).unwrap();
    }
}
