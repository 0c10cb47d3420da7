//! What a busy shard does about it.

/// How busy a shard is, in steps. Each step does what the ones before it do, and something more;
/// **sound is never touched**.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Load {
    /// Everybody gets what their line carries.
    #[default]
    Normal,
    /// Pictures come one layer smaller than wanted, but for those that are pinned, whoever
    /// presides, whoever speaks, and what is being shown.
    Raised,
    /// Pinned pictures too.
    High,
    /// All pictures, and nobody new is let in.
    Overload,
}

impl Load {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Raised, Self::High, Self::Overload];

    /// One step worse.
    #[must_use]
    pub fn worse(self) -> Self {
        Self::ALL[(self as usize + 1).min(Self::ALL.len() - 1)]
    }

    /// One step better.
    #[must_use]
    pub fn better(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}
