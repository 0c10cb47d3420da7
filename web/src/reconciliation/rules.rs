//! What must match. Facts in, mismatches out: no clock, no disk.

use super::{
    facts::{BundleFacts, Course, FileFacts, HearingFacts, KeyFacts, Stretch},
    mismatch::{Kind, Mismatch},
};
use jiff::{SignedDuration, Timestamp};
use otyrys_signaling::{HearingState, TrackRef, is_drafted};
use otyrys_storage::DeliveryState;
use std::collections::BTreeSet;

/// A shorter hole in a track is no mismatch, in milliseconds. Whoever comes in or comes back is
/// written from the first packet, and a browser needs up to 10 s to see that its way up is broken
/// (docs/ARCHITECTURE.md). A track that arrives and is not written is told within 3 s anyway.
pub(super) const HOLE_MS: u64 = 10_000;
/// A hearing may begin so much later than it was scheduled for, and what follows closing may take
/// so long: the recogniser reads to the end, and the record is packed and sent.
const GRACE: SignedDuration = SignedDuration::from_mins(30);
/// What closing leaves in the bundle.
const DOCUMENTS: [&str; 3] = ["protocol.html", "protocol.docx", "protocol.json"];

/// What does not match of a hearing at this moment. `drafts`: speech is to be recognised.
pub(super) fn judge(hearing: &HearingFacts, now: Timestamp, drafts: bool) -> Vec<Mismatch> {
    let mut found = Vec::new();
    if hearing.key == KeyFacts::Destroyed {
        // Its time was over, and there is nothing left to match.
        return found;
    }
    let jobs = hearing.failed_jobs.iter();
    found.extend(
        jobs.map(|(job, reason)| Mismatch::because(Kind::JobFailed, format!("{job}: {reason}"))),
    );
    let course = match &hearing.course {
        Ok(course) => course,
        Err(reason) => {
            found.push(Mismatch::because(Kind::LogDamaged, reason));
            return found;
        }
    };
    let files = match &hearing.files {
        Ok(files) => files.as_slice(),
        Err(reason) => {
            found.push(Mismatch::because(Kind::RecordDamaged, reason));
            &[]
        }
    };
    if let KeyFacts::Lost(reason) = &hearing.key
        && (!files.is_empty() || hearing.bundle != BundleFacts::Missing)
    {
        found.push(Mismatch::because(Kind::KeyLost, reason));
    }
    found.extend(held(hearing, course, now));
    if hearing.files.is_ok() {
        found.extend(recorded(&course.expected, files));
    }
    found.extend(damaged(files));
    if let Some(closed_at) = course.closed_at {
        found.extend(only_in_backup(hearing));
        let settled = now.duration_since(closed_at) > GRACE;
        found.extend(
            files
                .iter()
                .filter(|file| !file.ended)
                .map(|file| Mismatch {
                    track: Some(file.track),
                    segment: Some(file.segment),
                    ..Mismatch::of(Kind::FileOpen)
                }),
        );
        found.extend(sealed(hearing, files, settled));
        if drafts && settled {
            found.extend(drafted(course, files));
        }
        found.extend(delivered(hearing, closed_at, settled));
    }
    found
}

/// Whether it was held, on record, and closed.
fn held(hearing: &HearingFacts, course: &Course, now: Timestamp) -> Option<Mismatch> {
    let over = matches!(course.state, HearingState::Closed);
    match course.opened_at {
        None if over || now.duration_since(hearing.scheduled_at) > GRACE => Some(Mismatch {
            since: Some(hearing.scheduled_at),
            ..Mismatch::of(Kind::NotOpened)
        }),
        None => None,
        Some(opened_at) if !over => Some(Mismatch {
            since: Some(opened_at),
            ..Mismatch::of(Kind::NotClosed)
        }),
        Some(_) if course.on_record_ms == 0 => Some(Mismatch::of(Kind::NotRecorded)),
        Some(_) => None,
    }
}

/// Whether each track is in the files when it had to be.
fn recorded(expected: &[Stretch], files: &[FileFacts]) -> Vec<Mismatch> {
    let tracks: BTreeSet<TrackRef> = expected.iter().map(|stretch| stretch.track).collect();
    let mut found = Vec::new();
    for track in tracks {
        let mut held: Vec<(u64, u64)> = files
            .iter()
            .filter(|file| file.track == track)
            .flat_map(|file| file.holds.iter().copied())
            .collect();
        held.sort_unstable();
        let of_track = expected.iter().filter(|stretch| stretch.track == track);
        let holes: Vec<(u64, u64)> = of_track.flat_map(|stretch| holes(stretch, &held)).collect();
        let missing = |kind, from_ms, to_ms| Mismatch {
            track: Some(track),
            from_ms: Some(from_ms),
            to_ms: Some(to_ms),
            ..Mismatch::of(kind)
        };
        match (held.is_empty(), holes.first(), holes.last()) {
            (true, Some((from_ms, _)), Some((_, to_ms))) => {
                found.push(missing(Kind::TrackMissing, *from_ms, *to_ms));
            }
            _ => found.extend(
                holes
                    .into_iter()
                    .map(|(from_ms, to_ms)| missing(Kind::RecordGap, from_ms, to_ms)),
            ),
        }
    }
    found
}

