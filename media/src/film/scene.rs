//! The picture at each moment: faces, names, a screen.

use super::canvas::{Canvas, Picture, picture, words};
use super::layout::{Area, SCREEN, places};
use super::source::{Bytes, Source};
use super::{FilmError, FilmInput, FilmPerson, FilmPlan, FilmSource};
use gstreamer_video::VideoFrameExt;
use std::sync::Arc;

/// What is seen, moment by moment.
pub(super) struct Scene {
    bytes: Arc<dyn Bytes>,
    inputs: Vec<(usize, FilmInput)>,
    open: Vec<Film>,
    /// Inputs that were opened, or were over before.
    begun: usize,
    canvas: Canvas,
    alone: Seating,
    beside_screen: Seating,
    screen_shown: Option<bool>,
}

/// Where everybody is, with their names, and what stands there now.
struct Seating(Vec<Seat>);

struct Seat {
    picture: Area,
    name: Area,
    /// Names and roles do not change: they are written once.
    label: Picture,
    card: Picture,
    drawn: Option<Drawn>,
}

#[derive(PartialEq, Eq)]
enum Drawn {
    Card,
    /// Of this input, in this size.
    Picture(usize, u32, u32),
}

/// A camera or screen that is open.
struct Film {
    input: usize,
    person: Option<usize>,
    is_screen: bool,
    source: Option<Source>,
    now: Option<Picture>,
    /// `now` was not drawn yet.
    fresh: bool,
    next: Option<(u64, Picture)>,
    ends_ns: u64,
}

impl Scene {
    pub(super) fn new(plan: &FilmPlan, bytes: Arc<dyn Bytes>) -> Result<Self, FilmError> {
        let inputs = plan.inputs.iter().cloned().enumerate();
        let mut inputs: Vec<_> = inputs
            .filter(|(_, input)| input.source != FilmSource::Microphone)
            .collect();
        inputs.sort_by_key(|(_, input)| input.starts_ms);
        Ok(Self {
            bytes,
            inputs,
            open: Vec::new(),
            begun: 0,
            canvas: Canvas::new()?,
            alone: Seating::new(&plan.people, false)?,
            beside_screen: Seating::new(&plan.people, true)?,
            screen_shown: None,
        })
    }

    /// The picture at a moment of the record clock, and which inputs cannot be decoded, with the
    /// reason. To be asked in order of time.
    pub(super) fn at(
        &mut self,
        record_us: u64,
    ) -> Result<(gstreamer::Buffer, Vec<(usize, String)>), FilmError> {
        let at_ns = record_us * 1_000;
        let mut broken = self.open_until(at_ns);
        self.open.retain(|film| at_ns < film.ends_ns);
        for film in &mut self.open {
            if let Err(reason) = film.go_to(at_ns) {
                film.source = None;
                film.now = None;
                broken.push((film.input, reason));
            }
        }
        self.draw()?;
        Ok((self.canvas.picture(), broken))
    }

    /// The picture before anything was seen.
    pub(super) fn empty(&mut self) -> Result<gstreamer::Buffer, FilmError> {
        self.draw()?;
        Ok(self.canvas.picture())
    }

    fn open_until(&mut self, at_ns: u64) -> Vec<(usize, String)> {
        let at_ms = at_ns / 1_000_000;
        let mut broken = Vec::new();
        while let Some((number, input)) = self.inputs.get(self.begun) {
            if input.starts_ms > at_ms {
                break;
            }
            self.begun += 1;
            if input.ends_ms <= at_ms {
                continue;
            }
            match Source::open(&self.bytes, *number, input, at_ms) {
                Ok(source) => self.open.push(Film {
                    input: *number,
                    person: input.person,
                    is_screen: input.source == FilmSource::Screen,
                    source: Some(source),
                    now: None,
                    fresh: false,
                    next: None,
                    ends_ns: input.ends_ms * 1_000_000,
                }),
                Err(reason) => broken.push((*number, reason)),
            }
        }
        broken
    }

    fn draw(&mut self) -> Result<(), FilmError> {
        // The one that was begun last is shown.
        let shown = |film: &&mut Film| film.now.is_some();
        let screen = self
            .open
            .iter_mut()
            .rev()
            .filter(|film| film.is_screen)
            .find(shown);
        let is_shown = Some(screen.is_some());
        let seating = match &screen {
            Some(_) => &mut self.beside_screen,
            None => &mut self.alone,
        };
        let anew = self.screen_shown != is_shown;
        if anew {
            self.screen_shown = is_shown;
            self.canvas.clear_all()?;
            seating.leave();
            for seat in &seating.0 {
                self.canvas.draw(&seat.label, seat.name)?;
            }
        }
        if let Some(screen) = screen
            && let Some(picture) = &screen.now
            && (screen.fresh || anew)
        {
            self.canvas.clear(SCREEN)?;
            self.canvas.draw(picture, SCREEN)?;
            screen.fresh = false;
        }
        for (person, seat) in seating.0.iter_mut().enumerate() {
            let mut faces = self.open.iter_mut().rev();
            let face = faces
                .find(|film| !film.is_screen && film.person == Some(person) && film.now.is_some());
            seat.draw(face, &mut self.canvas)?;
        }
        Ok(())
    }
}

impl Seating {
    fn new(people: &[FilmPerson], beside_screen: bool) -> Result<Self, FilmError> {
        let seats = places(people.len(), beside_screen).into_iter().zip(people);
        let seats = seats.map(|(place, person)| {
            let (picture, name) = place.split();
            let both = format!("{}\n{}", person.name, person.role);
            Ok(Seat {
                picture,
                name,
                label: words(&person.name, name, false)?,
                card: words(&both, picture, true)?,
                drawn: None,
            })
        });
        seats.collect::<Result<_, FilmError>>().map(Self)
    }

    /// What stood there was taken away.
    fn leave(&mut self) {
        for seat in &mut self.0 {
            seat.drawn = None;
        }
    }
}

impl Seat {
    fn draw(&mut self, face: Option<&mut Film>, canvas: &mut Canvas) -> Result<(), FilmError> {
        let picture = face.and_then(|face| {
            let fresh = std::mem::take(&mut face.fresh);
            face.now.as_ref().map(|now| (face.input, fresh, now))
        });
        let (wanted, fresh, shown) = match picture {
            Some((input, fresh, now)) => {
                (Drawn::Picture(input, now.width(), now.height()), fresh, now)
            }
            None => (Drawn::Card, false, &self.card),
        };
        let other = self.drawn.as_ref() != Some(&wanted);
        if other {
            canvas.clear(self.picture)?;
        }
        if other || fresh {
            canvas.draw(shown, self.picture)?;
        }
        self.drawn = Some(wanted);
        Ok(())
    }
}

impl Film {
    fn go_to(&mut self, at_ns: u64) -> Result<(), String> {
        loop {
            if let Some((_, next)) = self.next.take_if(|(at, _)| *at <= at_ns) {
                self.now = Some(next);
                self.fresh = true;
            }
            if self.next.is_some() {
                return Ok(());
            }
            let decoded = match &self.source {
                Some(source) => source.next()?,
                None => None,
            };
            let Some(decoded) = decoded else {
                self.source = None;
                return Ok(());
            };
            self.next = Some((decoded.at_ns, picture(&decoded.sample)?));
        }
    }
}
