//! Where the room file and its parts lie: beside the bundle, encrypted with the hearing's key.

use super::RoomFileError;
use crate::stores::Stores;
use otyrys_media::film::{Chapter, FilmPlan, Part, Stretches, join};
use otyrys_storage::{Digest, HearingKeys, StorageError, ids::HearingId};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The film, which is the last to appear.
pub(crate) const ROOM_FILM: &str = "room.mp4";
/// Its captions.
pub(super) const ROOM_CAPTIONS: &str = "room.vtt";
/// What it shows when: [`RoomFacts`].
pub(crate) const ROOM_FACTS: &str = "room.json";

/// The names of all files that are made for a hearing after its seal.
pub(crate) const DERIVED: [&str; 3] = [ROOM_FILM, ROOM_CAPTIONS, ROOM_FACTS];

/// What the film shows when. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomFacts {
    /// Of the film.
    pub(crate) duration_ms: u64,
    /// The times on record, on its clock; the film has them one after the other.
    pub(crate) stretches: Stretches,
    /// On the clock of the film.
    pub(crate) chapters: Vec<ChapterFact>,
}

/// A chapter of the film.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChapterFact {
    /// On the clock of the film.
    pub(crate) at_ms: u64,
    /// In the hearing's language.
    pub(crate) title: String,
}

pub(super) struct Shelf {
    hearing: HearingId,
    keys: HearingKeys,
    dir: PathBuf,
    parts: PathBuf,
}

impl Shelf {
    /// Parts of another plan, or made by another version of this program, are not used.
    pub(super) fn open(
        stores: &Stores,
        hearing: HearingId,
        plan: &FilmPlan,
    ) -> Result<Self, RoomFileError> {
        let plan = serde_json::to_vec(&(env!("CARGO_PKG_VERSION"), plan))?;
        let dir = stores.derived_dir(hearing);
        let parts = dir.join(format!("parts-{}", Digest::of(&plan)));
        fs::create_dir_all(&parts)?;
        Ok(Self {
            hearing,
            keys: stores.spool.keys().clone(),
            dir,
            parts,
        })
    }

    pub(super) fn hearing(&self) -> HearingId {
        self.hearing
    }

    /// Whether there is nothing left to do: the film is the last file that appears.
    pub(super) fn is_made(&self) -> bool {
        self.dir.join(ROOM_FILM).exists()
    }

    /// The first part that is not there, of so many.
    pub(super) fn first_missing(&self, parts: u32) -> u32 {
        let mut numbers = 0..parts;
        numbers
            .find(|number| !self.part(*number).exists())
            .unwrap_or(parts)
    }

    pub(super) fn keep(&self, number: u32, part: &Part) -> Result<(), RoomFileError> {
        self.write(&self.part(number), |file| Ok(part.write(file)?))
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), RoomFileError> {
        self.write(&self.dir.join(name), |file| Ok(file.write_all(bytes)?))
    }

    /// Makes the film of its parts, which are not needed then.
    pub(super) fn join(&self, parts: u32, chapters: &[Chapter]) -> Result<(), RoomFileError> {
        let open = |number| {
            let part = self.keys.open_file(self.hearing, &self.part(number));
            part.map_err(io::Error::other)
        };
        let film = self.dir.join(ROOM_FILM);
        self.write(&film, |file| Ok(join(parts, open, chapters, file)?))?;
        fs::remove_dir_all(&self.parts)?;
        Ok(())
    }

    fn part(&self, number: u32) -> PathBuf {
        self.parts.join(format!("{number:05}"))
    }

    /// Writes an encrypted file that appears when it is whole.
    fn write(
        &self,
        path: &Path,
        content: impl FnOnce(&mut otyrys_storage::BlockWriter) -> Result<(), RoomFileError>,
    ) -> Result<(), RoomFileError> {
        let partial = path.with_extension("partial");
        let mut file = self.keys.create_file(self.hearing, &partial)?;
        content(&mut file)?;
        file.finish()?;
        fs::rename(&partial, path).map_err(|source| {
            RoomFileError::from(StorageError::NotWritable {
                what: path.display().to_string(),
                source,
            })
        })
    }
}
