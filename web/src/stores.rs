//! Everything that is kept, opened from one folder.

use crate::{config::RecordConfig, room_file::Films, secrets::Secret};
use otyrys_storage::{
    Archive, Bundle, Database, HearingKeys, MasterKey, NodeKey, RecordSpool, Registry,
    StorageError, ids::HearingId, registry::Limits,
};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The stores of one server.
#[derive(Clone)]
pub struct Stores {
    /// Hearings, people, events, lines, jobs.
    pub database: Database,
    /// The record while it grows.
    pub spool: RecordSpool,
    /// The second copy of its sound, if there is to be one.
    pub backup: Option<RecordSpool>,
    /// Sealed bundles.
    pub archive: Archive,
    /// The embedded registry.
    pub registry: Registry,
    dir: PathBuf,
}

impl Stores {
    /// Opens the stores in `dir`, making what is missing, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StorageError::InUse`] when another server has the folder, [`StorageError::MasterKey`] when
    /// the master key is missing or another one; else those of the disk.
    pub async fn open(dir: &Path, record: &RecordConfig) -> Result<Self, StorageError> {
        // Records and keys of courts: nobody else on this machine may look in.
        let private = |source| StorageError::NotWritable {
            what: dir.display().to_string(),
            source,
        };
        fs::create_dir_all(dir).map_err(private)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(private)?;
        let database = Database::open(dir).await?;
        database.migrate().await?;
        let (spool, master) = open_spool(dir, record, &database).await?;
        Ok(Self {
            registry: open_registry(dir, &database, &master)?,
            archive: Archive::in_folder(&dir.join("archive"))?,
            backup: open_backup(record, master),
            spool,
            database,
            dir: dir.to_owned(),
        })
    }

    /// Opens the stores beside the server that has the folder, for a command: nothing is made, and
    /// the schema stays as it is.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no database, [`StorageError::MasterKey`].
    pub async fn open_beside(dir: &Path, record: &RecordConfig) -> Result<Self, StorageError> {
        let database = Database::open_beside(dir).await?;
        let master = Arc::new(MasterKey::load(&record.master_key(dir)).await?);
        Ok(Self {
            registry: open_registry(dir, &database, &master)?,
            archive: Archive::in_folder(&dir.join("archive"))?,
            backup: open_backup(record, Arc::clone(&master)),
            spool: RecordSpool::new(record_dir(dir), master),
            database,
            dir: dir.to_owned(),
        })
    }

    /// The key that seals bundles.
    ///
    /// # Errors
    /// See [`seal_key`].
    pub fn node_key(&self) -> Result<NodeKey, StorageError> {
        seal_key(&self.dir)
    }

    /// Where the bundle of a hearing is made.
    #[must_use]
    pub fn bundle_dir(&self, hearing: HearingId) -> PathBuf {
        self.bundles_dir().join(hearing.to_string())
    }

    /// Where all bundles are made.
    #[must_use]
    pub fn bundles_dir(&self) -> PathBuf {
        self.dir.join("bundles")
    }

    /// The sealed bundle of a hearing: the archive's, which is never removed, or where it was made
    /// as long as the archive has not all of it. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is none, [`StorageError::Corrupt`].
    pub fn bundle(&self, hearing: HearingId) -> Result<Bundle, StorageError> {
        let archived = self.archive.folder(hearing);
        Bundle::read(&archived.unwrap_or_else(|| self.bundle_dir(hearing)))
    }

    /// Sees to it that the backup of a hearing can be read also when the first disk is gone: its
    /// folder has a key file of its own. A backup that cannot be written is logged.
    pub async fn ensure_backup_key(&self, hearing: HearingId) {
        if let Some(backup) = &self.backup
            && let Err(error) = backup.keys().ensure(&self.database, hearing).await
        {
            tracing::warn!(hearing.id = %hearing, %error, "the backup of the sound cannot be written");
        }
    }

    /// Removes the second copy of what has been delivered or whose time is over.
    pub async fn remove_backup(&self, hearing: HearingId) {
        let Some(backup) = &self.backup else { return };
        remove(&backup.hearing_dir(hearing), hearing, "the backup").await;
    }

    /// Where seekable copies for players are made.
    #[must_use]
    pub fn playback_dir(&self, hearing: HearingId) -> PathBuf {
        self.dir.join("playback").join(hearing.to_string())
    }

    /// Where lies what is made from a bundle after its seal.
    #[must_use]
    pub fn derived_dir(&self, hearing: HearingId) -> PathBuf {
        self.derived_root().join(hearing.to_string())
    }

    /// What was made from all bundles after their seal.
    #[must_use]
    pub fn films(&self) -> Films {
        Films::new(self.derived_root(), self.spool.keys().clone())
    }

    fn derived_root(&self) -> PathBuf {
        self.dir.join("derived")
    }

    /// Removes what was made from a bundle that nobody can read any more.
    pub async fn remove_derived(&self, hearing: HearingId) {
        remove(&self.derived_dir(hearing), hearing, "the room file").await;
    }

