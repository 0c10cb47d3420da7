//! Stretches of the record, joined where they touch.

/// What lies closer together was heard as one: files have gaps where packets were lost.
const TOUCHING_MS: u64 = 2_000;
/// More stretches than this become one from the first to the last: rather more than was heard than
/// less, and never a log that a listener can make grow.
const MOST: usize = 32;

/// From and to, in milliseconds, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Stretches(Vec<(u64, u64)>);

impl Stretches {
    pub(super) fn add(&mut self, mut from: u64, mut to: u64) {
        self.0.retain(|(begins, ends)| {
            let touches = from <= ends + TOUCHING_MS && *begins <= to + TOUCHING_MS;
            if touches {
                (from, to) = (from.min(*begins), to.max(*ends));
            }
            !touches
        });
        self.0.push((from, to));
        self.0.sort_unstable();
        if self.0.len() > MOST {
            let ends = self.0.iter().map(|(_, to)| *to).max().unwrap_or(to);
            self.0 = vec![(self.0[0].0, ends)];
        }
    }

    pub(super) fn into_vec(self) -> Vec<(u64, u64)> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_is_one_stretch_in_whatever_order_it_was_sent() {
        let mut stretches = Stretches::default();
        for (from, to) in [
            (0, 10_000),
            (60_000, 70_000),
            (20_000, 30_000),
            (9_000, 20_500),
        ] {
            stretches.add(from, to);
        }
        assert_eq!(stretches.into_vec(), [(0, 30_000), (60_000, 70_000)]);
    }

    #[test]
    fn a_listener_who_jumps_about_makes_one_long_stretch_and_no_long_log() {
        let mut stretches = Stretches::default();
        for at in 0..=MOST as u64 {
            stretches.add(at * 100_000, at * 100_000 + 10_000);
        }
        let last = MOST as u64 * 100_000 + 10_000;
        assert_eq!(stretches.into_vec(), [(0, last)]);
    }
}
