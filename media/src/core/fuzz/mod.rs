//! Fuzz targets of what the core hides.

mod demux;
mod feedback;
mod rewriter;

use crate::{MediaError, MediaLimits, Mid};

pub(crate) use demux::run as demux;
pub(crate) use feedback::run as feedback;
pub(crate) use rewriter::run as rewriter;

/// The names of the sections of an offer.
///
/// # Errors
/// As [`crate::Core::offer`].
pub(crate) fn sections(sdp: &str, limits: &MediaLimits) -> Result<Vec<Mid>, MediaError> {
    let sections = super::sections::sections(sdp, limits)?;
    Ok(sections.into_iter().map(|section| section.mid).collect())
}
