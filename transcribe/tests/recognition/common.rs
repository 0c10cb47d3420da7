//! Real speech, as files of the recorder's kind, for the tests of recognition.

#![expect(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed"
)]

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use otyrys_transcribe::{
    FeedId, FeedInfo, Language, Line, Recogniser, RecogniserConfig, RecogniserEvent,
};
use tokio::sync::mpsc::Receiver;

pub(crate) fn cache() -> PathBuf {
    std::env::var_os("OTYRYS_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/otyrys"),
        PathBuf::from,
    )
}

fn present(path: PathBuf, how: &str) -> PathBuf {
    assert!(path.exists(), "{} is not there: {how}", path.display());
    path
}

pub(crate) fn base_model() -> PathBuf {
    let path = cache().join("models/ggml-base.bin");
    present(path, "run `otyrys model fetch base`")
}

/// One utterance of a man reading Russian, with the times in which he truly speaks.
pub(crate) struct Utterance {
    pub(crate) text: String,
    pub(crate) samples: Vec<f32>,
    pub(crate) speech_start_ms: u64,
    pub(crate) speech_end_ms: u64,
}

/// The first `count` utterances of Debian's festvox-ru that take at most 7 s.
pub(crate) fn russian(count: usize) -> Vec<Utterance> {
    let short = |utterance: &Utterance| utterance.samples.len() <= 7 * 16_000;
    read(short, count)
}

/// The first `count` that take so many seconds.
pub(crate) fn russian_of(seconds: RangeInclusive<usize>, count: usize) -> Vec<Utterance> {
    let fits = |utterance: &Utterance| seconds.contains(&(utterance.samples.len() / 16_000));
    read(fits, count)
}

/// The first one that takes more than 15 s.
pub(crate) fn long_russian() -> Utterance {
    let long = |utterance: &Utterance| utterance.samples.len() > 15 * 16_000;
    read(long, 1).remove(0)
}

fn read(which: impl Fn(&Utterance) -> bool, count: usize) -> Vec<Utterance> {
    let folder =
        cache().join("speech/festvox-ru/usr/share/festival/voices/russian/msu_ru_nsh_clunits");
    let folder = present(folder, "run tests/speech/fetch.sh");
    let list = fs::read_to_string(folder.join("etc/txt.done.data")).unwrap();
    list.lines()
        .map(|line| {
            let (name, text) = line.trim_start_matches("( ").split_once(' ').unwrap();
            let (start, end) = labelled_speech(&folder.join(format!("lab/{name}.lab")));
            Utterance {
                // `+` marks the stressed vowel.
                text: text.trim_end_matches(" )").replace('+', ""),
                samples: faded(wav(&folder.join(format!("wav/{name}.wav")))),
                speech_start_ms: start,
                speech_end_ms: end,
            }
        })
        .filter(which)
        .take(count)
        .collect()
}

/// Room noise that breaks off sounds like a click: the ends fade within 50 ms.
fn faded(mut samples: Vec<f32>) -> Vec<f32> {
    let last = samples.len() - 1;
    for n in 0..800 {
        let gain = n as f32 / 800.0;
        samples[n] *= gain;
        samples[last - n] *= gain;
    }
    samples
}

/// Some of Debian's asterisk-core-sounds-en: a woman speaking English on a telephone.
pub(crate) fn english(names: &[&str]) -> Vec<Vec<f32>> {
    let folder = cache()
        .join("speech/asterisk-core-sounds-en-wav/usr/share/asterisk/sounds/en_US_f_Allison");
    let folder = present(folder, "run tests/speech/fetch.sh");
    let read = |name: &&str| {
        let samples = wav(&folder.join(format!("{name}.wav")));
        // From 8 to 16 kHz.
        let next = samples.iter().skip(1).chain(samples.last());
        let pairs = samples.iter().zip(next);
        pairs
            .flat_map(|(a, b)| [*a, f32::midpoint(*a, *b)])
            .collect()
    };
    names.iter().map(read).collect()
}

/// First and last sound that is no pause; a label holds the time at which its sound ends.
fn labelled_speech(path: &Path) -> (u64, u64) {
    let text = fs::read_to_string(path).unwrap();
    let labels: Vec<(f64, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.split_whitespace();
            let end = parts.next()?.parse().ok()?;
            Some((end, parts.nth(1)?))
        })
        .collect();
    let sounds = |(_, (_, label)): &(usize, &(f64, &str))| *label != "pau" && *label != "#";
    let (first, _) = labels.iter().enumerate().find(sounds).unwrap();
    let (last, _) = labels.iter().enumerate().rfind(sounds).unwrap();
    let start = if first == 0 { 0.0 } else { labels[first - 1].0 };
    ((start * 1e3) as u64, (labels[last].0 * 1e3) as u64)
}

