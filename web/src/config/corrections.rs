//! The court's dictionary: what is written in place of what recognisers hear.

use super::{ConfigError, DraftConfig};
use crate::draft::spoken;
use otyrys_signaling::Language;
use otyrys_transcribe::{Correction, Corrections};
use serde::{Deserialize, Serialize};

/// One entry of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectionConfig {
    /// What the recogniser writes: one word or several.
    pub heard: String,
    /// What is to be written in its place.
    pub written: String,
    /// In which language it is heard. Empty: in all.
    #[serde(default)]
    pub language: Option<Language>,
    /// Whether it has to be heard with these very capitals.
    #[serde(default)]
    pub case_sensitive: bool,
}

impl DraftConfig {
    /// The court's dictionary.
    ///
    /// # Errors
    /// [`ConfigError::Correction`] names the entry that cannot be meant.
    pub fn corrections(&self) -> Result<Corrections, ConfigError> {
        let entries = self.corrections.iter().map(|entry| Correction {
            heard: entry.heard.clone(),
            written: entry.written.clone(),
            language: entry.language.map(spoken),
            case_sensitive: entry.case_sensitive,
        });
        Ok(Corrections::new(entries)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn an_entry_that_cannot_be_meant_is_refused_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("otyrys.toml");
        let entries = "[[draft.corrections]]\nheard = \"карагандинский\"\nwritten = ";
        std::fs::write(&file, format!("{entries}\"Карагандинский\"\n")).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        assert_eq!(config.draft.corrections[0].written, "Карагандинский");
        std::fs::write(&file, format!("{entries}\"\"\n")).unwrap();
        let error = Config::load(Some(&file)).unwrap_err().to_string();
        assert!(
            error.ends_with("draft.corrections: \"карагандинский\" cannot be corrected to nothing"),
            "{error}"
        );
    }
}
