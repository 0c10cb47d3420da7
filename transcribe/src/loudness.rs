//! How loud a recording is from moment to moment, for a waveform.

use std::{
    sync::mpsc::{self, SyncSender},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    decode::{DecodeError, PcmSink, TailDecoder},
    segments::SAMPLE_RATE_HZ,
};

/// Values for each second of sound.
pub const LEVELS_PER_SECOND: u64 = 10;
const SAMPLES_PER_LEVEL: u64 = SAMPLE_RATE_HZ / LEVELS_PER_SECOND;
/// What stands as 0, in dBFS: quieter than the noise of a room with a microphone in it.
const FLOOR_DB: f32 = -60.0;
/// Longer than any sitting: a file that claims more is not believed.
const MOST_LEVELS: usize = 48 * 60 * 60 * LEVELS_PER_SECOND as usize;
/// Ten minutes of sound are decoded in about a second; a decoder that takes so long hangs.
const STALL: Duration = Duration::from_secs(30);

/// How loud a piece of a WebM file with Opus is, from the beginning of the file to the end of the
/// piece: for each 100 ms the loudest sample, 0 at -60 dBFS and below, 255 at 0 dBFS, in even steps
/// of decibels. The piece is the file's header and whole clusters; where it has no sound is 0.
/// Blocks until it is decoded.
///
/// # Errors
/// Those of the decoder.
pub fn loudness(piece: Bytes) -> Result<Vec<u8>, DecodeError> {
    let (levels, decoded) = mpsc::sync_channel(1);
    let decoder = TailDecoder::start(Meter {
        peaks: Vec::new(),
        told: levels,
    })?;
    decoder.push(piece)?;
    decoder.finish();
    decoded
        .recv_timeout(STALL)
        .unwrap_or_else(|_| Err(DecodeError::Damaged("the decoder hangs".to_owned())))
}

struct Meter {
    peaks: Vec<f32>,
    told: SyncSender<Result<Vec<u8>, DecodeError>>,
}

impl PcmSink for Meter {
    fn samples(&mut self, at: u64, samples: &[f32]) {
        for (n, sample) in (at..).zip(samples) {
            let place = usize::try_from(n / SAMPLES_PER_LEVEL).unwrap_or(usize::MAX);
            if place >= MOST_LEVELS {
                return;
            }
            if place >= self.peaks.len() {
                self.peaks.resize(place + 1, 0.0);
            }
            self.peaks[place] = self.peaks[place].max(sample.abs());
        }
    }

    fn ended(&mut self, outcome: Result<(), DecodeError>) {
        // Whoever asked may have given up.
        let levels = self.peaks.iter().copied().map(level).collect();
        let _gone = self.told.send(outcome.map(|()| levels));
    }
}

fn level(peak: f32) -> u8 {
    let db = 20.0 * peak.log10();
    (255.0 * (1.0 - db / FLOOR_DB)).clamp(0.0, 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_even_steps_of_decibels() {
        assert_eq!(level(0.0), 0);
        assert_eq!(level(0.001), 0);
        assert_eq!(level(0.031_622_8), 128);
        assert_eq!(level(1.0), 255);
        assert_eq!(level(2.0), 255);
    }
}
