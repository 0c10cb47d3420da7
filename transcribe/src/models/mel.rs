//! The mel filter bank that whisper.cpp expects inside the model file.

/// Frequency bins of a 400-point transform: n / 2 + 1.
pub(super) const N_BINS: usize = 201;

const SAMPLE_RATE_HZ: f64 = 16_000.0;
const N_FFT: f64 = 400.0;

/// Slaney's scale: linear to 1 kHz in steps of 200/3 Hz, logarithmic above.
const LINEAR_STEP_HZ: f64 = 200.0 / 3.0;
const LOG_FROM_HZ: f64 = 1_000.0;

/// `n_mels` rows of [`N_BINS`] weights, bit-equal to OpenAI's `mel_filters.npz`.
///
/// Equality is to the bit, so the operations keep the order, and the two roundings to f32,
/// of librosa's `filters.mel`, which made that file.
pub(super) fn filter_bank(n_mels: usize) -> Vec<f32> {
    let edges_hz = edges_hz(n_mels);
    let bin_step_hz = 1.0 / (N_FFT * (1.0 / SAMPLE_RATE_HZ));
    let mut bank = Vec::with_capacity(n_mels * N_BINS);
    for row in edges_hz.windows(3) {
        let (left, centre, right) = (row[0], row[1], row[2]);
        let area = 2.0 / (right - left);
        for bin in 0..N_BINS {
            let hz = bin as f64 * bin_step_hz;
            let rising = -(left - hz) / (centre - left);
            let falling = (right - hz) / (right - centre);
            let weight = rising.min(falling).max(0.0) as f32;
            bank.push((f64::from(weight) * area) as f32);
        }
    }
    // The published bank has a negative zero at 0 Hz; what `max` makes of one is left open.
    if let Some(first) = bank.first_mut() {
        *first = -0.0;
    }
    bank
}

/// The `n_mels + 2` corners of the triangles.
fn edges_hz(n_mels: usize) -> Vec<f64> {
    let log_from_mel = LOG_FROM_HZ / LINEAR_STEP_HZ;
    let log_step = 6.4_f64.ln() / 27.0;
    let top_mel = log_from_mel + (SAMPLE_RATE_HZ / 2.0 / LOG_FROM_HZ).ln() / log_step;
    let intervals = n_mels + 1;
    let step = top_mel / intervals as f64;
    (0..=intervals)
        .map(|index| {
            let mel = if index == intervals {
                top_mel
            } else {
                index as f64 * step
            };
            if mel >= log_from_mel {
                LOG_FROM_HZ * (log_step * (mel - log_from_mel)).exp()
            } else {
                LINEAR_STEP_HZ * mel
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn sha256(bank: &[f32]) -> String {
        let bytes: Vec<u8> = bank.iter().flat_map(|w| w.to_le_bytes()).collect();
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn both_sizes_are_equal_to_openai_s_to_the_bit() {
        assert_eq!(
            sha256(&filter_bank(80)),
            "4f2701b1d287d74a0dc9871026e9519d98cb76426615f2539b0d151a0ae4ec2e"
        );
        assert_eq!(
            sha256(&filter_bank(128)),
            "2a5f9822897750e047c85dea37cc268d3be0ecfd23c28a5f10da129d99d05afe"
        );
    }
}
