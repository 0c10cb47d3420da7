//! The process that makes the film. It can do nothing but ask the server for bytes and give it
//! seconds of film.

use super::encoders::{PictureEncoder, SoundEncoder};
use super::maker::PLUGINS;
use super::part::Second;
use super::scene::Scene;
use super::sound::Voices;
use super::source::Bytes;
use super::wire::{self, Answer, MOST_READ, Order, Said};
use super::{FRAME_RATE, FilmError, FilmPlan, PART, SAMPLE_RATE, SOUND_FRAME};
use crate::recorder::sandbox;
use gstreamer as gst;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the film that the server asks for over standard input, a Unix socket. Gives up every
/// right that it does not need for that, and its place before others on the processor.
///
/// # Errors
/// [`FilmError::Machine`] if this machine cannot do it; [`FilmError::Io`] when standard input is no
/// socket or the server is gone; [`FilmError::Refused`] by GStreamer.
pub fn run_film() -> Result<(), FilmError> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    rustix::process::nice(LEAST_URGENT).map_err(io::Error::from)?;
    gst::init().map_err(super::refused)?;
    for plugin in std::env::split_paths(&std::env::var_os(PLUGINS).unwrap_or_default()) {
        gst::Plugin::load_file(plugin).map_err(super::refused)?;
    }
    let Order { plan, first_part } = wire::hear(&mut socket)?;
    let server = Arc::new(Server(Mutex::new(socket)));
    // Names are written before: fonts are files.
    let mut film = Film::new(&plan, first_part, &server)?;
    sandbox::enter_with_threads()?;
    for part in first_part..plan.parts() {
        film.make(part)?;
    }
    Ok(())
}

/// Behind all else that the machine has to do (`nice`).
const LEAST_URGENT: i32 = 19;

/// The server, whom several threads ask.
struct Server(Mutex<UnixStream>);

impl Server {
    fn say(&self, said: &Said) -> io::Result<()> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wire::say(said, &mut *socket)
    }
}

impl Bytes for Server {
    fn read(&self, input: usize, offset: u64, length: u32) -> Option<Vec<u8>> {
        let asked = Said::Read {
            input,
            offset,
            length: length.min(MOST_READ),
        };
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wire::say(&asked, &mut *socket).ok()?;
        wire::hear::<Answer>(&mut *socket).ok()?.bytes
    }
}

/// The film from a part on.
struct Film {
    plan: FilmPlan,
    server: Arc<Server>,
    scene: Scene,
    voices: Voices,
    pictures: PictureEncoder,
    sound: SoundEncoder,
    /// Encoded frames that belong to a second that was not made yet.
    ahead: std::collections::VecDeque<Vec<u8>>,
    last: gst::Buffer,
}

impl Film {
    fn new(plan: &FilmPlan, first_part: u32, server: &Arc<Server>) -> Result<Self, FilmError> {
        let bytes = || Arc::clone(server) as Arc<dyn Bytes>;
        let mut scene = Scene::new(plan, bytes())?;
        let begins = u64::from(first_part) * PART.as_secs();
        Ok(Self {
            last: scene.empty()?,
            plan: plan.clone(),
            server: Arc::clone(server),
            scene,
            voices: Voices::new(plan, bytes()),
            pictures: PictureEncoder::new()?,
            sound: SoundEncoder::new(begins * SAMPLE_RATE)?,
            ahead: Default::default(),
        })
    }

    fn make(&mut self, part: u32) -> Result<(), FilmError> {
        let duration = self.plan.stretches.duration().as_millis() as u64;
        let pictures = (duration * FRAME_RATE).div_ceil(1_000);
        let frames = (duration * SAMPLE_RATE / 1_000).div_ceil(SOUND_FRAME);
        let first = u64::from(part) * PART.as_secs();
        let last = (first + PART.as_secs()).min(duration.div_ceil(1_000));
        for at in first..last {
            let mut second = Second::default();
            let mut body = Vec::new();
            for number in at * FRAME_RATE..((at + 1) * FRAME_RATE).min(pictures) {
                let picture = self.picture(number)?;
                let encoded = self.pictures.push(picture)?;
                second
                    .pictures
                    .push((encoded.data.len() as u32, encoded.key));
                body.extend(encoded.data);
            }
            let frame_of = |second: u64| (second * SAMPLE_RATE / SOUND_FRAME).min(frames);
            // The last one takes what is left.
            let until = if at + 1 == duration.div_ceil(1_000) {
                frames
            } else {
                frame_of(at + 1)
            };
            for _ in frame_of(at)..until {
                let frame = self.sound_frame()?;
                second.sound.push(frame.len() as u32);
                body.extend(frame);
            }
            self.server.say(&Said::Second { second, body })?;
        }
        let parameters = self.pictures.parameters().clone();
        self.server.say(&Said::PartDone { parameters })?;
        Ok(())
    }

    fn picture(&mut self, number: u64) -> Result<gst::Buffer, FilmError> {
        // A picture stands until the next one: what is seen in the middle of that time is neither
        // early nor late.
        let middle_us = (2 * number + 1) * 1_000_000 / (2 * FRAME_RATE);
        if let Some(record_us) = self.plan.stretches.record_us(middle_us) {
            let (picture, broken) = self.scene.at(record_us)?;
            self.tell(broken)?;
            self.last = picture;
        }
        Ok(self.last.clone())
    }

    fn sound_frame(&mut self) -> Result<Vec<u8>, FilmError> {
        loop {
            if let Some(frame) = self.ahead.pop_front() {
                return Ok(frame);
            }
            let mut heard = vec![0; SOUND_FRAME as usize];
            let wanted = self.sound.wants();
            let silence = (-wanted).clamp(0, SOUND_FRAME as i64) as usize;
            let from = wanted.max(0) as u64;
            let until = (wanted + SOUND_FRAME as i64).max(0) as u64;
            for (place, range) in self.plan.stretches.record_samples(from..until) {
                let (mixed, broken) = self.voices.mix(range);
                let place = silence + place;
                heard[place..place + mixed.len()].copy_from_slice(&mixed);
                self.tell(broken)?;
            }
            self.ahead.extend(self.sound.push(&heard)?);
        }
    }

    fn tell(&self, broken: Vec<(usize, String)>) -> Result<(), FilmError> {
        for (input, reason) in broken {
            self.server.say(&Said::Broken { input, reason })?;
        }
        Ok(())
    }
}
