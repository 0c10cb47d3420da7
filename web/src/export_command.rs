//! `otyrys export`: hands out the record of a closed hearing as plain files.

use crate::{
    cli::{CommandError, tell},
    config::Config,
    handout,
    stores::{Stores, open_backup},
};
use clap::Args;
use otyrys_media::recorder::mix_sound;
use otyrys_storage::{Bundle, Derived, MasterKey, RecordSpool, ids::HearingId};
use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

/// Everybody in one file, on the record clock.
const MIXED: &str = "room.ogg";

/// Which record goes where.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The hearing: the name of its folder in data_dir/archive/bundles.
    hearing: HearingId,
    /// A folder to be made, or a zip archive if the name ends in .zip. Whoever has it can read it.
    target: PathBuf,
    /// Not the record, but the second copy of its sound from record.backup_path: a file for each
    /// track, and room.ogg with all of them together.
    #[arg(long)]
    backup: bool,
}

/// Writes the bundle, decrypted and checked against what was sealed, with the room file if it is
/// made and a page that plays it. It may run beside a server.
///
/// # Errors
/// When the key or the bundle cannot be read, or the target cannot be written.
pub async fn run(config: &Config, args: ExportArgs) -> Result<(), CommandError> {
    if args.backup {
        // The data folder may be gone with its disk.
        let key = config.record.master_key(&config.server.data_dir);
        let master = Arc::new(MasterKey::load(&key).await?);
        let backup = open_backup(&config.record, master);
        let backup = backup.ok_or("record.backup_path is not set: there is no backup")?;
        return tokio::task::spawn_blocking(move || export_backup(&backup, &args)).await?;
    }
    let stores = Stores::open_beside(&config.server.data_dir, &config.record).await?;
    let target = args.target.clone();
    let bundle = tokio::task::spawn_blocking(move || -> Result<Bundle, CommandError> {
        let bundle = stores.bundle(args.hearing)?;
        let (keys, key) = (stores.spool.keys(), stores.node_key()?);
        let files = handout::files(&bundle, keys, &stores.derived_dir(args.hearing))?;
        let derived = Derived { files, key: &key };
        bundle.export_with(keys, &derived, &target)?;
        Ok(bundle)
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

fn export_backup(backup: &RecordSpool, args: &ExportArgs) -> Result<(), CommandError> {
    fs::create_dir(&args.target)?;
    let mut files = Vec::new();
    for segment in backup.segments(args.hearing)? {
        let facts = &segment.facts;
        let name = format!(
            "{}-{}-{}{}",
            facts.participant,
            facts.source,
            facts.segment,
            facts.media_ending()
        );
        let path = args.target.join(name);
        io::copy(&mut backup.reader(&segment)?, &mut fs::File::create(&path)?)?;
        files.push((path, Duration::from_millis(facts.starts_ms)));
    }
    if files.is_empty() {
        return Err(format!("there is no backup of hearing {}", args.hearing).into());
    }
    mix_sound(&files, &args.target.join(MIXED))?;
    let words = format!(
        "The sound of hearing {} is in {}: {} files, and all of them in {MIXED}.",
        args.hearing,
        args.target.display(),
        files.len(),
    );
    tell(&mut io::stdout(), &words);
    Ok(())
}
