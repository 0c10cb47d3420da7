//! How many bits each track may have, so that one sender does not fill everybody's line.

use super::allowance::Allowance;
use crate::{Layer, MAX_LAYERS};
use std::time::{Duration, Instant};

/// A track may overdraw its rate by what the rate gives in this time: a key frame is five to ten
/// times a delta frame.
const BURST: Duration = Duration::from_secs(2);
/// A layer stops so much later than the next larger one: a small picture is better than none.
const RESERVE: Duration = Duration::from_millis(250);

/// What has come of one track: all of its layers together.
#[derive(Debug, Default)]
pub(super) struct TrackRate {
    allowance: Option<Allowance>,
    layers: [LayerState; MAX_LAYERS],
}

#[derive(Debug, Clone, Copy, Default)]
struct LayerState {
    /// Its packets are dropped until a key frame comes that there is room for.
    held: bool,
    /// The RTP time of the picture that came last.
    picture: Option<u32>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It goes on.
    Passes,
    /// It begins a layer that was held: to everybody behind, a new stream.
    PassesAgain,
    /// It is dropped.
    Dropped,
    /// It is dropped, and there would be room for a key frame.
    Awaits,
}

/// A packet of a track, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) layer: Layer,
    /// The RTP time, and whether a key frame begins; nothing for sound, which may be dropped at
    /// any packet.
    pub(super) picture: Option<(u32, bool)>,
    /// How long the track's rate takes for it.
    pub(super) cost: Duration,
}

impl TrackRate {
    /// Decides about one packet. Pictures are dropped whole, from the first packet of one to the
    /// key frame that begins the next.
    pub(super) fn take(&mut self, arrival: Arrival, now: Instant) -> Passage {
        let allowance = self.allowance.get_or_insert_with(|| Allowance::new(now));
        let overdrawn = allowance.overdrawn(now);
        let Some((picture, starts_keyframe)) = arrival.picture else {
            if overdrawn >= BURST {
                return Passage::Dropped;
            }
            allowance.spend(arrival.cost, now);
            return Passage::Passes;
        };
        let state = &mut self.layers[arrival.layer.index()];
        if state.held {
            if overdrawn > BURST / 2 {
                return Passage::Dropped;
            }
            if !starts_keyframe {
                return Passage::Awaits;
            }
            *state = LayerState::default();
            state.picture = Some(picture);
            allowance.spend(arrival.cost, now);
            return Passage::PassesAgain;
        }
        let most = BURST + RESERVE * (MAX_LAYERS - 1 - arrival.layer.index()) as u32;
        let begins = state.picture.replace(picture) != Some(picture);
        // Whoever never ends a picture is cut off all the same.
        if overdrawn >= most && (begins || overdrawn >= most + BURST) {
            state.held = true;
            return Passage::Dropped;
        }
        allowance.spend(arrival.cost, now);
        Passage::Passes
    }
}

/// How long a rate takes for so many bytes.
pub(super) fn cost(bytes: usize, rate_bps: u64) -> Duration {
    Duration::from_secs(bytes as u64 * 8) / u32::try_from(rate_bps).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_BPS: u64 = 1_000_000;

    /// Sends pictures of ten packets of 1,250 bytes, 100 kbit, at 25 in a second: 2.5 times the
    /// rate. A key frame comes one second after it was asked for. Returns what passed of each.
    fn pictures(rate: &mut TrackRate, layer: usize, count: u32) -> Vec<usize> {
        let start = Instant::now();
        let mut asked = None;
        (0..count)
            .map(|number| {
                let now = start + Duration::from_millis(40) * number;
                let keyframe = asked.is_some_and(|at| now >= at + Duration::from_secs(1));
                (0..10)
                    .filter(|packet| {
                        let arrival = Arrival {
                            layer: Layer::at(layer),
                            picture: Some((number * 3_600, keyframe && *packet == 0)),
                            cost: cost(1_250, RATE_BPS),
                        };
                        match rate.take(arrival, now) {
                            Passage::Passes => true,
                            Passage::PassesAgain => {
                                asked = None;
                                true
                            }
                            Passage::Dropped => false,
                            Passage::Awaits => {
                                asked = asked.or(Some(now));
                                false
                            }
                        }
                    })
                    .count()
            })
            .collect()
    }

    #[test]
    fn a_picture_that_is_too_large_is_dropped_whole_until_a_key_frame() {
        let passed = pictures(&mut TrackRate::default(), 0, 1_000);
        assert!(
            passed.iter().all(|packets| [0, 10].contains(packets)),
            "{passed:?}"
        );
        let bits = passed.iter().sum::<usize>() * 10_000;
        assert!(bits <= 40 * 1_000_000 + 2_600_000, "{bits} in 40 s");
        assert!(bits >= 25 * 1_000_000, "{bits} in 40 s");
    }

    #[test]
    fn sound_within_its_rate_is_never_dropped() {
        let mut rate = TrackRate::default();
        let start = Instant::now();
        for number in 0..10_000 {
            let arrival = Arrival {
                layer: Layer::SMALLEST,
                picture: None,
                cost: cost(2_500, RATE_BPS),
            };
            let now = start + Duration::from_millis(20) * number;
            assert_eq!(rate.take(arrival, now), Passage::Passes);
        }
    }

    #[test]
    fn the_largest_layer_stops_first() {
        let mut rate = TrackRate::default();
        let now = Instant::now();
        let mut passed = [0; MAX_LAYERS];
        for picture in 0..1_000 {
            for layer in Layer::ALL {
                let arrival = Arrival {
                    layer,
                    picture: Some((picture, false)),
                    cost: cost(1_250, RATE_BPS),
                };
                passed[layer.index()] += usize::from(rate.take(arrival, now) == Passage::Passes);
            }
        }
        assert!(passed[0] > passed[1] && passed[1] > passed[2], "{passed:?}");
    }

    #[test]
    fn a_picture_that_never_ends_is_cut_off() {
        let mut rate = TrackRate::default();
        let now = Instant::now();
        let arrival = Arrival {
            layer: Layer::SMALLEST,
            picture: Some((0, false)),
            cost: cost(1_250, RATE_BPS),
        };
        let passed = (0..10_000)
            .filter(|_| rate.take(arrival, now) == Passage::Passes)
            .count();
        assert_eq!(passed, 450);
    }
}
