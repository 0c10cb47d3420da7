//! Layers of a picture, and how much of one a page shows.

/// The most layers that a sender may have: three halvings of a camera's picture.
pub const MAX_LAYERS: usize = 3;

/// One encoding of a picture that is sent in several sizes at once (simulcast, RFC 8853). 0 is the
/// smallest. A picture that is sent in one size has layer 0 only; so has sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Layer(u8);

impl Layer {
    /// The smallest.
    pub const SMALLEST: Self = Self(0);

    /// All layers, from the smallest.
    pub const ALL: [Self; MAX_LAYERS] = [Self(0), Self(1), Self(2)];

    /// The layer at `index`, counted from the smallest; the largest one for an index beyond.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self::ALL[index.min(MAX_LAYERS - 1)]
    }

    /// Its place, from the smallest.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How much of a picture a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum View {
    /// Not at all: scrolled away, or behind another page. Nothing is sent.
    Hidden,
    /// Small, as one of many. The largest layer is not sent, if there are several.
    Tile,
    /// Large. The best layer is sent that the line carries.
    #[default]
    Stage,
}

/// What a page does with one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    /// How much of it is seen.
    pub view: View,
    /// Whether the person asked to keep seeing it.
    pub pinned: bool,
}
