//! The room file of a closed hearing: one film of the whole session, made after the seal from what
//! was sealed, and kept beside the bundle.
//!
//! A job makes it in parts, each kept when it is done; what is lost by a crash is the part that was
//! being made. It is derived: the bundle is the record, the film is for convenience.

mod captions;
mod films;
mod plan;
mod shelf;
#[cfg(test)]
mod tests;

pub use films::Films;
pub(crate) use shelf::{DERIVED, ROOM_FACTS, ROOM_FILM, RoomFacts};

use crate::{protocol::ProtocolDocument, stores::Stores};
use otyrys_media::{
    film::{self, FilmError, FilmNotice, FilmPlan},
    recorder::RecorderProgram,
};
use otyrys_storage::{StorageError, ids::HearingId};
use plan::RoomPlan;
use shelf::Shelf;
use std::io;

/// Why there is no room file yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoomFileError {
    /// The bundle or the disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the bundle says of the hearing cannot be read.
    #[error("the protocol in the bundle cannot be read: {0}")]
    Protocol(#[from] serde_json::Error),
    /// The film.
    #[error(transparent)]
    Film(#[from] FilmError),
    /// The disk.
    #[error("the room file cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// A process that dies so often within one part is looked at: which track does it?
const DEATHS: u32 = 2;

/// Makes the room file of a hearing whose bundle is there, from the first part that is missing.
/// `tell` is told the percentage that is done, and its error ends the work. Nothing if there is
/// nothing on record.
///
/// # Errors
/// See [`RoomFileError`]. What was made so far stays.
pub(crate) fn make(
    stores: &Stores,
    program: &RecorderProgram,
    hearing: HearingId,
    mut tell: impl FnMut(u8) -> io::Result<()>,
) -> Result<(), RoomFileError> {
    let bundle = stores.bundle(hearing)?;
    let keys = stores.spool.keys();
    let path = "documents/protocol.json".parse()?;
    let document: ProtocolDocument = serde_json::from_slice(&bundle.contents(&path, keys)?)?;
    let events = bundle.contents(&"events.jsonl".parse()?, keys)?;
    let mut plan = RoomPlan::of(&document, &bundle, &events)?;
    let shelf = Shelf::open(stores, hearing, &plan.film)?;
    if shelf.is_made() || plan.film.parts() == 0 {
        return Ok(());
    }
    let open = |input: usize| {
        let path = plan.paths.get(input).ok_or(io::ErrorKind::NotFound)?;
        bundle.open(path, keys).map_err(io::Error::other)
    };
    make_parts(program, &shelf, &mut plan.film, open, &mut tell)?;
    shelf.put(shelf::ROOM_CAPTIONS, plan.captions(&document).as_bytes())?;
    shelf.put(ROOM_FACTS, &serde_json::to_vec(&plan.facts)?)?;
    shelf.join(plan.film.parts(), &plan.chapters)?;
    tracing::info!(hearing.id = %hearing, "the room file is made");
    Ok(())
}

/// Makes the parts that are missing. A track that kills its decoder is left out.
fn make_parts<R: io::Read + io::Seek>(
    program: &RecorderProgram,
    shelf: &Shelf,
    plan: &mut FilmPlan,
    open: impl Fn(usize) -> io::Result<R>,
    tell: &mut impl FnMut(u8) -> io::Result<()>,
) -> Result<(), RoomFileError> {
    let hearing = shelf.hearing();
    let seconds = plan.stretches.duration().as_secs().max(1);
    let mut deaths = 0;
    loop {
        let first = shelf.first_missing(plan.parts());
        if first == plan.parts() {
            break;
        }
        let made = film::make_parts(program, plan, first, &open, |notice| match notice {
            FilmNotice::Part(number, part) => {
                deaths = 0;
                shelf.keep(number, &part).map_err(io::Error::other)
            }
            FilmNotice::Second { seconds: made } => {
                tell(u8::try_from(made * 100 / seconds).unwrap_or(100).min(99))
            }
            FilmNotice::Broken { input, reason } => {
                tracing::warn!(hearing.id = %hearing, input, reason, "a track is left out of the room file");
                Ok(())
            }
        });
        match made {
            Ok(()) => {}
            Err(FilmError::Died(error)) if deaths < DEATHS => {
                deaths += 1;
                tracing::warn!(hearing.id = %hearing, %error, "the process that makes the room file died; it goes on");
            }
            Err(FilmError::Died(error)) => {
                let first = shelf.first_missing(plan.parts());
                let Some(culprit) = culprit(program, plan, first, &open) else {
                    return Err(FilmError::Died(error).into());
                };
                tracing::warn!(hearing.id = %hearing, input = culprit, "a track that kills its decoder is left out of the room file");
                plan.leave_out(culprit);
                deaths = 0;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The track of which the process dies when it has nothing else to do in that part.
fn culprit<R: io::Read + io::Seek>(
    program: &RecorderProgram,
    plan: &FilmPlan,
    part: u32,
    open: impl Fn(usize) -> io::Result<R>,
) -> Option<usize> {
    (0..plan.inputs.len()).find(|suspect| {
        let mut alone = plan.clone();
        let others = (0..plan.inputs.len()).filter(|input| input != suspect);
        others.for_each(|input| alone.leave_out(input));
        let stop = || io::Error::from(io::ErrorKind::Interrupted);
        let tried = film::make_parts(program, &alone, part, &open, |notice| match notice {
            FilmNotice::Part(..) => Err(stop()),
            _ => Ok(()),
        });
        matches!(tried, Err(FilmError::Died(_)))
    })
}
