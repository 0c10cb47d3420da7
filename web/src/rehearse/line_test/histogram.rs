//! Many durations in little room.

use std::time::Duration;

/// Parts of each doubling: a percentile is at most 1/16 too high.
const PARTS: usize = 16;
/// From 1 µs to over an hour.
const DOUBLINGS: usize = 32;

/// How often which duration was seen, in µs, finer where they are short.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; PARTS * DOUBLINGS],
            total: 0,
        }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let place = place(duration.as_micros().clamp(1, u32::MAX.into()) as u64);
        self.counts[place] += 1;
        self.total += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The duration that this share of all does not exceed; nothing without any.
    pub(super) fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(Duration::from_micros(upper(place)));
            }
        }
        None
    }
}

fn place(micros: u64) -> usize {
    let doubling = micros.ilog2() as usize;
    let base = 1_u64 << doubling;
    let part = ((micros - base) * PARTS as u64 / base) as usize;
    doubling * PARTS + part
}

/// The largest number of µs at a place.
fn upper(place: usize) -> u64 {
    let base = 1_u64 << (place / PARTS);
    base + base * (place % PARTS + 1) as u64 / PARTS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_sixteenth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), None);
        for ms in 1..=1000 {
            histogram.add(Duration::from_millis(ms));
        }
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.percentile(share).unwrap().as_secs_f64() * 1_000.0;
            assert!((1.0..1.07).contains(&(found / ms)), "{share}: {found}");
        }
    }
}
