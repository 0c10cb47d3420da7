//! The case registry: the one embedded in this server, and the way results are delivered to any.
//!
//! [`router`] serves the registry API over storage's registry store, so that one machine is
//! complete. [`delivery`] is the other side: it hands the package of a closed hearing to a
//! registry behind the trait [`delivery::CaseRegistry`], until the registry acknowledges it. The
//! two meet over HTTP only, also when both are in this process. `docs/REGISTRY.md` describes the
//! contract to the author of a connector.

mod access;
mod api;
pub mod contract;
pub mod delivery;
mod error;
mod playback;
#[cfg(test)]
mod tests;

pub use api::router;
pub use error::{Problem, ProblemCode, RegistryError};

use crate::room_file::Films;
use access::Access;
use otyrys_storage::Registry;
use std::sync::Arc;

/// Where the registry API begins.
pub const API_ROOT: &str = "/registry/api/v1";

/// What the registry's handlers share. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct RegistryState {
    store: Registry,
    films: Films,
    access: Arc<Access>,
}

impl RegistryState {
    /// The registry on `store`, which also shows the `films` of this server, with the SHA-256 hashes of the readers' access key and of the
    /// deliverer's token (see [`hash_of`](crate::secrets::hash_of)).
    #[must_use]
    pub fn new(
        store: Registry,
        films: Films,
        reader_key: [u8; 32],
        delivery_token: [u8; 32],
    ) -> Self {
        Self {
            store,
            films,
            access: Arc::new(Access::new(reader_key, delivery_token)),
        }
    }

    fn access(&self) -> &Access {
        &self.access
    }

    fn films(&self) -> &Films {
        &self.films
    }

    fn store(&self) -> &Registry {
        &self.store
    }
}
