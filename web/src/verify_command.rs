//! `otyrys verify`: checks a bundle offline.

use crate::cli::{CommandError, tell};
use clap::Args;
use otyrys_storage::{PublicKey, Verdict, verify};
use std::{fs, io, path::PathBuf, process::ExitCode};

/// Which bundle to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The folder of the bundle, with manifest.json and seal.txt.
    bundle: PathBuf,
    /// File with the court's public key (64 hexadecimal digits, as `otyrys key` prints it), got on
    /// another way than the bundle. Without it the bundle is checked against the key in its own
    /// key.txt, which proves less.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Checks the bundle; fails if anything in it does not hold.
///
/// # Errors
/// When the bundle or the key cannot be read.
pub fn run(args: &VerifyArgs) -> Result<ExitCode, CommandError> {
    let key = match &args.key {
        Some(path) => Some(fs::read_to_string(path)?.trim().parse::<PublicKey>()?),
        None => None,
    };
    let mut out = io::stdout();
    match verify(&args.bundle, key.as_ref())? {
        Verdict::Holds(report) => {
            tell(&mut out, &report.to_string());
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Broken(violations) => {
            for violation in &violations {
                tell(&mut out, &violation.to_string());
            }
            tell(&mut out, "The bundle does not hold.");
            Ok(ExitCode::FAILURE)
        }
    }
}
