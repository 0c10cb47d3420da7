//! `otyrys reconcile`: a day's hearings against their records, protocols and receipts.

use crate::{
    cli::{CommandError, language, tell},
    config::Config,
    reconciliation::{Words, gather, report},
    stores::Stores,
};
use clap::Args;
use jiff::{Zoned, civil::Date};
use otyrys_signaling::Language;
use otyrys_storage::Depth;
use std::{io, process::ExitCode};

/// Which day, and how it is told.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// The day, by the court's clock [default: today, by the clock of this machine].
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Reads every bundle to its last byte. Without it: seal, and that each file is there.
    #[arg(long)]
    verify: bool,
    /// The language of the report: kk, ru or en.
    #[arg(long, value_name = "CODE", default_value = "ru", value_parser = language)]
    language: Language,
    /// For programs: JSON.
    #[arg(long)]
    json: bool,
}

/// Tells what does not match. It may run beside a server.
///
/// # Errors
/// What keeps it from looking; what it finds is no error, but makes the exit code 1.
pub async fn run(config: &Config, args: ReconcileArgs) -> Result<ExitCode, CommandError> {
    let stores = Stores::open_beside(&config.server.data_dir, &config.record).await?;
    let day = args.date.unwrap_or_else(|| Zoned::now().date());
    let depth = match args.verify {
        true => Depth::Bytes,
        false => Depth::Sizes,
    };
    let facts = gather(&stores, day, depth).await?;
    stores.database.close().await;
    let report = report(day, &facts, config);
    let text = match args.json {
        true => serde_json::to_string_pretty(&report)?,
        false => Words::of(args.language).report(&report),
    };
    tell(&mut io::stdout(), &text);
    Ok(match report.matches {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
