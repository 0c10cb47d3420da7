//! The base model with its matrices rounded to eight bits.

use std::fs;

use otyrys_transcribe::models::{self, ModelError, ModelKind};
use otyrys_transcribe::wer;

use crate::common::{base_model, in_russian, russian, silence, to_the_end, webm};

/// Words of a hundred that may be others than those of the whole model. The two differ by less than
/// that from what was said (docs/benchmarks.md).
const OTHERS: f64 = 0.10;

#[tokio::test]
async fn it_is_half_as_large_and_reads_the_same_words() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("ggml-base-q8_0.bin");
    let info = models::quantize(&base_model(), &small).unwrap();
    assert_eq!((info.kind, info.known), (ModelKind::Base, None));
    let whole = fs::metadata(base_model()).unwrap().len();
    assert!(
        info.size * 100 < whole * 56,
        "{} of {whole} bytes",
        info.size
    );
    assert_eq!(models::check(&small).unwrap(), info);

    let error = models::quantize(&small, &dir.path().join("again")).unwrap_err();
    assert!(matches!(error, ModelError::Quantised { .. }), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is left behind");

    let mut sound = silence(500);
    for utterance in russian(6) {
        sound.extend(&utterance.samples);
        sound.extend(silence(1_500));
    }
    let file = webm(&sound);
    let mut read = Vec::new();
    for model in [base_model(), small] {
        let (recogniser, mut events) = crate::common::recogniser_with(model);
        let feed = recogniser.open_feed(in_russian()).unwrap();
        feed.push(file.clone().into()).unwrap();
        feed.finish();
        let (lines, failures) = to_the_end(&mut events, feed.id()).await;
        recogniser.shutdown().await;
        assert_eq!(failures, [""; 0]);
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        read.push(texts.join(" "));
    }
    let others = wer(&read[0], &read[1]);
    println!("{:.1} % other words", others * 100.0);
    assert!(others <= OTHERS, "{others}: {} / {}", read[0], read[1]);
}
