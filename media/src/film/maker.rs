//! The server's end of the process that makes the film.

use super::part::{Part, PartIndex};
use super::wire::{self, Answer, MOST_READ, Order, Said};
use super::{FilmError, FilmPlan, canvas, encoders, source};
use crate::recorder::RecorderProgram;
use crate::recorder::{plugin_path, require_element};
use std::collections::btree_map::{BTreeMap, Entry};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Names the files of the plugins to the process.
pub(super) const PLUGINS: &str = "OTYRYS_FILM_PLUGINS";

/// Whoever says nothing for so long hangs: decoding an hour up to a key frame takes less, and the
/// process stands behind all else on the machine.
const HANGS: Duration = Duration::from_secs(300);
/// A part has at most so many bytes: ten times what the encoders are asked for.
const MOST_PART_BYTES: usize = 64 << 20;

/// What is told while the film is made.
#[derive(Debug)]
pub enum FilmNotice {
    /// A second more of a part is there.
    Second {
        /// Of the film, from 1.
        seconds: u64,
    },
    /// A part is done. What is made next does not need it.
    Part(u32, Part),
    /// The rest of an input cannot be decoded and is left out.
    Broken {
        /// Which.
        input: usize,
        /// Why, for the log.
        reason: String,
    },
}

/// Looks whether this machine can make films.
///
/// # Errors
/// [`FilmError::Machine`] names what is missing.
pub fn require_film_elements() -> Result<(), FilmError> {
    for element in elements() {
        require_element(element)?;
    }
    Ok(())
}

fn elements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let encoders = [encoders::OPENH264ENC, encoders::VOAACENC];
    let others = source::DECODING.iter().chain(canvas::WRITING);
    others.copied().chain(encoders)
}

/// Makes the parts of a film from `first` on, in a process of its own, and gives them to `tell`,
/// whose error ends the work. `open` gives the bytes of an input. Blocks until the last part is
/// made.
///
/// # Errors
/// [`FilmError::Machine`] if this machine cannot do it, [`FilmError::Died`] when the process ends
/// before its time, [`FilmError::Refused`] for what no such process says, [`FilmError::Io`] of
/// `tell`.
pub fn make_parts<R: Read + Seek>(
    program: &RecorderProgram,
    plan: &FilmPlan,
    first: u32,
    mut open: impl FnMut(usize) -> io::Result<R>,
    mut tell: impl FnMut(FilmNotice) -> io::Result<()>,
) -> Result<(), FilmError> {
    require_film_elements()?;
    let mut process = Process::start(program).map_err(FilmError::Died)?;
    let order = Order {
        plan: plan.clone(),
        first_part: first,
    };
    process.say(&order)?;
    let mut inputs = BTreeMap::new();
    for number in first..plan.parts() {
        let mut part = Part::default();
        loop {
            match process.hear()? {
                Said::Read {
                    input,
                    offset,
                    length,
                } => {
                    let bytes = read(&mut inputs, &mut open, input, offset, length);
                    if let Err(error) = &bytes {
                        let reason = error.to_string();
                        tell(FilmNotice::Broken { input, reason })?;
                    }
                    process.say(&Answer { bytes: bytes.ok() })?;
                }
                Said::Broken { input, reason } => tell(FilmNotice::Broken { input, reason })?,
                Said::Second { second, body } => {
                    let (pictures, sound) = second.bytes();
                    let fits = part.body.len() + body.len() <= MOST_PART_BYTES;
                    if !fits || pictures + sound != body.len() as u64 {
                        return Err(super::refused("the process says what cannot be"));
                    }
                    part.index.seconds.push(second);
                    part.body.extend(body);
                    let before = u64::from(number) * super::PART.as_secs();
                    let seconds = before + part.index.seconds.len() as u64;
                    tell(FilmNotice::Second { seconds })?;
                }
                Said::PartDone { parameters } => {
                    part.index = PartIndex {
                        parameters,
                        ..part.index
                    };
                    break;
                }
            }
        }
        tell(FilmNotice::Part(number, part))?;
    }
    Ok(())
}

fn read<R: Read + Seek>(
    inputs: &mut BTreeMap<usize, R>,
    open: &mut impl FnMut(usize) -> io::Result<R>,
    number: usize,
    offset: u64,
    length: u32,
) -> io::Result<Vec<u8>> {
    let input = match inputs.entry(number) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => place.insert(open(number)?),
    };
    input.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    let length = u64::from(length.min(MOST_READ));
    input.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The process, which is killed when nobody needs it any more.
struct Process {
    child: Child,
    socket: UnixStream,
}

impl Process {
    fn start(program: &RecorderProgram) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(HANGS))?;
        ours.set_write_timeout(Some(HANGS))?;
        let mut plugins = Vec::new();
        for element in elements() {
            let path = plugin_path(element)?;
            if !plugins.contains(&path) {
                plugins.push(path);
            }
        }
        let plugins = std::env::join_paths(plugins).map_err(io::Error::other)?;
        let child = program
            .command()
            .env(PLUGINS, plugins)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            socket: ours,
        })
    }

    fn say(&mut self, message: &impl serde::Serialize) -> Result<(), FilmError> {
        wire::say(message, &mut self.socket).map_err(FilmError::Died)
    }

    fn hear(&mut self) -> Result<Said, FilmError> {
        wire::hear(&mut self.socket).map_err(FilmError::Died)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Mostly it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
