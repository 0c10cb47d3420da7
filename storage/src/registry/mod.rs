//! The store of the embedded reference registry: cases, parties, schedule, received packages.
//!
//! It shares the database file but no table with the rest (`registry_*`), so that one machine is
//! complete and the registry can still be taken away. Packages lie in `packages/<key>/`, encrypted.

mod cases;
mod packages;

pub use cases::{Case, Party, Sitting};
pub use packages::{FileInPackage, Limits, Package, PackageFile, PackageManifest, Receipt};

use crate::{at_rest::MasterKey, database::Database, error::StorageError};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// The registry's store. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Registry {
    database: Database,
    packages: PathBuf,
    limits: Limits,
    secret: Secret,
    // Held while a file gets its name and while a commit checks: no file changes under a commit.
    gate: Arc<Mutex<()>>,
}

impl Registry {
    /// The registry in `database`, with its packages in `dir/packages`.
    ///
    /// # Errors
    /// [`StorageError::NotWritable`] and the like, if the folder cannot be made.
    pub fn open(
        database: Database,
        dir: &Path,
        limits: Limits,
        master: &MasterKey,
    ) -> Result<Self, StorageError> {
        let packages = dir.join("packages");
        crate::files::create_dirs(&packages)?;
        Ok(Self {
            database,
            packages,
            limits,
            secret: Secret(Arc::new(master.registry_secret()?)),
            gate: Arc::default(),
        })
    }
}

/// What the packages are encrypted under. It is the registry's own: a hearing whose key is destroyed
/// stays with those to whom its record was delivered. `Debug` does not show it.
#[derive(Clone)]
struct Secret(Arc<Zeroizing<[u8; 32]>>);

impl Secret {
    fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
