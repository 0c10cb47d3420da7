//! What the court's dictionary learnt of corrected lines.

use crate::Language;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// An entry of the court's dictionary that was learnt, as it concerns a hearing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LearntCorrection {
    /// In which language it is heard.
    pub language: Language,
    /// What the machine hears, in small letters.
    pub heard: String,
    /// What is written in its place.
    pub written: String,
    /// In how many lines of the court's hearings somebody wrote it so.
    pub lines: u32,
    /// Whether it is written so by itself in new lines.
    pub applied: bool,
}

/// Whether judge or clerk want an entry of the dictionary applied.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CorrectionChoice {
    /// As in [`LearntCorrection`].
    pub language: Language,
    /// As in [`LearntCorrection`].
    pub heard: String,
    /// As in [`LearntCorrection`].
    pub written: String,
    /// `false`: new lines keep what is heard.
    pub applied: bool,
}

impl fmt::Debug for CorrectionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrectionChoice")
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}

/// Without the words, which must not slip into a log.
impl fmt::Debug for LearntCorrection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LearntCorrection")
            .field("lines", &self.lines)
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}
