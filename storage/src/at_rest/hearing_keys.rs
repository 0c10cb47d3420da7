//! The keys of the hearings: each wrapped by the master key, in the hearing's folder and as a row.
//!
//! The file is what record and bundle are read with: after a disaster the files and the master key
//! are enough. The row is its second copy. Whichever of the two is lost is made from the other.

use super::{
    BlockReader, BlockWriter, MasterKey,
    file_key::{failed, random},
};
use crate::{database::Database, error::StorageError, files, ids::HearingId};
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// `format` of a wrapped key, and what its wrapping key is derived for.
const FORMAT: &str = "otyrys-hearing-key/1";
/// Name of the wrapped key in the folder of its hearing.
const FILE_NAME: &str = "hearing.key";
const KEY_LEN: usize = 32;

/// The key of one hearing. `Debug` does not show it; it is wiped from memory when it goes.
pub(crate) struct HearingKey(Zeroizing<[u8; KEY_LEN]>);

impl HearingKey {
    pub(crate) fn secret(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for HearingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HearingKey(..)")
    }
}

/// The key of a hearing as it is stored, in file and row alike: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrappedKey {
    format: String,
    hearing: HearingId,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum State {
    Wrapped {
        /// Name of the master key.
        master: String,
        nonce: String,
        key: String,
    },
    Destroyed {
        destroyed: Timestamp,
    },
}

impl WrappedKey {
    /// What is left of a destroyed key.
    pub(crate) fn destroyed(hearing: HearingId, at: Timestamp) -> Self {
        Self {
            format: FORMAT.to_owned(),
            hearing,
            state: State::Destroyed { destroyed: at },
        }
    }

    /// When it was destroyed, if it was.
    pub(crate) fn destroyed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Destroyed { destroyed } => Some(destroyed),
            State::Wrapped { .. } => None,
        }
    }

    pub(crate) fn to_line(&self) -> Result<String, StorageError> {
        serde_json::to_string(self)
            .map(|json| json + "\n")
            .map_err(|error| StorageError::Invalid(format!("a wrapped key: {error}")))
    }

    pub(crate) fn from_line(line: &str, hearing: HearingId) -> Result<Self, StorageError> {
        serde_json::from_str(line)
            .ok()
            .filter(|key: &Self| key.format == FORMAT && key.hearing == hearing)
            .ok_or_else(|| damaged(hearing))
    }
}

fn damaged(hearing: HearingId) -> StorageError {
    StorageError::corrupt(format!("the key of hearing {hearing}"), "it does not open")
}

/// The keys of all hearings. Cloning is cheap. All but [`HearingKeys::ensure`] block on the disk.
#[derive(Debug, Clone)]
pub struct HearingKeys {
    dir: PathBuf,
    master: Arc<MasterKey>,
}

impl HearingKeys {
    /// The keys in the folder of records, under this master key.
    #[must_use]
    pub fn new(records: impl Into<PathBuf>, master: Arc<MasterKey>) -> Self {
        Self {
            dir: records.into(),
            master,
        }
    }

