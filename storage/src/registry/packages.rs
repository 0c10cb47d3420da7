//! Packages that a court's node delivers: files first, then one commit, exactly once in effect.

use super::Registry;
use crate::{
    archive_path::{ArchivePath, is_part},
    at_rest::{BlockReader, BlockWriter},
    database::{micros, parse_json, timestamp},
    digest::{Digest, Hasher},
    error::StorageError,
    files,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};
use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::task::{JoinError, spawn_blocking};
use uuid::Uuid;

/// Longest idempotency key. A UUID has 36 characters.
const MAX_KEY_BYTES: usize = 128;

/// What a sender may put into one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub max_file_bytes: u64,
    /// Most files.
    pub max_files: usize,
}

impl Default for Limits {
    /// 16 GiB: a full day of one camera at 4 Mbit/s with room to spare. 10,000 files: 30 people,
    /// three tracks of three files each, a new segment every half an hour for a day, twice over.
    fn default() -> Self {
        Self {
            max_file_bytes: 16 << 30,
            max_files: 10_000,
        }
    }
}

/// What a package consists of, as its sender says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageManifest {
    /// The case that it is attached to.
    pub case_number: String,
    /// The hearing, as the sender calls it.
    pub hearing: String,
    /// What else the sender tells about it.
    pub facts: Value,
    /// Every file.
    pub files: Vec<PackageFile>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFile {
    /// Where in the package.
    pub path: ArchivePath,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Digest,
}

/// The registry's word that it has a package. The same each time it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The registry's own name for the package.
    pub package_id: Uuid,
    /// When it was complete.
    pub received_at: Timestamp,
}

/// A received package.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The sender's idempotency key.
    pub key: String,
    /// As it was given to the sender.
    pub receipt: Receipt,
    /// What it consists of.
    pub manifest: PackageManifest,
}

/// A file of a received package, ready to be served.
#[derive(Debug)]
pub struct FileInPackage {
    /// What the manifest says of it.
    pub file: PackageFile,
    /// What it holds.
    pub bytes: BlockReader,
}

