//! The layers that a sender has of one track, and which of them arrive.

use crate::{Layer, MAX_LAYERS};
use std::time::{Duration, Instant};
use str0m::media::Rid;

/// A layer from which nothing came for so long, while another layer goes on, has been given up by
/// its sender: cameras send at least five pictures a second in each layer.
const STALLED: Duration = Duration::from_millis(400);

/// All encodings of a track.
#[derive(Debug, Clone)]
pub(super) struct Encodings {
    /// The names of the layers from the smallest; empty for a track of one encoding.
    rids: Vec<Rid>,
    layers: [Encoding; MAX_LAYERS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Encoding {
    heard: Option<Instant>,
    rate: Rate,
}

/// Which layer serves whom at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Best([Layer; MAX_LAYERS]);

impl Best {
    /// The layer to be sent to somebody who can have at most `most`.
    pub(super) fn up_to(&self, most: Layer) -> Layer {
        self.0[most.index()]
    }
}

impl Encodings {
    pub(super) fn new(rids: Vec<Rid>) -> Self {
        Self {
            rids,
            layers: [Encoding::default(); MAX_LAYERS],
        }
    }

    pub(super) fn rids(&self) -> &[Rid] {
        &self.rids
    }

    /// How many layers there are.
    pub(super) fn count(&self) -> usize {
        self.rids.len().clamp(1, MAX_LAYERS)
    }

    /// The largest layer.
    pub(super) fn largest(&self) -> Layer {
        Layer::at(self.count() - 1)
    }

    /// Which layer the sender calls `rid`.
    pub(super) fn layer_of(&self, rid: Option<Rid>) -> Option<Layer> {
        if self.rids.is_empty() {
            return Some(Layer::SMALLEST);
        }
        let index = self.rids.iter().position(|known| Some(*known) == rid)?;
        (index < MAX_LAYERS).then(|| Layer::at(index))
    }

    /// Notes a packet.
    pub(super) fn received(&mut self, layer: Layer, bytes: usize, now: Instant) {
        let encoding = &mut self.layers[layer.index()];
        encoding.heard = Some(now);
        encoding.rate.add(bytes, now);
    }

    /// The stack noticed that `layer` has stopped. True: no layer is left.
    pub(super) fn paused(&mut self, layer: Layer) -> bool {
        self.layers[layer.index()].heard = None;
        self.layers.iter().all(|encoding| encoding.heard.is_none())
    }

    /// The best that arrives for each size that somebody may have: the largest layer up to that
    /// size, or else the smallest of all that arrive.
    pub(super) fn best(&self, now: Instant) -> Best {
        let arrives = |layer: &Layer| {
            self.layers[layer.index()]
                .heard
                .is_some_and(|heard| now.saturating_duration_since(heard) < STALLED)
        };
        let smallest = Layer::ALL.into_iter().find(arrives).unwrap_or_default();
        let mut best = [smallest; MAX_LAYERS];
        for most in &Layer::ALL[1..] {
            best[most.index()] = if arrives(most) {
                best[most.index() - 1].max(*most)
            } else {
                best[most.index() - 1]
            };
        }
        Best(best)
    }

    /// What each layer needs, in bit/s: as measured, or else as `nominal`.
    pub(super) fn needs_bps(&self, nominal: &[u64; MAX_LAYERS]) -> [u64; MAX_LAYERS] {
        let mut needs = [0; MAX_LAYERS];
        for layer in Layer::ALL {
            let real = layer.min(self.largest());
            // A lone encoding may be of any size: until it was measured, of a middle one.
            let assumed = if self.count() == 1 {
                nominal[1]
            } else {
                nominal[real.index()]
            };
            let measured = self.layers[real.index()].rate.bps();
            needs[layer.index()] = measured.unwrap_or(assumed);
        }
        // A layer never needs less than a smaller one; a sender that starts has odd rates.
        for index in 1..MAX_LAYERS {
            needs[index] = needs[index].max(needs[index - 1]);
        }
        needs
    }
}

/// Bits in a second, measured over the last seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    since: Option<Instant>,
    bytes: usize,
    bps: Option<u64>,
}

impl Rate {
    /// Long enough to even out the steps between frames.
    const INTERVAL: Duration = Duration::from_millis(500);
    /// A break this long says nothing about the rate before and after it.
    const BREAK: Duration = Duration::from_millis(1_500);

    pub(super) fn add(&mut self, bytes: usize, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed > Self::BREAK {
            self.since = Some(now);
            self.bytes = bytes;
            return;
        }
        if elapsed >= Self::INTERVAL {
            let bits = self.bytes as u64 * 8;
            let fresh = bits * 1_000_000 / (elapsed.as_micros() as u64).max(1);
            // Half old, half new: two seconds for a change to be seen whole.
            self.bps = Some(self.bps.map_or(fresh, |old| old.midpoint(fresh)));
            self.since = Some(now);
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    /// Nothing before the first interval is over.
    pub(super) fn bps(&self) -> Option<u64> {
        self.bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Encodings {
        Encodings::new(["q", "h", "f"].map(Rid::from).to_vec())
    }

    #[test]
    fn a_layer_that_stays_away_is_replaced_by_the_next() {
        let mut encodings = three();
        let start = Instant::now();
        for layer in Layer::ALL {
            encodings.received(layer, 100, start);
        }
        assert_eq!(encodings.best(start).up_to(Layer::at(2)), Layer::at(2));
        assert_eq!(encodings.best(start).up_to(Layer::at(1)), Layer::at(1));

        let later = start + Duration::from_millis(500);
        encodings.received(Layer::at(0), 100, later);
        encodings.received(Layer::at(1), 100, later);
        assert_eq!(encodings.best(later).up_to(Layer::at(2)), Layer::at(1));

        assert!(!encodings.paused(Layer::at(1)));
        assert_eq!(encodings.best(later).up_to(Layer::at(2)), Layer::at(0));
        assert!(!encodings.paused(Layer::at(2)));
        assert!(encodings.paused(Layer::at(0)));
    }

    #[test]
    fn somebody_who_may_have_only_the_smallest_gets_a_larger_one_if_it_is_all_there_is() {
        let mut encodings = three();
        let start = Instant::now();
        encodings.received(Layer::at(1), 100, start);
        assert_eq!(encodings.best(start).up_to(Layer::SMALLEST), Layer::at(1));
    }

    #[test]
    fn a_rate_is_measured_in_a_second() {
        let mut rate = Rate::default();
        let start = Instant::now();
        for packet in 0..100 {
            rate.add(1_250, start + Duration::from_millis(10) * packet);
        }
        let bps = rate.bps().expect("measured");
        assert!((950_000..=1_050_000).contains(&bps), "{bps}");
    }
}
