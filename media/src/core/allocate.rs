//! Which layer of each picture a client's line carries.

use crate::{Layer, MAX_LAYERS};

/// What a layer is taken to need before it was measured, in bit/s: what browsers give the layers
/// of a 720p camera (libwebrtc's `simulcast.cc`).
pub(super) const NOMINAL_BPS: [u64; MAX_LAYERS] = [150_000, 500_000, 1_500_000];
/// Below this a line carries sound alone: a picture of 150 kbit/s beside four voices would make
/// both stutter.
pub(super) const SOUND_ONLY_BELOW_BPS: u64 = 150_000;
/// From here on a line that carried sound alone carries pictures again. Higher, so that an
/// estimate that wavers does not switch them on and off.
pub(super) const PICTURES_AGAIN_BPS: u64 = 200_000;
/// A larger layer must fit with so much to spare, in percent of what it needs: its key frame is
/// several times its delta frames, and the estimate is no promise.
const HEADROOM_PERCENT: u64 = 115;

/// In which order pictures are given up, the last first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Who presides, who speaks, what is being shown.
    First,
    /// What the person wants to keep seeing.
    Pinned,
    Rest,
}

impl Rank {
    const ALL: [Self; 3] = [Self::First, Self::Pinned, Self::Rest];
}

/// One picture that a client is to get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) rank: Rank,
    /// What each layer needs in bit/s. Layers that the sender does not have are as the largest one
    /// that it has.
    pub(super) needs_bps: [u64; MAX_LAYERS],
    /// The best layer that the page can use; nothing if it shows nothing.
    pub(super) most: Option<Layer>,
    /// What it gets now.
    pub(super) now: Option<Layer>,
    /// Whether it is not to become larger now.
    pub(super) held: bool,
}

impl Wish {
    /// The best layer that it can get.
    fn limit(&self) -> Option<Layer> {
        if self.held {
            self.most.min(self.now)
        } else {
            self.most
        }
    }

    /// What it takes to have `layer`.
    fn price(&self, layer: Layer) -> u64 {
        let needs = self.needs_bps[layer.index()];
        if self.now.is_some_and(|now| layer <= now) {
            needs
        } else {
            needs * HEADROOM_PERCENT / 100
        }
    }
}

/// Spends `budget_bps` on pictures, and says in `given` which layer each gets. **The order:** every
/// picture in its smallest layer, by rank; then larger layers, by rank. So the last pictures to go
/// are those of the first rank. Of equal rank, who was there first keeps it.
pub(super) fn allocate(budget_bps: u64, wishes: &[Wish], given: &mut Vec<Option<Layer>>) {
    given.clear();
    given.resize(wishes.len(), None);
    let mut left = budget_bps;
    for (index, wish) in by_rank(wishes) {
        let price = wish.price(Layer::SMALLEST);
        if wish.limit().is_some() && price <= left {
            left -= price;
            given[index] = Some(Layer::SMALLEST);
        }
    }
    for (index, wish) in by_rank(wishes) {
        for layer in &Layer::ALL[1..] {
            let (Some(present), Some(limit)) = (given[index], wish.limit()) else {
                break;
            };
            if *layer > limit {
                break;
            }
            // A layer may be missing between two that are there: its price is the next one's.
            let more = wish.price(*layer).saturating_sub(wish.price(present));
            if more <= left {
                left -= more;
                given[index] = Some(*layer);
            }
        }
    }
}

/// The wishes with their places, by rank.
fn by_rank(wishes: &[Wish]) -> impl Iterator<Item = (usize, &Wish)> {
    Rank::ALL.into_iter().flat_map(move |rank| {
        let all = wishes.iter().enumerate();
        all.filter(move |(_, wish)| wish.rank == rank)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allocate(budget_bps: u64, wishes: &[Wish]) -> Vec<Option<Layer>> {
        let mut given = Vec::new();
        super::allocate(budget_bps, wishes, &mut given);
        given
    }

    fn wish(rank: Rank) -> Wish {
        Wish {
            rank,
            needs_bps: [100_000, 400_000, 1_200_000],
            most: Some(Layer::at(2)),
            now: Some(Layer::at(2)),
            held: false,
        }
    }

    #[test]
    fn the_judge_keeps_the_picture_longest() {
        let wishes = [wish(Rank::Rest), wish(Rank::First), wish(Rank::Pinned)];
        let layers = |budget| {
            allocate(budget, &wishes)
                .into_iter()
                .map(|layer| layer.map(Layer::index))
                .collect::<Vec<_>>()
        };
        assert_eq!(layers(10_000_000), [Some(2), Some(2), Some(2)]);
        assert_eq!(layers(1_700_000), [Some(0), Some(2), Some(1)]);
        assert_eq!(layers(600_000), [Some(0), Some(1), Some(0)]);
        assert_eq!(layers(250_000), [None, Some(0), Some(0)]);
        assert_eq!(layers(150_000), [None, Some(0), None]);
        assert_eq!(layers(50_000), [None, None, None]);
    }

    #[test]
    fn a_tile_does_not_take_what_it_cannot_show() {
        let tile = Wish {
            most: Some(Layer::at(1)),
            ..wish(Rank::First)
        };
        let hidden = Wish {
            most: None,
            ..wish(Rank::First)
        };
        assert_eq!(
            allocate(10_000_000, &[tile, hidden]),
            [Some(Layer::at(1)), None]
        );
    }

    #[test]
    fn going_up_needs_more_than_staying() {
        let low = Wish {
            now: Some(Layer::SMALLEST),
            ..wish(Rank::First)
        };
        assert_eq!(
            allocate(1_250_000, &[wish(Rank::First)]),
            [Some(Layer::at(2))]
        );
        assert_eq!(allocate(1_250_000, &[low]), [Some(Layer::at(1))]);
        assert_eq!(allocate(1_400_000, &[low]), [Some(Layer::at(2))]);
    }

    fn any_wish() -> impl Strategy<Value = Wish> {
        (
            0..3_usize,
            [1_u64..200_000, 200_000..700_000, 700_000..3_000_000],
            proptest::option::of(0..3_usize),
            proptest::option::of(0..3_usize),
        )
            .prop_map(|(rank, needs_bps, most, now)| Wish {
                rank: [Rank::First, Rank::Pinned, Rank::Rest][rank],
                needs_bps,
                most: most.map(Layer::at),
                now: now.map(Layer::at),
                held: false,
            })
    }

    proptest! {
        #[test]
        fn the_budget_holds_and_rank_decides(
            wishes in proptest::collection::vec(any_wish(), 0..12),
            budget in 0_u64..10_000_000,
        ) {
            let given = allocate(budget, &wishes);
            let spent: u64 = wishes
                .iter()
                .zip(&given)
                .filter_map(|(wish, layer)| Some(wish.needs_bps[(*layer)?.index()]))
                .sum();
            prop_assert!(spent <= budget);
            for (wish, layer) in wishes.iter().zip(&given) {
                prop_assert!(*layer <= wish.most);
            }
            // Whoever got nothing could not be helped by taking from a lower rank.
            for (wish, layer) in wishes.iter().zip(&given) {
                if layer.is_none() && wish.most.is_some() {
                    let above: u64 = wishes
                        .iter()
                        .filter(|other| other.rank <= wish.rank && other.most.is_some())
                        .map(|other| other.needs_bps[0] * HEADROOM_PERCENT / 100 + 1)
                        .sum();
                    prop_assert!(above > budget);
                }
            }
        }
    }
}