    /// Whether any hearing in this folder of records has a key.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn exist_in(records: &Path) -> Result<bool, StorageError> {
        let folders = files::list(records)?;
        let mut keys = folders.iter().map(|(name, _)| records.join(name));
        Ok(keys.any(|folder| folder.join(FILE_NAME).exists()))
    }

    /// Whether the master key is the one that wrapped the keys in this folder.
    ///
    /// # Errors
    /// [`StorageError::MasterKey`] if it is not, with the first file that it did not wrap; those of
    /// the disk. What is wrong with one key is no matter here.
    pub fn check_master(&self) -> Result<(), StorageError> {
        for (name, _) in files::list(&self.dir)? {
            let key = name.parse().map(|hearing| self.key(hearing));
            if let Ok(Err(error @ StorageError::MasterKey(_))) = key {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Makes the key of a hearing that has none yet.
    ///
    /// # Errors
    /// Those of the disk; [`StorageError::KeyMissing`] if the hearing has a record already: its key
    /// was lost, and another one would not open it.
    pub fn create(&self, hearing: HearingId) -> Result<(), StorageError> {
        if self.stored(hearing)?.is_none() {
            self.store(&self.made(hearing)?)?;
        }
        Ok(())
    }

    /// Sees to it that a hearing has its key, in file and row: makes one, or what is lost of it.
    ///
    /// # Errors
    /// As [`HearingKeys::create`]; [`StorageError::KeyDestroyed`], [`StorageError::MasterKey`] if
    /// another master key has wrapped it, [`StorageError::Corrupt`]; those of the database.
    pub async fn ensure(
        &self,
        database: &Database,
        hearing: HearingId,
    ) -> Result<(), StorageError> {
        let (row, file) = (database.hearing_key(hearing).await?, self.stored(hearing));
        let key = match (row, &file) {
            (Some(row), _) => row,
            (None, Ok(Some(file))) => {
                if file.destroyed_at().is_none() {
                    self.open(file)?;
                }
                database.put_hearing_key(hearing, file.clone()).await?
            }
            (None, Ok(None)) => {
                let made = self.made(hearing)?;
                database.put_hearing_key(hearing, made).await?
            }
            (None, Err(_)) => return file.map(|_| ()),
        };
        let opened = self.open(&key);
        if !file.is_ok_and(|file| file.as_ref() == Some(&key)) {
            match (&opened, key.destroyed_at()) {
                (_, Some(at)) => self.destroy(hearing, at)?,
                (Ok(_), None) => self.store(&key)?,
                (Err(_), None) => {}
            }
        }
        opened.map(|_| ())
    }

    /// Whether the key of a hearing is here and opens.
    ///
    /// # Errors
    /// [`StorageError::KeyMissing`], [`StorageError::KeyDestroyed`], [`StorageError::MasterKey`] or
    /// [`StorageError::Corrupt`].
    pub fn check(&self, hearing: HearingId) -> Result<(), StorageError> {
        self.key(hearing).map(|_| ())
    }

    /// The key of a hearing.
    ///
    /// # Errors
    /// [`StorageError::KeyMissing`], [`StorageError::KeyDestroyed`], [`StorageError::MasterKey`] or
    /// [`StorageError::Corrupt`].
    pub(crate) fn key(&self, hearing: HearingId) -> Result<HearingKey, StorageError> {
        let stored = self.stored(hearing)?;
        self.open(&stored.ok_or(StorageError::KeyMissing(hearing))?)
    }

    /// Begins an encrypted file of a hearing.
    ///
    /// # Errors
    /// As [`RecordSpool::reader`](crate::RecordSpool::reader), and those of the disk.
    pub fn create_file(
        &self,
        hearing: HearingId,
        path: &Path,
    ) -> Result<BlockWriter, StorageError> {
        BlockWriter::create(path, self.key(hearing)?.secret())
    }

    /// Opens an encrypted file of a hearing.
    ///
    /// # Errors
    /// As [`RecordSpool::reader`](crate::RecordSpool::reader).
    pub fn open_file(&self, hearing: HearingId, path: &Path) -> Result<BlockReader, StorageError> {
        BlockReader::open(path, self.key(hearing)?.secret())
    }

    /// Puts what is left of a destroyed key in its place.
    pub(crate) fn destroy(&self, hearing: HearingId, at: Timestamp) -> Result<(), StorageError> {
        let path = self.path(hearing);
        if let Ok(found) = fs::metadata(&path) {
            // Over the bytes themselves, before the file gets others: where a file system writes
            // in place, nothing of the key is left on the disk.
            let len = usize::try_from(found.len()).unwrap_or_default();
            let wipe = File::options()
                .write(true)
                .open(&path)
                .and_then(|mut file| {
                    file.write_all(&vec![0; len])?;
                    file.sync_all()
                });
            wipe.map_err(|error| StorageError::file(&path, error))?;
        }
        self.store(&WrappedKey::destroyed(hearing, at))
    }

    fn path(&self, hearing: HearingId) -> PathBuf {
        self.dir.join(hearing.to_string()).join(FILE_NAME)
    }

    fn stored(&self, hearing: HearingId) -> Result<Option<WrappedKey>, StorageError> {
        let path = self.path(hearing);
        match fs::read_to_string(&path) {
            Ok(line) => WrappedKey::from_line(&line, hearing).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::file(&path, error)),
        }
    }

    fn store(&self, key: &WrappedKey) -> Result<(), StorageError> {
        let path = self.path(key.hearing);
        if let Some(dir) = path.parent() {
            files::create_dirs(dir)?;
        }
        files::write_whole(&path, key.to_line()?.as_bytes())
    }

    fn made(&self, hearing: HearingId) -> Result<WrappedKey, StorageError> {
        let folder = files::list(&self.dir.join(hearing.to_string()))?;
        if folder.iter().any(|(_, is_folder)| *is_folder) {
            return Err(StorageError::KeyMissing(hearing));
        }
        let mut key = Zeroizing::new(random::<KEY_LEN>()?.to_vec());
        // Random nonces are good for 2^32 keys under one master key (NIST SP 800-38D, 8.3).
        let nonce = random::<NONCE_LEN>()?;
        let tag = self
            .master
            .wrapping(FORMAT.as_bytes())?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(hearing.to_string()),
                key.as_mut_slice(),
            )
            .map_err(|_| failed("a key was not wrapped"))?;
        Ok(WrappedKey {
            format: FORMAT.to_owned(),
            hearing,
            state: State::Wrapped {
                master: self.master.name()?,
                nonce: hex::encode(nonce),
                key: hex::encode([key.as_slice(), tag.as_ref()].concat()),
            },
        })
    }

    fn open(&self, wrapped: &WrappedKey) -> Result<HearingKey, StorageError> {
        let hearing = wrapped.hearing;
        let State::Wrapped { master, nonce, key } = &wrapped.state else {
            return Err(StorageError::KeyDestroyed(hearing));
        };
        if *master != self.master.name()? {
            return Err(StorageError::MasterKey(format!(
                "{} is not the master key that wrapped {}",
                self.master.source(),
                self.path(hearing).display(),
            )));
        }
        let mut nonce_bytes = [0; NONCE_LEN];
        hex::decode_to_slice(nonce, &mut nonce_bytes).map_err(|_| damaged(hearing))?;
        let mut key = Zeroizing::new(hex::decode(key).map_err(|_| damaged(hearing))?);
        let opened = self.master.wrapping(FORMAT.as_bytes())?.open_in_place(
            Nonce::assume_unique_for_key(nonce_bytes),
            Aad::from(hearing.to_string()),
            key.as_mut_slice(),
        );
        let secret = opened
            .ok()
            .and_then(|secret| <&[u8; KEY_LEN]>::try_from(&*secret).ok());
        let secret = secret.ok_or_else(|| damaged(hearing))?;
        Ok(HearingKey(Zeroizing::new(*secret)))
    }
}
