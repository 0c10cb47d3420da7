//! `otyrys verify`: checks a bundle offline.

use crate::{
    cli::{CommandError, tell},
    protocol::ProtocolDocument,
};
use clap::Args;
use otyrys_storage::{Authorities, DamagedFile, Trust, Verdict, WitnessKey, verify_trusting};
use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

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
    /// File with certificates (PEM) that a time-stamping authority must lead to. The seal must bear
    /// its stamp then; without it a stamp is checked, but nobody vouches for who made it.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// The key of a witness that must have signed the seal, as it publishes it. For more than one,
    /// repeat it.
    #[arg(long, value_name = "VKEY")]
    witness: Vec<WitnessKey>,
}

impl VerifyArgs {
    fn trust(&self) -> Result<Trust, CommandError> {
        let key = self.key.as_ref().map(fs::read_to_string).transpose()?;
        let authorities = self.authority.as_ref().map(fs::read).transpose()?;
        Ok(Trust {
            key: key.map(|key| key.trim().parse()).transpose()?,
            authorities: authorities
                .map(|pem| Authorities::from_pem(&pem))
                .transpose()?,
            witnesses: self.witness.clone(),
        })
    }
}

/// Checks the bundle; fails if anything in it does not hold. What was damaged when it was sealed, and
/// is named by the seal, is told and is no failure.
///
/// # Errors
/// When the bundle or what it is to be checked by cannot be read.
pub fn run(args: &VerifyArgs) -> Result<ExitCode, CommandError> {
    let mut out = io::stdout();
    match verify_trusting(&args.bundle, &args.trust()?)? {
        Verdict::Holds(report) => {
            tell(&mut out, &report.to_string());
            if !report.damaged.is_empty() {
                tell(&mut out, &damage(&args.bundle, &report.damaged));
            }
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

/// What the record lacks, with whose it is by the protocol in the bundle.
fn damage(bundle: &Path, damaged: &[DamagedFile]) -> String {
    let protocol = fs::read(bundle.join("documents/protocol.json"));
    let protocol: Option<ProtocolDocument> = protocol
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let pieces: usize = damaged.iter().map(|file| file.damage.len()).sum();
    let mut words = format!(
        "\nWARNING: the record was damaged before it was sealed. It is sealed with {pieces} \
         piece(s) missing:"
    );
    for DamagedFile { path, damage } in damaged {
        let mut files = protocol.iter().flat_map(|protocol| &protocol.record);
        let name = files
            .find(|file| file.file == path.as_str())
            .map(|file| format!(" ({})", file.name))
            .unwrap_or_default();
        for piece in damage {
            // Writing to a string cannot fail.
            let _ = write!(words, "\n  {path}{name}: {piece}");
        }
    }
    words.push_str(
        "\nZeros stand in their place; the digests of what was there stand in the log. All else holds.",
    );
    words
}