impl Registry {
    /// Takes one file of a package that is to be committed. The same file may be sent again, also
    /// after the commit, with the same bytes.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if the key is not allowed, the file is too large or the stream
    /// broke; [`StorageError::Conflict`] if the package is committed and the file is not part of
    /// it as it comes; [`StorageError::DiskFull`] or [`StorageError::NotWritable`].
    pub async fn put_file<E: Display>(
        &self,
        key: &str,
        path: &ArchivePath,
        bytes: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<PackageFile, StorageError> {
        let dir = self.package_dir(key)?;
        // Keys do not begin with a dot, so this folder is nobody's package.
        let incoming = self.packages.join(".incoming");
        files::create_dirs(&incoming)?;
        let partial = incoming.join(Uuid::now_v7().to_string());
        let taken = self.take(&partial, path, bytes).await;
        let file = match taken {
            Ok(file) => file,
            Err(error) => {
                discard(&partial);
                return Err(error);
            }
        };
        let _gate = self.gate.lock().await;
        if let Some(package) = self.find(key).await? {
            discard(&partial);
            if package.manifest.files.contains(&file) {
                return Ok(file);
            }
            return Err(StorageError::Conflict(format!(
                "package {key} is committed"
            )));
        }
        let place = path.under(&dir);
        if let Some(folder) = place.parent() {
            files::create_dirs(folder)?;
        }
        fs::rename(&partial, &place).map_err(|error| StorageError::file(&place, error))?;
        files::sync_parent(&place)?;
        Ok(file)
    }

    /// Receives a package for good: every file of the manifest must be there as it says, and
    /// nothing else. The same manifest again under the same key gets the same receipt.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if the case or a file is missing, [`StorageError::Corrupt`] if a
    /// file is not as the manifest says (send it again), [`StorageError::Conflict`] if another
    /// manifest was committed under the key, [`StorageError::Invalid`] beyond the limits.
    pub async fn commit(
        &self,
        key: &str,
        manifest: &PackageManifest,
        at: Timestamp,
    ) -> Result<Receipt, StorageError> {
        let dir = self.package_dir(key)?;
        if manifest.files.len() > self.limits.max_files {
            return Err(StorageError::Invalid(
                "the package has too many files".to_owned(),
            ));
        }
        let _gate = self.gate.lock().await;
        if let Some(package) = self.find(key).await? {
            return same(package, manifest);
        }
        self.case(&manifest.case_number).await?;
        let mut listed = BTreeSet::new();
        for file in &manifest.files {
            if !listed.insert(file.path.as_str()) {
                return Err(StorageError::Invalid(format!(
                    "{} is listed twice",
                    file.path
                )));
            }
            self.check(&dir, file.clone()).await?;
        }
        let mut files = files::below(&dir)?.into_iter();
        if let Some(extra) = files.find(|path| !listed.contains(path.as_str())) {
            return Err(StorageError::Conflict(format!(
                "{extra} is not in the manifest"
            )));
        }
        let receipt = Receipt {
            package_id: Uuid::now_v7(),
            received_at: at,
        };
        let text = serde_json::to_string(manifest)
            .map_err(|error| StorageError::Invalid(format!("the manifest: {error}")))?;
        sqlx::query(
            "INSERT INTO registry_packages (idempotency_key, package_id, case_number, manifest, \
             received_us) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(key)
        .bind(receipt.package_id.to_string())
        .bind(&manifest.case_number)
        .bind(text)
        .bind(micros(at))
        .execute(&self.database.writer)
        .await?;
        Ok(self.package(key).await?.receipt)
    }

    /// A received package.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if none was committed under the key.
    pub async fn package(&self, key: &str) -> Result<Package, StorageError> {
        self.find(key)
            .await?
            .ok_or_else(|| StorageError::NotFound(format!("package {key}")))
    }

    /// The packages attached to a case, in the order of their receipt.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn packages_of(&self, case_number: &str) -> Result<Vec<Package>, StorageError> {
        let rows = sqlx::query(
            "SELECT * FROM registry_packages WHERE case_number = $1 \
             ORDER BY received_us, package_id",
        )
        .bind(case_number)
        .fetch_all(&self.database.readers)
        .await?;
        rows.iter().map(package_of).collect()
    }

    /// A file of a received package.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if the package or the file is not there,
    /// [`StorageError::Corrupt`] if it was received and is gone or damaged.
    pub async fn file(&self, key: &str, path: &ArchivePath) -> Result<FileInPackage, StorageError> {
        let package = self.package(key).await?;
        let file = package
            .manifest
            .files
            .into_iter()
            .find(|file| file.path == *path);
        let file =
            file.ok_or_else(|| StorageError::NotFound(format!("{path} in package {key}")))?;
        let place = path.under(&self.package_dir(key)?);
        match BlockReader::open(&place, self.secret.bytes()) {
            Ok(bytes) => Ok(FileInPackage { file, bytes }),
            Err(StorageError::NotFound(what)) => {
                Err(StorageError::corrupt(what, "a received file is gone"))
            }
            Err(error) => Err(error),
        }
    }

    fn package_dir(&self, key: &str) -> Result<PathBuf, StorageError> {
        if key.len() > MAX_KEY_BYTES || !is_part(key) {
            return Err(StorageError::Invalid("the key is not allowed".to_owned()));
        }
        Ok(self.packages.join(key))
    }

    async fn find(&self, key: &str) -> Result<Option<Package>, StorageError> {
        sqlx::query("SELECT * FROM registry_packages WHERE idempotency_key = $1")
            .bind(key)
            .fetch_optional(&self.database.readers)
            .await?
            .as_ref()
            .map(package_of)
            .transpose()
    }

    async fn take<E: Display>(
        &self,
        partial: &Path,
        path: &ArchivePath,
        bytes: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<PackageFile, StorageError> {
        let failed = |error| StorageError::file(partial, error);
        let mut bytes = pin!(bytes);
        let mut file = BlockWriter::create(partial, self.secret.bytes())?;
        let mut hasher = Hasher::default();
        while let Some(piece) = bytes.next().await {
            let piece = piece
                .map_err(|error| StorageError::Invalid(format!("the file broke off: {error}")))?;
            if file.len() + piece.len() as u64 > self.limits.max_file_bytes {
                return Err(StorageError::Invalid("the file is too large".to_owned()));
            }
            hasher.update(&piece);
            let written = spawn_blocking(move || file.write_all(&piece).map(|()| file));
            file = written.await.map_err(interrupted)?.map_err(failed)?;
        }
        let size = file.len();
        spawn_blocking(move || file.finish())
            .await
            .map_err(interrupted)??;
        Ok(PackageFile {
            path: path.clone(),
            size,
            sha256: hasher.finish(),
        })
    }

    /// Checks that a file is there as the manifest says.
    async fn check(&self, dir: &Path, listed: PackageFile) -> Result<(), StorageError> {
        let (place, secret) = (listed.path.under(dir), self.secret.clone());
        let checking = spawn_blocking(move || {
            let file = match BlockReader::open(&place, secret.bytes()) {
                Err(StorageError::NotFound(_)) => {
                    return Err(StorageError::NotFound(listed.path.to_string()));
                }
                opened => opened?,
            };
            let size = file.len();
            let digest = Digest::of_reader(file).map_err(|e| StorageError::file(&place, e))?;
            if (size, digest) != (listed.size, listed.sha256) {
                return Err(StorageError::corrupt(
                    &listed.path,
                    "it is not as the manifest says",
                ));
            }
            Ok(())
        });
        checking.await.map_err(interrupted)?
    }
}

/// The receipt of a package that was committed before, if it is this one.
fn same(package: Package, manifest: &PackageManifest) -> Result<Receipt, StorageError> {
    if package.manifest == *manifest {
        Ok(package.receipt)
    } else {
        Err(StorageError::Conflict(format!(
            "package {} was committed differently",
            package.key
        )))
    }
}

/// Removes a file in the making. That it cannot be removed changes nothing for the sender.
fn discard(partial: &Path) {
    if let Err(error) = fs::remove_file(partial) {
        tracing::warn!(path = %partial.display(), %error, "a partial file stays behind");
    }
}

/// The runtime has ended in the middle of it.
fn interrupted(error: JoinError) -> StorageError {
    StorageError::NotWritable {
        what: "a package".to_owned(),
        source: io::Error::other(error),
    }
}

fn package_of(row: &SqliteRow) -> Result<Package, StorageError> {
    let id: &str = row.try_get("package_id")?;
    let manifest = serde_json::from_value(parse_json(row.try_get("manifest")?)?)
        .map_err(|error| StorageError::corrupt("a package's manifest", error))?;
    Ok(Package {
        key: row.try_get("idempotency_key")?,
        receipt: Receipt {
            package_id: crate::database::parse(id)?,
            received_at: timestamp(row.try_get("received_us")?)?,
        },
        manifest,
    })
}
