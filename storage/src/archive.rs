//! The archive: sealed bundles in an object store (a folder here, S3 in a cluster), encrypted as
//! they lie on this machine: the store sees no plain byte of a record.

use crate::{
    archive_path::ArchivePath, bundle::Bundle, error::StorageError, files, ids::HearingId,
    manifest::SEAL_NAME,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt, buffered::BufWriter, local::LocalFileSystem, path::Path as Key,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{fs::File, io::AsyncWriteExt};

/// Where bundles are in the store.
const FOLDER: &str = "bundles";

/// Sealed bundles, under `bundles/<hearing>/`.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn ObjectStore>,
    /// Where the store is a folder of this machine.
    dir: Option<PathBuf>,
}

impl Archive {
    /// The archive in a folder of this machine, which is made if needed. Every write is synced.
    ///
    /// # Errors
    /// [`StorageError::NotWritable`] and the like.
    pub fn in_folder(dir: &Path) -> Result<Self, StorageError> {
        files::create_dirs(dir)?;
        let store = LocalFileSystem::new_with_prefix(dir)?.with_fsync(true);
        Ok(Self {
            dir: Some(dir.to_owned()),
            ..Self::new(Arc::new(store))
        })
    }

    /// The archive in any object store whose writes are durable when they return.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, dir: None }
    }

    /// Whether the archive is a folder of this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.dir.is_some()
    }

    /// Where the bundle of a hearing lies, if it is whole and the archive is a folder of this machine:
    /// it is read there as where it was made.
    #[must_use]
    pub fn folder(&self, hearing: HearingId) -> Option<PathBuf> {
        let dir = self.dir.as_ref()?;
        let folder = dir.join(FOLDER).join(hearing.to_string());
        folder.join(SEAL_NAME).exists().then_some(folder)
    }

    /// The hearings of which there is a bundle, or a part of one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn hearings(&self) -> Result<Vec<HearingId>, StorageError> {
        let prefix = Key::from(FOLDER);
        let listed = self.store.list_with_delimiter(Some(&prefix)).await?;
        let folders = listed.common_prefixes;
        let names = folders.iter().filter_map(Key::filename);
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Puts a bundle. The seal goes last: a bundle with a seal is whole. Putting it again is safe.
    ///
    /// # Errors
    /// Those of the store and of reading the bundle.
    pub async fn put(&self, bundle: &Bundle) -> Result<(), StorageError> {
        for path in bundle.paths()? {
            let source = path.under(&bundle.dir);
            let mut file = File::open(&source)
                .await
                .map_err(|error| StorageError::file(&source, error))?;
            let key = key(bundle.manifest.hearing, path.as_str());
            let mut writer = BufWriter::new(Arc::clone(&self.store), key);
            tokio::io::copy(&mut file, &mut writer)
                .await
                .map_err(|error| StorageError::file(&source, error))?;
            writer
                .shutdown()
                .await
                .map_err(|error| StorageError::file(&source, error))?;
        }
        Ok(())
    }

    /// Whether the whole bundle of a hearing is here.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn has(&self, hearing: HearingId) -> Result<bool, StorageError> {
        match self.store.head(&key(hearing, SEAL_NAME)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The files of a bundle with their stored sizes in bytes, by path.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, hearing: HearingId) -> Result<Vec<(ArchivePath, u64)>, StorageError> {
        let prefix = Key::from(format!("{FOLDER}/{hearing}"));
        let mut files = self
            .store
            .list(Some(&prefix))
            .map_err(StorageError::from)
            .and_then(|meta| {
                let path = meta.location.as_ref();
                let path = path.strip_prefix(prefix.as_ref()).unwrap_or(path);
                let path = path.trim_start_matches('/').parse::<ArchivePath>();
                std::future::ready(path.map(|path| (path, meta.size)))
            })
            .try_collect::<Vec<_>>()
            .await?;
        files.sort();
        Ok(files)
    }

    /// The bytes of one file of a bundle, as they are stored.
    ///
    /// # Errors
    /// [`StorageError::NotFound`]; in the stream, those of the store.
    pub async fn read(
        &self,
        hearing: HearingId,
        path: &ArchivePath,
    ) -> Result<BoxStream<'static, Result<Bytes, StorageError>>, StorageError> {
        let found = self.store.get(&key(hearing, path.as_str())).await?;
        Ok(found.into_stream().map_err(StorageError::from).boxed())
    }
}

fn key(hearing: HearingId, path: &str) -> Key {
    Key::from(format!("{FOLDER}/{hearing}/{path}"))
}
