//! `otyrys export`: hands out the record of a closed hearing as plain files.

use crate::{
    cli::{CommandError, tell},
    config::Config,
    handout,
    playable::Playable,
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
        let mut plays = Playable::new(backup.reader(&segment)?);
        io::copy(&mut plays, &mut fs::File::create(&path)?)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::tests::{Court, LOUD, PACKET, loudness, opus};
    use otyrys_storage::ids::ParticipantId;
    use tokio::time;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_backup_comes_out_as_each_voice_and_as_all_of_them_on_one_clock() {
        let court = Court::open().await;
        let mut first = court.microphone(1);
        let hearing = first.hearing;
        let (quiet, loud) = (opus(200, 0.05), opus(200, 0.4));
        let mut second = None;
        let mut clock = time::interval(PACKET);
        for number in 0..300 {
            clock.tick().await;
            if let Some(packet) = quiet.get(number) {
                court.send(&mut first, packet, LOUD);
            }
            // Two seconds later.
            let Some(number) = number.checked_sub(100) else {
                continue;
            };
            let person = ParticipantId::generate();
            let second = second.get_or_insert_with(|| court.microphone_of(hearing, person, 2));
            court.send(second, &loud[number], LOUD);
        }
        let (stores, folder) = court.close().await;
        let backup = stores.backup.expect("a backup");
        let args = ExportArgs {
            hearing,
            target: folder.path().join("export"),
            backup: true,
        };
        export_backup(&backup, &args).expect("exported");
        let entries = fs::read_dir(&args.target).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let voices: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "webm"))
            .map(|path| loudness(&path).len())
            .collect();
        assert_eq!(voices.len(), 2);
        assert!(
            voices.iter().all(|tenths| (39..=41).contains(tenths)),
            "{voices:?}"
        );

        // It begins where the record does.
        let segments = backup.segments(hearing).expect("segments");
        let tenths = |ms: u64| usize::try_from(ms / 100).expect("a short hearing");
        let begins = tenths(segments[0].facts.starts_ms);
        let ends = tenths(segments[1].ends_ms);
        let room = loudness(&args.target.join(MIXED));
        assert!(room.len().abs_diff(ends) <= 2, "{} of {ends}", room.len());
        let mean = |from: usize, to: usize| {
            let part = &room[begins + from..begins + to];
            part.iter().sum::<f64>() / part.len() as f64
        };
        // The second voice has 64 times the energy of the first.
        let (alone, both, other) = (mean(3, 17), mean(24, 38), mean(43, 57));
        assert!(alone > 100.0, "{room:?}");
        assert!(both > 10.0 * alone && other > 10.0 * alone, "{room:?}");
    }
}
