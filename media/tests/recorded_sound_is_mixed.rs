//! Files that were recorded at the same time become one in which each is heard at its time.

#![expect(
    clippy::unwrap_used,
    reason = "a test says by panicking that the machine it needs is not there"
)]

mod recording;

use otyrys_media::recorder::mix_sound;
use recording::*;
use std::process::Command;
use std::time::Duration;

/// The loudness of a file as ffmpeg decodes it: mean square of each 100 ms.
fn loudness(path: &std::path::Path) -> Vec<f64> {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "s16le", "-ar", "8000", "-ac", "1", "-"])
        .output()
        .unwrap();
    assert!(decoded.status.success(), "{decoded:?}");
    let samples: Vec<f64> = decoded
        .stdout
        .chunks_exact(2)
        .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])))
        .collect();
    let mean = |part: &[f64]| part.iter().map(|sample| sample * sample).sum::<f64>() / 800.0;
    samples.chunks(800).map(mean).collect()
}

#[test]
fn each_file_is_heard_at_its_time_and_together_they_are_louder() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = record(sound(2)).file.bytes();
    let files: Vec<_> = [0, 1_000, 5_000]
        .map(|begins| {
            let path = folder.path().join(format!("{begins}.webm"));
            std::fs::write(&path, &bytes).unwrap();
            (path, Duration::from_millis(begins))
        })
        .into();
    let mixed = folder.path().join("room.ogg");
    mix_sound(&files, &mixed).unwrap();
    let loudness = loudness(&mixed);
    assert!(loudness.len().abs_diff(70) <= 2, "{}", loudness.len());
    let mean = |from: usize, to: usize| {
        let part = &loudness[from..to];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let (alone, both, nobody, later) = (mean(2, 9), mean(12, 19), mean(33, 48), mean(52, 68));
    assert!(both > 1.4 * alone, "{alone} {both}");
    assert!(nobody < 0.001 * alone, "{alone} {nobody}");
    assert!((0.5..2.0).contains(&(later / alone)), "{alone} {later}");
}

#[test]
fn a_file_that_is_none_is_an_error_and_not_a_hang() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.webm");
    std::fs::write(&path, b"no sound").unwrap();
    let mixed = folder.path().join("room.ogg");
    assert!(mix_sound(&[(path, Duration::ZERO)], &mixed).is_err());
}
