//! A G.722 decoder (64 kbit/s), for recorded prompts that come in no other 16 kHz form.
//!
//! Written from ITU-T Recommendation G.722 (09/2012): two sub-bands of adaptive differential
//! PCM, joined by a 24-tap quadrature mirror filter. One octet gives two samples at 16 kHz.

/// Table 14 of the recommendation: the inverse of the 6-bit lower-band quantiser.
const LOW_6_BIT: [i32; 64] = [
    -17, -17, -17, -17, -3101, -2738, -2376, -2088, -1873, -1689, -1535, -1399, -1279, -1170,
    -1072, -982, -899, -822, -750, -682, -618, -558, -501, -447, -396, -347, -300, -254, -211,
    -170, -130, -91, 3101, 2738, 2376, 2088, 1873, 1689, 1535, 1399, 1279, 1170, 1072, 982, 899,
    822, 750, 682, 618, 558, 501, 447, 396, 347, 300, 254, 211, 170, 130, 91, 54, 17, -54, -17,
];
/// Table 17: the inverse of the 4-bit quantiser that drives the lower band's predictor.
const LOW_4_BIT: [i32; 16] = [
    0, -2557, -1612, -1121, -786, -530, -323, -150, 2557, 1612, 1121, 786, 530, 323, 150, 0,
];
/// Table 20: the inverse of the 2-bit upper-band quantiser.
const HIGH_2_BIT: [i32; 4] = [-926, -202, 926, 202];
/// Table 21: logarithmic steps of the lower band's scale factor.
const LOW_STEPS: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
/// Table 22: logarithmic steps of the upper band's scale factor.
const HIGH_STEPS: [i32; 2] = [798, -214];
/// Table 23: the antilogarithm.
const ANTILOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Table 11: half of the symmetric mirror filter.
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decodes a whole stream of octets to 16 kHz samples, two for each octet.
pub(super) fn decode(octets: &[u8]) -> Vec<i16> {
    let mut low = Band::new(8, 18_432, 8);
    let mut high = Band::new(2, 22_528, 10);
    let mut history = [0_i32; 24];
    let mut samples = Vec::with_capacity(octets.len() * 2);
    for octet in octets {
        let high_code = usize::from(octet >> 6);
        let low_code = usize::from(octet & 0x3f);

        let low_sample = fifteen_bits(((low.scale * LOW_6_BIT[low_code]) >> 10) + low.predicted);
        low.adapt(
            (low.scale * LOW_4_BIT[low_code >> 2]) >> 10,
            LOW_STEPS[low_code >> 2],
        );

        let high_difference = (high.scale * HIGH_2_BIT[high_code]) >> 10;
        let high_sample = fifteen_bits(high_difference + high.predicted);
        high.adapt(high_difference, HIGH_STEPS[high_code & 1]);

        history.copy_within(2.., 0);
        history[22] = low_sample + high_sample;
        history[23] = low_sample - high_sample;
        let (mut first, mut second) = (0, 0);
        for (tap, pair) in history.chunks_exact(2).enumerate() {
            second += pair[0] * MIRROR[tap];
            first += pair[1] * MIRROR[11 - tap];
        }
        samples.push(sixteen_bits(first >> 11));
        samples.push(sixteen_bits(second >> 11));
    }
    samples
}

/// One sub-band's adaptive predictor (two poles, six zeros) and quantiser scale.
struct Band {
    predicted: i32,
    zeros_sum: i32,
    negative_before: [bool; 2],
    previous: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    differences: [i32; 6],
    log_scale: i32,
    scale: i32,
    log_limit: i32,
    scale_offset: i32,
}

impl Band {
    fn new(scale: i32, log_limit: i32, scale_offset: i32) -> Self {
        Self {
            predicted: 0,
            zeros_sum: 0,
            negative_before: [false; 2],
            previous: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            log_scale: 0,
            scale,
            log_limit,
            scale_offset,
        }
    }

    fn adapt(&mut self, difference: i32, log_step: i32) {
        self.predict(difference);
        self.log_scale = (((self.log_scale * 127) >> 7) + log_step).clamp(0, self.log_limit);
        let log = self.log_scale - (self.scale_offset << 11);
        let mantissa = ANTILOG[((log >> 6) & 31) as usize];
        let shift = log >> 11;
        self.scale = if shift < 0 {
            mantissa >> -shift
        } else {
            mantissa << shift
        };
    }

    fn predict(&mut self, difference: i32) {
        let negative = self.zeros_sum + difference < 0;
        let first_sign = if negative == self.negative_before[0] {
            -1
        } else {
            1
        };
        let second_sign = if negative == self.negative_before[1] {
            1
        } else {
            -1
        };
        self.negative_before = [negative, self.negative_before[0]];

        self.poles[1] = (((first_sign * self.poles[0].clamp(-8191, 8191)) >> 5)
            + second_sign * 128
            + ((self.poles[1] * 127) >> 7))
            .clamp(-12_288, 12_288);
        let limit = 15_360 - self.poles[1];
        self.poles[0] = (-192 * first_sign + ((self.poles[0] * 255) >> 8)).clamp(-limit, limit);

        self.zeros_sum = 0;
        for tap in (0..6).rev() {
            let step = match (difference, (self.differences[tap] ^ difference) < 0) {
                (0, _) => 0,
                (_, true) => -128,
                (_, false) => 128,
            };
            self.zeros[tap] = ((self.zeros[tap] * 255) >> 8) + step;
            self.differences[tap] = if tap == 0 {
                difference * 2
            } else {
                self.differences[tap - 1]
            };
            self.zeros_sum += (self.differences[tap] * self.zeros[tap]) >> 15;
        }

        let rebuilt = i32::from(sixteen_bits((self.predicted + difference) * 2));
        self.predicted = i32::from(sixteen_bits(
            self.zeros_sum
                + ((self.poles[0] * rebuilt) >> 15)
                + ((self.poles[1] * self.previous) >> 15),
        ));
        self.previous = rebuilt;
    }
}

fn fifteen_bits(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

fn sixteen_bits(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn every_code_decodes_as_by_an_independent_decoder() {
        let octets: Vec<u8> = (0..8).flat_map(|_| 0..=255).collect();
        let samples: Vec<u8> = decode(&octets)
            .into_iter()
            .flat_map(i16::to_le_bytes)
            .collect();
        assert_eq!(samples.len(), octets.len() * 4);
        // ffmpeg 5.1: `ffmpeg -f g722 -i - -f s16le -ac 1 -ar 16000 -` of the same octets.
        assert_eq!(
            hex::encode(Sha256::digest(&samples)),
            "5c7f5e6c458aeb295a1812d478afa764b902d9524af7547a375cb0a4fc1eaafe"
        );
    }
}
