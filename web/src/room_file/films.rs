//! The room files of this server, for who reads its registry.

use super::shelf::{DERIVED, ROOM_FILM};
use otyrys_storage::{BlockReader, HearingKeys, StorageError, ids::HearingId};
use std::path::PathBuf;

/// Where the room files lie, and the keys to them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Films {
    dir: PathBuf,
    keys: HearingKeys,
}

impl Films {
    /// Those in a folder that has one for each hearing.
    #[must_use]
    pub fn new(dir: PathBuf, keys: HearingKeys) -> Self {
        Self { dir, keys }
    }

    /// A file of what was made for a hearing: the film, its captions, or what it shows when. Blocks
    /// on the disk.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] for another name, and until the film is made, which is the last
    /// to appear; [`StorageError::KeyDestroyed`] and the like.
    pub(crate) fn open(&self, hearing: HearingId, name: &str) -> Result<BlockReader, StorageError> {
        let dir = self.dir.join(hearing.to_string());
        if !DERIVED.contains(&name) || !dir.join(ROOM_FILM).exists() {
            return Err(StorageError::NotFound(format!(
                "{name} of hearing {hearing}"
            )));
        }
        self.keys.open_file(hearing, &dir.join(name))
    }
}
