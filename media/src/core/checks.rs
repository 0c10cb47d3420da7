//! ICE checks (STUN binding requests) that were answered, so that none counts twice.
//!
//! The integrity of a check holds as long as the session lives and covers neither address. Who
//! records one, on the same Wi-Fi for example, could send it again from anywhere: from the address
//! of another client, whose media would then be taken for this one's, or from so many addresses
//! that the client's own is forgotten.

use super::stun::TransactionId;

/// A Bloom filter over transaction ids. A browser checks each 2.5 s: after eight hours of hearing
/// one new check in 130 is taken for an old one, which costs a client that changes networks the
/// 2.5 s until its next.
#[derive(Debug, Default)]
pub(super) struct AnsweredChecks {
    /// Made with the first.
    bits: Option<Box<[u64; Self::WORDS]>>,
}

impl AnsweredChecks {
    /// 16 KiB.
    const WORDS: usize = 2_048;
    const BITS: u32 = 17;
    const HASHES: u32 = 4;

    /// Remembers a check for as long as the session lives.
    pub(super) fn insert(&mut self, check: TransactionId) {
        let bits = self.bits.get_or_insert_with(|| Box::new([0; Self::WORDS]));
        for (word, bit) in places(check) {
            bits[word] |= bit;
        }
    }

    /// Whether a check was answered before.
    pub(super) fn contains(&self, check: TransactionId) -> bool {
        self.bits
            .as_ref()
            .is_some_and(|bits| places(check).all(|(word, bit)| bits[word] & bit != 0))
    }
}

/// The id is random already: its bits are the hashes.
fn places(check: TransactionId) -> impl Iterator<Item = (usize, u64)> {
    let mut wide = [0; 16];
    wide[..check.len()].copy_from_slice(&check);
    let id = u128::from_le_bytes(wide);
    (0..AnsweredChecks::HASHES).map(move |hash| {
        let place = (id >> (hash * AnsweredChecks::BITS)) as usize % (1 << AnsweredChecks::BITS);
        (place / 64, 1 << (place % 64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answered_check_is_known_and_a_new_one_is_not() {
        let mut checks = AnsweredChecks::default();
        let id = |seed: u64| {
            let mut id = [0; 12];
            // SplitMix64, as good as random.
            let mut mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            id[..8].copy_from_slice(&mixed.to_le_bytes());
            id[8..].copy_from_slice(&(mixed.rotate_left(29) as u32).to_le_bytes());
            id
        };
        assert!(!checks.contains(id(1)));
        // Eight hours of a check each 2.5 s.
        (0..11_520).for_each(|seed| checks.insert(id(seed)));
        assert!((0..11_520).all(|seed| checks.contains(id(seed))));
        let mistaken = (20_000..30_000)
            .filter(|seed| checks.contains(id(*seed)))
            .count();
        assert!(mistaken < 100, "{mistaken} of 10,000");
    }
}
