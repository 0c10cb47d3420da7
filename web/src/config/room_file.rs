//! One film of the whole session, after it.

use serde::{Deserialize, Serialize};

/// One film of the whole session, after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomFileConfig {
    /// Whether it is made of each hearing that is closed from now on.
    pub enabled: bool,
}

impl Default for RoomFileConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}
