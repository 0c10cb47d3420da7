//! The command line.

use crate::{
    bad_line, config::Config, demo_run, export_command, log, model_command, reconcile_command,
    rehearse::RehearseArgs, retention_command, serve, stores::seal_key, verify_command, witness,
};
use clap::{Args, Parser, Subcommand};
use otyrys_media::{
    film::run_film,
    recorder::{RecorderProgram, run_recorder_process},
};
use otyrys_signaling::Language;
use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Remote hearings for courts: conference, record, draft protocol, delivery to the case registry.
#[derive(Debug, Parser)]
#[command(name = "otyrys", version, about, propagate_version = true)]
pub struct Cli {
    /// Configuration file [default: otyrys.toml in the working folder, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server: pages, signalling, sound and picture, record, draft, delivery.
    Serve(ServeArgs),
    /// Recognises speech for a server whose configuration says `draft.apart`, beside it. Any number may
    /// run; whatever one leaves undone, another one does.
    Worker,
    /// Joins a hearing with native participants who speak recorded speech.
    Rehearse(RehearseArgs),
    /// Puts a bad line between people and a server, to try what it does to a hearing.
    Relay(bad_line::RelayArgs),
    /// Plays a whole demo hearing unattended and checks the result.
    Demo(demo_run::DemoArgs),
    /// Fetches, imports, quantises and checks speech models.
    #[command(subcommand)]
    Model(model_command::ModelCommand),
    /// Writes the record's files for `serve`, which starts it: GStreamer in a process of its own,
    /// without any rights.
    #[command(hide = true)]
    Recorder,
    /// Makes room files for `serve`, which starts it: GStreamer in a process of its own, without
    /// any rights.
    #[command(hide = true)]
    RoomFile,
    /// Checks a bundle (record, events, protocol) offline and names the first byte that does not
    /// hold.
    Verify(verify_command::VerifyArgs),
    /// Hands out the record of a closed hearing: decrypted, as `otyrys verify` checks it.
    Export(export_command::ExportArgs),
    /// Tells until when records are kept, and ends it with the word of two persons.
    #[command(subcommand)]
    Retention(retention_command::RetentionCommand),
    /// At the end of the day: lists the hearings with their records, protocols and receipts, and
    /// what does not match. Exit code 0 when all does, 1 when something does not, 2 when it could
    /// not look.
    Reconcile(reconcile_command::ReconcileArgs),
    /// Signs what it sees of other courts' hearings, so that they cannot take it back: a witness.
    Witness,
    /// Prints the public key of this server's seal, for those who verify its bundles.
    Key,
    /// Brings the database to this version's schema and exits.
    Migrate,
}

/// How `otyrys serve` starts `otyrys recorder`.
pub(crate) fn muxing_program() -> RecorderProgram {
    RecorderProgram::this(&["recorder"])
}

/// How `otyrys serve` starts `otyrys room-file`.
pub(crate) fn film_program() -> RecorderProgram {
    RecorderProgram::this(&["room-file"])
}

/// How to serve.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Seeds a demo court with one hearing and shows its links on the home page. Never on a server
    /// that is used for real hearings: whoever reaches the page can take any seat.
    #[arg(long)]
    pub demo: bool,
    /// With --demo: native participants take the seats that nobody took, and speak.
    #[arg(long, requires = "demo")]
    pub rehearse: bool,
    /// With --rehearse: the folder of recorded speech.
    #[arg(long, value_name = "DIR")]
    pub speech: Option<PathBuf>,
}

/// The language that a command speaks, by its code.
pub(crate) fn language(code: &str) -> Result<Language, String> {
    serde_json::from_value(code.into()).map_err(|_| "kk, ru or en".to_owned())
}

/// Why a command failed, in words for whoever ran it.
pub type CommandError = Box<dyn Error + Send + Sync>;

impl Cli {
    /// Runs the command to its end.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let failure = match self.command {
            // 1 tells what it found.
            Command::Reconcile(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        };
        dispatch(self.config.as_deref(), self.command).unwrap_or_else(|error| {
            let words = format!("otyrys: {}", explain(error.as_ref()));
            tell(&mut std::io::stderr(), &words);
            failure
        })
    }
}

fn dispatch(file: Option<&Path>, command: Command) -> Result<ExitCode, CommandError> {
    let config = match command {
        // It shall know nothing.
        Command::Recorder | Command::RoomFile => Config::default(),
        _ => Config::load(file)?,
    };
    log::init(&config.log);
    match command {
        Command::Serve(args) => runtime()?.block_on(serve::serve(config, args)),
        Command::Worker => runtime()?.block_on(crate::draft::run_worker(&config)),
        Command::Rehearse(args) => Ok(runtime()?.block_on(crate::rehearse::run(args))?),
        Command::Relay(args) => {
            runtime()?.block_on(bad_line::run(args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(args) => runtime()?.block_on(demo_run::run(config, args)),
        Command::Model(command) => model_command::run(&config, command),
        Command::Recorder => {
            run_recorder_process()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::RoomFile => {
            run_film()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify(args) => verify_command::run(&args),
        Command::Export(args) => {
            runtime()?.block_on(export_command::run(&config, args))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Retention(command) => {
            runtime()?.block_on(retention_command::run(&config, command))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reconcile(args) => runtime()?.block_on(reconcile_command::run(&config, args)),
        Command::Witness => runtime()?.block_on(witness::run(&config)),
        Command::Key => {
            let key = seal_key(&config.server.data_dir)?;
            tell(&mut std::io::stdout(), &key.public().to_string());
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate => {
            runtime()?.block_on(serve::migrate(&config))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// An error with its causes, the outermost first.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Many errors repeat their cause in their own words.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// Writes a line for whoever ran the command. A closed pipe is their business.
pub fn tell(to: &mut impl Write, line: &str) {
    let _closed = writeln!(to, "{line}");
}
