//! What is delivered: a bundle, decrypted on its way, and what the registry is told about it.

use super::super::contract::{Manifest, ManifestFile};
use otyrys_storage::{Bundle, BundleFile, Digest, HearingKeys, StorageError};
use serde_json::json;
use std::path::Path;

/// The sealed bundle of a hearing on its way to the registry.
#[derive(Debug, Clone)]
pub struct DeliveryPackage {
    key: String,
    bundle: Bundle,
    keys: HearingKeys,
    manifest: Manifest,
}

impl DeliveryPackage {
    /// The package of a bundle for a case. The key must be the same in every attempt; the
    /// hearing's identifier is a good one. Every file of the bundle goes into it, with its
    /// manifest, its seal and what others say of it.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] or [`StorageError::NotWritable`] if the manifest or the seal
    /// cannot be read.
    pub async fn of_bundle(
        key: String,
        case_number: String,
        bundle: Bundle,
        keys: HearingKeys,
    ) -> Result<Self, StorageError> {
        let sealed = bundle.manifest.files.iter();
        let mut files: Vec<_> = sealed
            .map(|file| ManifestFile {
                path: file.path.clone(),
                size: file.size,
                sha256: file.sha256,
            })
            .collect();
        for path in bundle.unlisted()? {
            let bytes = read(&path.under(&bundle.dir)).await?;
            files.push(ManifestFile {
                path,
                size: bytes.len() as u64,
                sha256: Digest::of(&bytes),
            });
        }
        let manifest = Manifest {
            case_number,
            hearing_id: bundle.manifest.hearing.to_string(),
            facts: json!({
                "format": bundle.manifest.format,
                "sealed_at": bundle.manifest.sealed_at,
                "manifest_sha256": bundle.manifest_sha256,
            }),
            files,
        };
        Ok(Self {
            key,
            bundle,
            keys,
            manifest,
        })
    }

    /// The same in every attempt, so that the registry takes the package once.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What it consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A file of it, as it is sent.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn open(&self, file: &ManifestFile) -> Result<BundleFile, StorageError> {
        self.bundle.open(&file.path, &self.keys)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, StorageError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| StorageError::NotWritable {
            what: path.display().to_string(),
            source,
        })
}
