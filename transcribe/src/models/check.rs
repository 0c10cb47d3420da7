//! Reads a ggml file's structure to its very end, before whisper.cpp is given the file.

use std::path::Path;

use super::reader::Reader;
use super::{ModelError, ModelName};

/// What [`check`] found out about a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Which size of Whisper it is.
    pub kind: ModelKind,
    /// Whether it knows languages other than English.
    pub multilingual: bool,
    /// The model of this project whose bytes these are, if any.
    pub known: Option<ModelName>,
}

/// The size of a Whisper model, told by its encoder's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// 4 layers.
    Tiny,
    /// 6 layers.
    Base,
    /// 12 layers.
    Small,
    /// 24 layers.
    Medium,
    /// 32 layers.
    Large,
    /// Any other number of layers.
    Other,
}

/// Checks a ggml file: magic, sizes, vocabulary, every tensor's name, shape and length, and
/// that the last one ends with the file. Reads the whole file once, for its SHA-256: about a
/// second for each gigabyte.
///
/// # Errors
/// [`ModelError`] names the part that is missing, cut, repeated or impossible.
pub fn check(path: &Path) -> Result<ModelInfo, ModelError> {
    let (mut reader, sizes) = Reader::open(path)?;
    reader.tensors(&sizes, |reader, stored| {
        reader.file.skip(stored.bytes(), &stored.plan.name)
    })?;
    let sha256 = reader.file.sha256()?;
    Ok(ModelInfo {
        known: ModelName::ALL
            .into_iter()
            .find(|name| name.sha256() == sha256),
        sha256,
        size: reader.file.size(),
        kind: match sizes.n_audio_layer {
            4 => ModelKind::Tiny,
            6 => ModelKind::Base,
            12 => ModelKind::Small,
            24 => ModelKind::Medium,
            32 => ModelKind::Large,
            _ => ModelKind::Other,
        },
        multilingual: sizes.is_multilingual(),
    })
}
