//! `otyrys export`: hands out the record of a closed hearing as plain files.

use crate::{
    cli::{CommandError, tell},
    config::Config,
    stores::Stores,
};
use clap::Args;
use otyrys_storage::{StorageError, ids::HearingId};
use std::{io, path::PathBuf};

/// Which record goes where.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The hearing: the name of its folder in data_dir/archive/bundles.
    hearing: HearingId,
    /// A folder to be made, or a zip archive if the name ends in .zip. Whoever has it can read it.
    target: PathBuf,
}

/// Writes the bundle, decrypted and checked against what was sealed. It may run beside a server.
///
/// # Errors
/// When the key or the bundle cannot be read, or the target cannot be written.
pub async fn run(config: &Config, args: ExportArgs) -> Result<(), CommandError> {
    let stores = Stores::open_beside(&config.server.data_dir, &config.record).await?;
    let target = args.target.clone();
    let bundle = tokio::task::spawn_blocking(move || {
        let bundle = stores.bundle(args.hearing)?;
        bundle.export(stores.spool.keys(), &target)?;
        Ok::<_, StorageError>(bundle)
    });
    let manifest = bundle.await??.manifest_sha256;
    let words = format!(
        "The record of hearing {} is in {}; its manifest.json has SHA-256 {manifest}.",
        args.hearing,
        args.target.display()
    );
    tell(&mut io::stdout(), &words);
    Ok(())
}
