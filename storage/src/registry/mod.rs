//! The store of the embedded reference registry: cases, parties, schedule, received packages.
//!
//! It shares the database file but no table with the rest (`registry_*`), so that one machine is
//! complete and the registry can still be taken away. Packages lie in `packages/<key>/`.

mod cases;
mod packages;

pub use cases::{Case, Party, Sitting};
pub use packages::{FileInPackage, Limits, Package, PackageFile, PackageManifest, Receipt};

use crate::{database::Database, error::StorageError};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;

/// The registry's store. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Registry {
    database: Database,
    packages: PathBuf,
    limits: Limits,
    // Held while a file gets its name and while a commit checks: no file changes under a commit.
    gate: Arc<Mutex<()>>,
}

impl Registry {
    /// The registry in `database`, with its packages in `dir/packages`.
    ///
    /// # Errors
    /// [`StorageError::NotWritable`] and the like, if the folder cannot be made.
    pub fn open(database: Database, dir: &Path, limits: Limits) -> Result<Self, StorageError> {
        let packages = dir.join("packages");
        crate::files::create_dirs(&packages)?;
        Ok(Self {
            database,
            packages,
            limits,
            gate: Arc::default(),
        })
    }
}
