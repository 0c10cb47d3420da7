//! What the record of a closed hearing is heard again with.

use super::{ConfigError, DraftConfig};
use crate::draft::ModelFiles;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The final pass over the record. Nothing set: the draft made while people spoke is the draft.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FinalPassConfig {
    /// ggml model for every language without one of its own.
    pub model: Option<PathBuf>,
    /// ggml model fitted to Kazakh. Without it lines in Kazakh are marked as weak, and do not come in
    /// place of lines that are not.
    pub model_kk: Option<PathBuf>,
    /// ggml model fitted to Russian.
    pub model_ru: Option<PathBuf>,
    /// ggml model fitted to English.
    pub model_en: Option<PathBuf>,
}

impl FinalPassConfig {
    /// Refuses a model for one language without one for the others.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fitted = [&self.model_kk, &self.model_ru, &self.model_en];
        match self.model.is_none() && fitted.iter().any(|model| model.is_some()) {
            true => Err(ConfigError::FinalPassModel),
            false => Ok(()),
        }
    }
}

impl DraftConfig {
    /// The models of the final pass; none if there is to be none.
    pub(crate) fn final_models(&self) -> Option<ModelFiles> {
        let FinalPassConfig {
            model,
            model_kk,
            model_ru,
            model_en,
        } = self.final_pass.clone();
        let model = model.filter(|_| self.enabled)?;
        Some(ModelFiles::new(model, [model_kk, model_ru, model_en]))
    }

    /// The models that hear while people speak.
    pub(crate) fn live_models(&self) -> ModelFiles {
        let fitted = [&self.model_kk, &self.model_ru, &self.model_en];
        ModelFiles::new(self.model(), fitted.map(Clone::clone))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_model_for_one_language_needs_one_for_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("otyrys.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Config::load(Some(&file))
        };
        let alone = "[draft.final_pass]\nmodel_kk = \"/kk.bin\"";
        let error = read(alone).unwrap_err().to_string();
        assert!(error.contains("draft.final_pass.model"), "{error}");
        let models = read(&format!("{alone}\nmodel = \"/all.bin\""))
            .unwrap()
            .draft
            .final_models()
            .unwrap();
        assert_eq!(models.default.to_str(), Some("/all.bin"));
        assert!(Config::default().draft.final_models().is_none());
    }
}
