//! What a person wrote in place of a line of the draft.

use otyrys_storage::ids::ParticipantId;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;

/// The longest text of an edited line, in characters: some five minutes of speech, where a line has
/// half a minute.
pub const MAX_EDIT_CHARS: usize = 4_000;

/// The last edit of a line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LineEdit {
    /// What stands in place of the machine's text. Absent: the machine's text, which somebody
    /// brought back.
    pub text: Option<String>,
    /// Who did it.
    #[ts(type = "string")]
    pub by: ParticipantId,
    /// RFC 3339, UTC.
    pub at: String,
    /// Edits of this line so far. Of two versions of a line, the one with more of them is the
    /// later, in whichever order they come.
    pub revision: u32,
}

/// Without the text, which must not slip into a log.
impl fmt::Debug for LineEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineEdit")
            .field("by", &self.by)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}