/// The holes of a stretch that nothing explains; `held` is sorted.
fn holes(stretch: &Stretch, held: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut holes = Vec::new();
    let mut reached = stretch.from_ms;
    for (from_ms, to_ms) in held.iter().filter(|(_, to_ms)| *to_ms > stretch.from_ms) {
        if *from_ms >= stretch.to_ms {
            break;
        }
        holes.push((reached, *from_ms));
        reached = reached.max(*to_ms);
    }
    // Of a person of whom nothing came at all, a lost line is no explanation.
    if !(stretch.end_explained && reached > stretch.from_ms) {
        holes.push((reached, stretch.to_ms));
    }
    holes.retain(|(from_ms, to_ms)| to_ms.saturating_sub(*from_ms) > HOLE_MS);
    holes
}

/// What was sealed as damaged.
fn damaged(files: &[FileFacts]) -> impl Iterator<Item = Mismatch> {
    let pieces = files
        .iter()
        .flat_map(|file| file.damage.iter().map(move |piece| (file, piece)));
    pieces.map(|(file, (from_ms, to_ms))| Mismatch {
        track: Some(file.track),
        segment: Some(file.segment),
        from_ms: Some(*from_ms),
        to_ms: Some(*to_ms),
        ..Mismatch::of(Kind::PiecesDamaged)
    })
}

/// What the second copy has and the record has not.
fn only_in_backup(hearing: &HearingFacts) -> impl Iterator<Item = Mismatch> {
    let copies = hearing.only_in_backup.iter();
    copies.map(|copy| Mismatch {
        track: Some(copy.track),
        segment: Some(copy.segment),
        from_ms: Some(copy.from_ms),
        to_ms: Some(copy.to_ms),
        detail: copy.sealed_as.clone(),
        ..Mismatch::of(Kind::OnlyInBackup)
    })
}

/// Whether the bundle is there, holds, has everything, and is archived.
fn sealed(hearing: &HearingFacts, files: &[FileFacts], settled: bool) -> Vec<Mismatch> {
    let documents = match &hearing.bundle {
        BundleFacts::Missing if settled => return vec![Mismatch::of(Kind::NotSealed)],
        BundleFacts::Missing => return Vec::new(),
        BundleFacts::Broken(reason) => {
            return vec![Mismatch::because(Kind::BundleDamaged, reason)];
        }
        BundleFacts::Holds(documents) => documents,
    };
    let mut found = Vec::new();
    found.extend(
        files
            .iter()
            .filter(|file| !file.sealed)
            .map(|file| Mismatch {
                track: Some(file.track),
                segment: Some(file.segment),
                ..Mismatch::of(Kind::FileNotSealed)
            }),
    );
    let missing = DOCUMENTS.iter().filter(|name| !documents.contains(**name));
    found.extend(missing.map(|name| Mismatch::because(Kind::DocumentMissing, *name)));
    if settled && !hearing.archived {
        found.push(Mismatch::of(Kind::NotArchived));
    }
    found
}

/// Whether every voice was read.
fn drafted(course: &Course, files: &[FileFacts]) -> Option<Mismatch> {
    let voices = files.iter().filter(|file| is_drafted(file.track.source));
    let unread = voices.filter(|file| !course.drafted.contains(&file.segment));
    match unread.count() {
        0 => None,
        count => Some(Mismatch::because(Kind::NotDrafted, count.to_string())),
    }
}

/// Whether the registry has it.
fn delivered(hearing: &HearingFacts, closed_at: Timestamp, settled: bool) -> Option<Mismatch> {
    match hearing.delivery.as_ref().map(|delivery| &delivery.state) {
        Some(DeliveryState::Acknowledged { .. }) => None,
        Some(DeliveryState::Rejected { reason }) => Some(Mismatch::because(Kind::Rejected, reason)),
        Some(DeliveryState::Pending | DeliveryState::Sent) | None => settled.then(|| Mismatch {
            since: Some(closed_at),
            ..Mismatch::of(Kind::NotDelivered)
        }),
    }
}
