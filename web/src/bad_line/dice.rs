//! Chance that a seed repeats.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): eight
/// bytes of state, and the same course for the same seed on every machine.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// At least 0 and below 1.
    pub(super) fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The 53 bits that a double holds exactly.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of all cases.
    pub(super) fn falls(&mut self, share: f64) -> bool {
        // Asked also for 0, so that the course does not depend on which knobs are set.
        self.share() < share
    }
}
