//! What is kept of a hearing, unreadable without its key.
//!
//! Each hearing has a key of its own, which never leaves this crate: [`HearingKeys`] keeps it
//! wrapped by the [`MasterKey`]. From it each file has a key of its own (`file_key.rs`), under
//! which it is encrypted piece by piece: chunks while it is recorded (`chunks.rs`), blocks in a
//! bundle ([`BlockWriter`], [`BlockReader`]). Whoever destroys the hearing's key has destroyed all
//! of them. `docs/RECORD-FORMAT.md` has the formats.

mod blocks;
mod chunks;
mod file_key;
mod hearing_keys;
mod master_key;

pub use blocks::{BlockReader, BlockWriter};
pub use hearing_keys::HearingKeys;
pub use master_key::{KeySource, MasterKey};

pub(crate) use chunks::{ChunkOpener, ChunkSealer, stored_len};
pub(crate) use hearing_keys::{HearingKey, WrappedKey};
