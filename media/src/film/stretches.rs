//! What was on record, and where it lies in the film.

use super::SAMPLE_RATE;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// An unbroken time on record, in milliseconds of the record clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Its first moment.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
}

/// All times on record, in order. The film has them one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretches(Vec<Stretch>);

impl Stretches {
    /// Stretches that are empty, or begin before the one before has ended, are left out.
    #[must_use]
    pub fn new(stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut kept: Vec<Stretch> = Vec::new();
        for stretch in stretches {
            let free = kept.last().is_none_or(|last| last.to_ms <= stretch.from_ms);
            if free && stretch.from_ms < stretch.to_ms {
                kept.push(stretch);
            }
        }
        Self(kept)
    }

    /// Each stretch with the moment of the film at which it begins, in milliseconds.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Stretch)> {
        let begins = self.0.iter().scan(0, |film_ms, stretch| {
            let begins = *film_ms;
            *film_ms += stretch.to_ms - stretch.from_ms;
            Some(begins)
        });
        begins.zip(self.0.iter().copied())
    }

    /// How long the film is.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let lengths = self.0.iter().map(|stretch| stretch.to_ms - stretch.from_ms);
        Duration::from_millis(lengths.sum())
    }

    /// Where a moment of the record lies in the film; the next moment that is in it, if it is not.
    /// None behind the last one.
    #[must_use]
    pub fn film_ms(&self, record_ms: u64) -> Option<u64> {
        let (begins, stretch) = self.iter().find(|(_, stretch)| record_ms < stretch.to_ms)?;
        Some(begins + record_ms.saturating_sub(stretch.from_ms))
    }

    /// Which moment of the record a moment of the film shows, both in microseconds.
    pub(super) fn record_us(&self, film_us: u64) -> Option<u64> {
        let (begins, stretch) = self
            .iter()
            .filter(|(begins, _)| begins * 1_000 <= film_us)
            .last()?;
        let at = stretch.from_ms * 1_000 + (film_us - begins * 1_000);
        (at < stretch.to_ms * 1_000).then_some(at)
    }

    /// Which samples of the record are heard in these of the film: how far behind the first one of
    /// them, and which.
    pub(super) fn record_samples(&self, film: Range<u64>) -> Vec<(usize, Range<u64>)> {
        const PER_MS: u64 = SAMPLE_RATE / 1_000;
        let heard = self.iter().filter_map(|(begins, stretch)| {
            let begins = begins * PER_MS;
            let ends = begins + (stretch.to_ms - stretch.from_ms) * PER_MS;
            let (from, to) = (film.start.max(begins), film.end.min(ends));
            let shift = |at: u64| stretch.from_ms * PER_MS + (at - begins);
            (from < to).then(|| ((from - film.start) as usize, shift(from)..shift(to)))
        });
        heard.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Stretches {
        let stretch = |from_ms, to_ms| Stretch { from_ms, to_ms };
        Stretches::new([stretch(1_000, 3_000), stretch(10_000, 11_000)])
    }

    #[test]
    fn what_is_off_the_record_is_left_out() {
        let two = two();
        assert_eq!(two.duration(), Duration::from_secs(3));
        let seen = [0, 1_999_999, 2_000_000, 2_999_999, 3_000_000];
        let shown = [
            Some(1_000_000),
            Some(2_999_999),
            Some(10_000_000),
            Some(10_999_999),
            None,
        ];
        assert_eq!(seen.map(|at| two.record_us(at)), shown);
        let said = [0, 2_500, 5_000, 10_500, 11_000];
        let in_film = [Some(0), Some(1_500), Some(2_000), Some(2_500), None];
        assert_eq!(said.map(|at| two.film_ms(at)), in_film);
    }

    #[test]
    fn sound_goes_on_behind_a_gap_without_one_of_its_own() {
        let found = two().record_samples(95_952..96_096);
        assert_eq!(found, [(0, 143_952..144_000), (48, 480_000..480_096)]);
        assert_eq!(two().record_samples(144_000..145_000), []);
    }

    #[test]
    fn stretches_that_overlap_or_are_empty_are_left_out() {
        let stretch = |from_ms, to_ms| Stretch { from_ms, to_ms };
        let kept = Stretches::new([
            stretch(5, 9),
            stretch(8, 12),
            stretch(10, 10),
            stretch(9, 10),
        ]);
        assert_eq!(kept, Stretches(vec![stretch(5, 9), stretch(9, 10)]));
    }
}
