//! What is known of one client's line.

use super::session::Session;
use crate::{Shown, TrackKey};
use std::collections::HashMap;
use std::time::Instant;

/// What a client's line is used for, and what its page does.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What would be sent if the line carried it.
    pub(super) wished_bps: u64,
    /// Whether it carries sound alone.
    pub(super) sound_only: bool,
    /// No larger layer before this moment: one was given up just now.
    pub(super) hold_until: Option<Instant>,
    /// What the page does with each picture.
    pub(super) shown: HashMap<TrackKey, Shown>,
}

impl Session {
    /// Whether the line was found to carry notably more than `before_bps`, and more was wished.
    pub(super) fn found_more(&self, before_bps: Option<u64>) -> bool {
        match (before_bps, self.egress.estimate_bps()) {
            (Some(before), Some(now)) => now * 10 > before * 11 && before < self.line.wished_bps,
            _ => false,
        }
    }

    /// Whether the line has room for voices that are sent twice (RED). Below this rate the second
    /// copy of three voices would take the place of a picture, or of a first copy.
    pub(super) fn carries_twofold_sound(&self) -> bool {
        const FROM_BPS: u64 = 500_000;

        self.egress.estimate_bps().is_none_or(|bps| bps >= FROM_BPS)
    }
}
