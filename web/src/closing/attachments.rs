//! What goes into a bundle beside the record and was made from it: copies for players, and sound
//! that only the backup has.

use super::{AttachError, examined::Examined};
use crate::{
    playable::Playable,
    recording::{codec_name, not_in_record},
    stores::Stores,
};
use otyrys_media::{
    Codec,
    recorder::{RecorderError, make_seekable},
};
use otyrys_storage::{
    ArchivePath, SegmentFacts,
    ids::{HearingId, SegmentId},
};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Makes the seekable copies of a record: for each segment where in the bundle it lies and where it
/// was made. Of a damaged one it has the rest; where nothing can be made there is no copy.
pub(super) fn make_playback(
    stores: &Stores,
    id: HearingId,
    segments: &[Examined],
) -> Result<HashMap<SegmentId, (ArchivePath, PathBuf)>, AttachError> {
    let dir = stores.playback_dir(id);
    fs::create_dir_all(&dir)?;
    let mut made = HashMap::new();
    for segment in segments {
        let facts = &segment.record.facts;
        let file = dir.join(format!("{}{}", facts.segment, playback_ending(facts)));
        if !file.exists() && !make_copy(stores, segment, &file)? {
            tracing::warn!(hearing.id = %id, segment.id = %facts.segment, "of a damaged file of the record no copy can be made");
            continue;
        }
        let path = playback_path(facts).parse::<ArchivePath>()?;
        made.insert(facts.segment, (path, file));
    }
    Ok(made)
}

/// Whether there is something to play.
fn make_copy(stores: &Stores, segment: &Examined, file: &Path) -> Result<bool, AttachError> {
    if segment.has_no_beginning() {
        return Ok(false);
    }
    let part = file.with_extension("part");
    let keys = stores.spool.keys();
    let mut copy = keys.create_file(segment.record.facts.hearing, &part)?;
    let plays = Playable::new(stores.spool.reader(&segment.record)?);
    match make_seekable(plays, &mut copy) {
        Err(RecorderError::Remux(_)) if !segment.damage.is_empty() => return Ok(false),
        made => made?,
    };
    copy.finish()?;
    fs::rename(part, file)?;
    Ok(true)
}

/// What the backup has and the record has not. The record is sealed without it if the backup cannot
/// be read: it may be gone like the disk that it is for.
pub(super) fn missing_sound(
    stores: &Stores,
    id: HearingId,
    segments: &[Examined],
) -> Vec<(ArchivePath, PathBuf)> {
    let found = stores.backup.as_ref().map(|backup| -> Result<_, AttachError> {
        let copies = backup.segments(id)?;
        let held = segments.iter().map(|s| (&s.record, s.damage.as_slice()));
        let held: Vec<_> = held.collect();
        let mut found = Vec::new();
        for copy in not_in_record(&copies, &held) {
            let facts = &copy.facts;
            let path = format!("backup/{}{}", facts.stem(), facts.media_ending());
            let file = stores.playback_dir(id).join(format!("{}.backup", facts.segment));
            let mut whole = stores.spool.keys().create_file(id, &file)?;
            io::copy(&mut Playable::new(backup.reader(copy)?), &mut whole)?;
            whole.finish()?;
            tracing::warn!(hearing.id = %id, participant.id = %facts.participant, "the record lacks sound that the backup has: it goes into the bundle");
            found.push((path.parse()?, file));
        }
        Ok(found)
    });
    match found {
        Some(Ok(found)) => found,
        Some(Err(error)) => {
            tracing::warn!(hearing.id = %id, %error, "the backup of the sound cannot be read");
            Vec::new()
        }
        None => Vec::new(),
    }
}

fn playback_path(facts: &SegmentFacts) -> String {
    format!("playback/{}{}", facts.stem(), playback_ending(facts))
}

/// What [`make_seekable`] makes of a file of the record.
fn playback_ending(facts: &SegmentFacts) -> &'static str {
    if facts.codec == codec_name(Codec::H264) {
        ".mp4"
    } else {
        ".webm"
    }
}
