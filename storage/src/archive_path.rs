//! Relative paths that cannot leave their folder, whoever chose them.

use crate::error::StorageError;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Most parts of a path. Ours have three; others' documents may be sorted into a few folders.
pub const MAX_DEPTH: usize = 8;
/// Most bytes of one part, as on every common file system.
pub const MAX_PART_BYTES: usize = 255;
/// Most bytes of a path.
pub const MAX_PATH_BYTES: usize = 512;

/// A relative path with `/` between its parts. Parts are made of ASCII letters, digits, `.`, `_`
/// and `-`, and do not begin with a dot: no `..`, nothing absolute, nothing hidden, one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchivePath(String);

impl ArchivePath {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place under `root`.
    #[must_use]
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }
}

/// Whether `part` may be one part of a path.
pub(crate) fn is_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_PART_BYTES).contains(&part.len())
        && !part.starts_with('.')
        && part.bytes().all(allowed)
}

impl FromStr for ArchivePath {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        let fits = text.len() <= MAX_PATH_BYTES && text.split('/').count() <= MAX_DEPTH;
        if fits && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(StorageError::Invalid("the path is not allowed".to_owned()))
        }
    }
}

impl TryFrom<String> for ArchivePath {
    type Error = StorageError;

    fn try_from(text: String) -> Result<Self, StorageError> {
        text.parse()
    }
}

impl From<ArchivePath> for String {
    fn from(path: ArchivePath) -> Self {
        path.0
    }
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_their_folder_are_refused() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "a//b",
            "a/",
            ".hidden",
            "a\\b",
            "a/\0",
        ] {
            assert!(bad.parse::<ArchivePath>().is_err(), "{bad:?}");
        }
        assert!(
            "a/".repeat(9)
                .trim_end_matches('/')
                .parse::<ArchivePath>()
                .is_err()
        );
        assert!("x".repeat(256).parse::<ArchivePath>().is_err());
        assert!(
            "record/0197/microphone-0197.chunks.jsonl"
                .parse::<ArchivePath>()
                .is_ok()
        );
    }
}
