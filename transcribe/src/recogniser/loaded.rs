//! The loaded models, and which one serves a language.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use whisper_rs::{WhisperContext, WhisperContextParameters};

use super::engine::LARGEST_WINDOW;
use super::{Language, RecogniserError};
use crate::models::{self, ModelInfo};

/// A loaded model, shared by all workers.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) context: WhisperContext,
    info: ModelInfo,
}

impl Model {
    fn load(path: &Path) -> Result<Self, RecogniserError> {
        // First: whisper.cpp aborts the process on some damaged files.
        let info = models::check(path)?;
        let refused = || RecogniserError::ModelRefused {
            path: path.to_owned(),
        };
        let context = models::read_cropped(path, LARGEST_WINDOW, |name| {
            WhisperContext::new_with_params(name, WhisperContextParameters::default())
        })?;
        Ok(Self {
            context: context.map_err(|_| refused())?,
            info,
        })
    }
}

/// Which of the loaded models: an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ModelId(usize);

impl ModelId {
    /// The one for every language without its own.
    pub(super) const DEFAULT: Self = Self(0);
}

/// All models, the default one first.
#[derive(Debug)]
pub(super) struct LoadedModels {
    models: Vec<Model>,
    /// Of each language that has its own.
    own: BTreeMap<Language, ModelId>,
}

impl LoadedModels {
    /// Checks and loads the files, each once.
    pub(super) fn load(
        default: PathBuf,
        of_languages: BTreeMap<Language, PathBuf>,
    ) -> Result<Self, RecogniserError> {
        let mut paths = vec![default];
        let mut own = BTreeMap::new();
        for (language, path) in of_languages {
            let index = paths.iter().position(|p| *p == path).unwrap_or(paths.len());
            if index == paths.len() {
                paths.push(path);
            }
            own.insert(language, ModelId(index));
        }
        let models = paths.iter().map(|path| Model::load(path));
        Ok(Self {
            models: models.collect::<Result<_, _>>()?,
            own,
        })
    }

    pub(super) fn get(&self, id: ModelId) -> &Model {
        &self.models[id.0]
    }

    /// Which one serves a language.
    pub(super) fn of(&self, language: Language) -> ModelId {
        let own = self.own.get(&language).copied();
        own.unwrap_or(ModelId::DEFAULT)
    }

    /// Whether a language is served at all: not where its model knows only English.
    pub(super) fn serves(&self, language: Language) -> bool {
        language == Language::ENGLISH || self.get(self.of(language)).info.multilingual
    }

    /// Whether no model fits the language.
    pub(super) fn is_weak(&self, language: Language) -> bool {
        !self.own.contains_key(&language) && !language.plain_model_serves()
    }

    /// Whether languages can be told apart: the default model has learnt that, which one that was
    /// fitted to a single language may have lost.
    pub(super) fn tells_languages(&self) -> bool {
        self.get(ModelId::DEFAULT).info.multilingual
    }
}