    /// A secret of this server that is made once and kept in a file that only it can read.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn own_secret(&self, name: &str) -> io::Result<String> {
        let path = self.dir.join("keys").join(name);
        match fs::read_to_string(&path) {
            Ok(secret) => Ok(secret.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Secret::generate();
                fs::create_dir_all(self.dir.join("keys"))?;
                crate::tls::write_private(&path, secret.reveal().as_bytes())?;
                Ok(secret.reveal().to_owned())
            }
            Err(error) => Err(error),
        }
    }

    /// The key with which people read the embedded registry.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn reader_key(&self) -> io::Result<String> {
        self.own_secret("registry-reader")
    }

    /// Whether the record's disk takes bytes at this moment.
    #[must_use]
    pub fn disk_takes_bytes(&self) -> bool {
        let probe = || -> io::Result<()> {
            let dir = self.spool.dir();
            fs::create_dir_all(dir)?;
            let path = dir.join(".probe");
            let mut file = fs::File::create(&path)?;
            // A few blocks: an almost full disk takes one byte but not a second of a hearing.
            io::Write::write_all(&mut file, &[0; 64 * 1024])?;
            file.sync_all()?;
            fs::remove_file(&path)
        };
        probe().is_ok()
    }
}

/// Removes a folder of a hearing, if it is there; what stays is logged.
async fn remove(dir: &Path, hearing: HearingId, what: &str) {
    if let Err(error) = tokio::fs::remove_dir_all(dir).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(hearing.id = %hearing, %error, "{what} of a hearing stays");
    }
}

/// Opens the record, and sees to it that each hearing has its key. A hearing whose key is lost
/// keeps no other from being held.
async fn open_spool(
    dir: &Path,
    record: &RecordConfig,
    database: &Database,
) -> Result<(RecordSpool, Arc<MasterKey>), StorageError> {
    let records = record_dir(dir);
    let source = record.master_key(dir);
    let in_use = database.has_hearing_keys().await? || HearingKeys::exist_in(&records)?;
    let master = match in_use {
        true => MasterKey::load(&source).await?,
        false => MasterKey::load_or_create(&source).await?,
    };
    let master = Arc::new(master);
    let spool = RecordSpool::new(records, Arc::clone(&master));
    spool.keys().check_master()?;
    for hearing in database.hearings().await? {
        match spool.keys().ensure(database, hearing.id).await {
            Ok(()) | Err(StorageError::KeyDestroyed(_)) => {}
            Err(error @ StorageError::MasterKey(_)) => return Err(error),
            Err(error) => {
                tracing::error!(hearing.id = %hearing.id, %error, "the record of a hearing cannot be read or written: somebody must look");
            }
        }
    }
    Ok((spool, master))
}

/// The second copy of the sound, if there is to be one.
pub(crate) fn open_backup(record: &RecordConfig, master: Arc<MasterKey>) -> Option<RecordSpool> {
    let path = record.backup_path.clone()?;
    Some(RecordSpool::new(path, master))
}

/// The embedded registry of a data folder.
fn open_registry(
    dir: &Path,
    database: &Database,
    master: &MasterKey,
) -> Result<Registry, StorageError> {
    let dir = dir.join("registry");
    Registry::open(database.clone(), &dir, Limits::default(), master)
}

/// Where the records of a data folder grow, with the keys of their hearings.
fn record_dir(dir: &Path) -> PathBuf {
    dir.join("record")
}

/// The key with which the server of a data folder seals bundles; made at the first call.
///
/// # Errors
/// A key file that others can read, or that cannot be made.
pub fn seal_key(dir: &Path) -> Result<NodeKey, StorageError> {
    NodeKey::load_or_create(&dir.join("keys").join("seal.pem"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(dir: &Path) -> Result<Stores, StorageError> {
        Stores::open(dir, &RecordConfig::default()).await
    }

    #[tokio::test]
    async fn without_the_right_master_key_nothing_starts_and_no_other_one_is_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let hearing = HearingId::generate();
        let path = dir.path().join("keys/master.key");
        let key_file = record_dir(dir.path()).join(format!("{hearing}/hearing.key"));
        let stores = open(dir.path()).await.expect("stores");
        stores.spool.keys().create(hearing).expect("a key");
        drop(stores);
        let right = fs::read_to_string(&path).expect("a master key");

        fs::remove_file(&path).expect("removed");
        let missing = open(dir.path()).await.err().expect("refused").to_string();
        assert!(missing.contains("master.key is missing"), "{missing}");
        assert!(!path.exists());

        crate::tls::write_private(&path, "0".repeat(64).as_bytes()).expect("another key");
        let wrong = open(dir.path()).await.err().expect("refused").to_string();
        assert!(wrong.contains("is not the master key"), "{wrong}");
        assert!(wrong.contains(&key_file.display().to_string()), "{wrong}");

        fs::write(&path, right).expect("the right key");
        assert!(open(dir.path()).await.is_ok());
    }
}