/// 16 bit, mono: the samples of the `data` chunk.
fn wav(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let mut at = 12;
    loop {
        let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        if &bytes[at..at + 4] == b"data" {
            return bytes[at + 8..at + 8 + size]
                .chunks_exact(2)
                .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
                .collect();
        }
        at += 8 + size + size % 2;
    }
}

/// A streamable WebM file with Opus, as the recorder writes it.
pub(crate) fn webm(samples: &[f32]) -> Vec<u8> {
    webm_with_gap(samples, samples.len(), 0)
}

/// The same, with `gap_ms` of nothing before the sample `at` (a multiple of 1,600).
pub(crate) fn webm_with_gap(samples: &[f32], at: usize, gap_ms: u64) -> Vec<u8> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(
        "appsrc name=in format=time caps=audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved \
         ! audioconvert ! audioresample ! opusenc bitrate=32000 ! webmmux streamable=true \
         ! appsink name=out sync=false",
    )
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let source: AppSrc = pipeline.by_name("in").unwrap().downcast().unwrap();
    let target: AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    source.set_max_bytes(0);
    pipeline.set_state(gst::State::Playing).unwrap();
    for (index, block) in samples.chunks(1_600).enumerate() {
        let bytes: Vec<u8> = block.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_slice(bytes);
        let gap_ms = if index * 1_600 < at { 0 } else { gap_ms };
        let stamp = gst::ClockTime::from_mseconds(index as u64 * 100 + gap_ms);
        buffer.get_mut().unwrap().set_pts(stamp);
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let mut file = Vec::new();
    while let Ok(sample) = target.pull_sample() {
        file.extend_from_slice(&sample.buffer().unwrap().map_readable().unwrap());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    file
}

/// A file that `tests/speech/fetch.sh` brings.
pub(crate) fn speech(path: &Path) -> PathBuf {
    present(
        cache().join("speech").join(path),
        "run tests/speech/fetch.sh",
    )
}

/// The sound of a file that GStreamer reads, 16 kHz mono.
pub(crate) fn recording(path: &Path) -> Vec<f32> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! audioconvert ! audioresample \
         ! audio/x-raw,format=F32LE,rate=16000,channels=1 ! appsink name=out sync=false",
        path.display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let target: AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut samples = Vec::new();
    while let Ok(sample) = target.pull_sample() {
        let bytes = sample.buffer().unwrap().map_readable().unwrap();
        let frames = bytes.chunks_exact(4);
        samples.extend(frames.map(|b| f32::from_le_bytes(b.try_into().unwrap())));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(!samples.is_empty(), "{} has no sound", path.display());
    samples
}

pub(crate) fn silence(ms: usize) -> Vec<f32> {
    vec![0.0; ms * 16]
}

/// A file in which somebody speaks Russian, of a case without names.
pub(crate) fn in_russian() -> FeedInfo {
    FeedInfo {
        language: Language::RUSSIAN,
        names: Vec::new(),
        starts_ms: 0,
        known_until_ms: 0,
    }
}

pub(crate) fn recogniser() -> (Recogniser, Receiver<RecogniserEvent>) {
    recogniser_with(base_model())
}

pub(crate) fn recogniser_with(model: PathBuf) -> (Recogniser, Receiver<RecogniserEvent>) {
    start(model, Vec::new())
}

/// One whose speakers may speak any of these languages.
pub(crate) fn recogniser_of(languages: &[Language]) -> (Recogniser, Receiver<RecogniserEvent>) {
    start(base_model(), languages.to_vec())
}

fn start(model: PathBuf, languages: Vec<Language>) -> (Recogniser, Receiver<RecogniserEvent>) {
    Recogniser::start(RecogniserConfig {
        default_model: model,
        language_models: Default::default(),
        languages,
        workers: 1.try_into().unwrap(),
        beam: 5,
        guesses: true,
    })
    .unwrap()
}

/// All lines and failures of a feed, to its end.
pub(crate) async fn to_the_end(
    events: &mut Receiver<RecogniserEvent>,
    of: FeedId,
) -> (Vec<Line>, Vec<String>) {
    let (mut lines, mut failures) = (Vec::new(), Vec::new());
    loop {
        let event = tokio::time::timeout(Duration::from_secs(120), events.recv());
        match event.await.unwrap().unwrap() {
            RecogniserEvent::Line(line) if line.feed == of => lines.push(line),
            RecogniserEvent::Failed { feed, reason } if feed == of => failures.push(reason),
            RecogniserEvent::FeedFinished { feed } if feed == of => return (lines, failures),
            _ => {}
        }
    }
}
