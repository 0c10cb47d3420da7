//! `otyrys model`: fetches, imports, lists, quantises and checks speech models.

mod list;

use crate::{
    cli::{CommandError, tell},
    config::Config,
};
use clap::Subcommand;
use otyrys_transcribe::models::{self, FetchStep, ModelInfo, ModelName};
use std::{io, path::PathBuf, process::ExitCode};

/// What to do with a model.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Fetches a known model and installs it where the server looks for it.
    Fetch {
        /// `base` (multilingual) or `tiny.en`.
        #[arg(value_parser = model_name)]
        name: ModelName,
    },
    /// Lists the models that the server uses, those that can be fetched, and what else lies in the
    /// folder of models.
    List,
    /// Turns a CTranslate2 folder (model.bin, config.json, tokenizer.json, vocabulary.txt) into a
    /// ggml file.
    Import {
        /// The folder.
        folder: PathBuf,
        /// The file to write.
        output: PathBuf,
    },
    /// Rounds the weights of a ggml file to eight bits: half the size, and less time for each word.
    Quantize {
        /// The file with float16 or float32 weights.
        file: PathBuf,
        /// The file to write.
        output: PathBuf,
    },
    /// Says what a ggml file is, or what is wrong with it.
    Check {
        /// The file [default: the one that the server uses].
        file: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// In words for whoever ran it.
pub fn run(config: &Config, command: ModelCommand) -> Result<ExitCode, CommandError> {
    let mut out = io::stdout();
    match command {
        ModelCommand::Fetch { name } => {
            let fetched = models::fetch(name, &config.draft.models_dir(), &mut |step| {
                tell(&mut io::stderr(), step_words(step));
            })?;
            tell(&mut out, &format!("{} is installed.", fetched.display()));
        }
        ModelCommand::List => tell(&mut out, list::listed(&config.draft).trim_end()),
        ModelCommand::Import { folder, output } => {
            let info = models::import_ctranslate2(&folder, &output)?;
            tell(&mut out, &describe(&output.display().to_string(), &info));
        }
        ModelCommand::Quantize { file, output } => {
            let info = models::quantize(&file, &output)?;
            tell(&mut out, &describe(&output.display().to_string(), &info));
        }
        ModelCommand::Check { file } => {
            let file = file.unwrap_or_else(|| config.draft.model());
            let info = models::check(&file)?;
            tell(&mut out, &describe(&file.display().to_string(), &info));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(file: &str, info: &ModelInfo) -> String {
    let known = match info.known {
        Some(name) => format!("known as {}", name.as_str()),
        None => "not one that Otyrys knows".to_owned(),
    };
    format!(
        "{file}: {} bytes, SHA-256 {}, {known}.",
        info.size, info.sha256
    )
}

fn model_name(text: &str) -> Result<ModelName, String> {
    ModelName::ALL
        .into_iter()
        .find(|name| name.as_str() == text)
        .ok_or_else(|| {
            let names: Vec<&str> = ModelName::ALL.iter().map(|name| name.as_str()).collect();
            format!("there is no such model; there are: {}", names.join(", "))
        })
}

fn step_words(step: FetchStep) -> &'static str {
    match step {
        FetchStep::AlreadyThere => "The model is there already.",
        FetchStep::Downloading => "Downloading the model (about 150 MB for base) ...",
        FetchStep::Unpacking => "Unpacking ...",
        FetchStep::Converting => "Converting to ggml ...",
        FetchStep::Installed => "Done.",
    }
}
