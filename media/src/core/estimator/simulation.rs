//! A server in virtual time that sends one client voices and layered pictures over a line, as its
//! estimator lets it.

use super::Estimator;
use super::simulated_line::{Dice, Line, STEP_US, Traffic};
use std::time::{Duration, Instant};

/// The layers of a picture, in bit/s.
const LAYERS_BPS: [u64; 3] = [150_000, 500_000, 1_500_000];
const FRAME_US: u64 = 33_333;
const KEY_FRAMES_US: u64 = 10_000_000;
/// A key frame is so many times as large as another frame.
const KEY_FRAME: u64 = 4;
/// The voices that are heard at once.
const SOUND_BPS: u64 = 64_000;
const SOUND_US: u64 = 20_000;
const ALLOCATION_US: u64 = 250_000;
const PACKET: u64 = 1_200;
/// The first number: its low bits go round soon.
const FIRST_NUMBER: u64 = 65_000;

struct Person {
    layer: Option<usize>,
    next_frame_us: u64,
    next_key_us: u64,
    key: bool,
}

/// What was so at a moment.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) at_ms: u64,
    pub(super) bps: u64,
    pub(super) queue_ms: u64,
    pub(super) layers_bps: u64,
}

pub(super) struct World {
    pub(super) estimator: Estimator,
    pub(super) line: Line,
    pub(super) now_us: u64,
    /// The largest layer shown of each person; nothing for a hidden page.
    pub(super) most: Option<usize>,
    pub(super) media_bytes: u64,
    pub(super) padding_bytes: u64,
    /// Every 10 ms.
    pub(super) seen: Vec<Seen>,
    people: Vec<Person>,
    traffic: Traffic,
    dice: Dice,
    origin: Instant,
    number: u64,
    next_sound_us: u64,
    next_allocation_us: u64,
}

impl World {
    pub(super) fn new(line: Line, first_bps: u64, people: usize, seed: u64) -> Self {
        let mut world = Self {
            estimator: Estimator::new(first_bps),
            line,
            now_us: 0,
            most: Some(2),
            media_bytes: 0,
            padding_bytes: 0,
            seen: Vec::new(),
            people: Vec::new(),
            traffic: Traffic::default(),
            dice: Dice(seed),
            origin: Instant::now(),
            number: FIRST_NUMBER,
            next_sound_us: 0,
            next_allocation_us: 0,
        };
        for _ in 0..people {
            world.join();
        }
        world
    }

    pub(super) fn join(&mut self) {
        self.people.push(Person {
            layer: None,
            next_frame_us: self.now_us + self.dice.below(FRAME_US),
            next_key_us: self.now_us + self.dice.below(KEY_FRAMES_US),
            key: false,
        });
        self.next_allocation_us = self.now_us;
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        let end_us = self.now_us + ms * 1_000;
        while self.now_us < end_us {
            self.step();
        }
    }

    pub(super) fn wish_bps(&self) -> u64 {
        let each_bps = self.most.map_or(0, |most| LAYERS_BPS[most]);
        SOUND_BPS + each_bps * self.people.len() as u64
    }

    pub(super) fn layers_bps(&self) -> u64 {
        self.people
            .iter()
            .filter_map(|person| Some(LAYERS_BPS[person.layer?]))
            .sum()
    }

    /// How long after the moment `from_ms` the estimate was first at least this.
    pub(super) fn reached_ms(&self, bps: u64, from_ms: u64) -> Option<u64> {
        let reached = self.since(from_ms).find(|seen| seen.bps >= bps)?;
        Some(reached.at_ms - from_ms)
    }

    pub(super) fn least_bps(&self, from_ms: u64) -> u64 {
        self.since(from_ms).map(|seen| seen.bps).min().unwrap_or(0)
    }

    pub(super) fn most_bps(&self, from_ms: u64) -> u64 {
        self.since(from_ms).map(|seen| seen.bps).max().unwrap_or(0)
    }

    pub(super) fn mean_bps(&self, from_ms: u64) -> u64 {
        let count = self.since(from_ms).count() as u64;
        self.since(from_ms).map(|seen| seen.bps).sum::<u64>() / count
    }

    /// For how many milliseconds the queue was longer than this.
    pub(super) fn queued_ms(&self, longer_than_ms: u64, from_ms: u64) -> u64 {
        let longer = self
            .since(from_ms)
            .filter(|seen| seen.queue_ms > longer_than_ms);
        longer.count() as u64 * 10
    }

    pub(super) fn since(&self, from_ms: u64) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.at_ms >= from_ms)
    }

    fn now(&self) -> Instant {
        self.origin + Duration::from_micros(self.now_us)
    }

    fn step(&mut self) {
        self.now_us += STEP_US;
        if self.now_us >= self.next_allocation_us {
            self.next_allocation_us = self.now_us + ALLOCATION_US;
            self.allocate();
        }
        self.send_sound();
        self.send_pictures();
        while self.estimator.deadline().is_some_and(|at| at <= self.now()) {
            let bytes = self.estimator.padding(self.now()) as u64;
            self.padding_bytes += bytes;
            self.send(bytes);
        }
        self.traffic.step(self.now_us, &self.line, &mut self.dice);
        while let Some(fci) = self.traffic.feedback(self.now_us) {
            assert!(self.estimator.feedback(&fci, self.now()));
        }
        if self.now_us.is_multiple_of(10_000) {
            self.seen.push(Seen {
                at_ms: self.now_us / 1_000,
                bps: self.estimator.estimate_bps(),
                queue_ms: self.traffic.queue_ms(&self.line),
                layers_bps: self.layers_bps(),
            });
        }
    }

    fn allocate(&mut self) {
        self.estimator.wish(self.wish_bps(), self.now());
        let mut left = (self.estimator.estimate_bps() * 95 / 100).saturating_sub(SOUND_BPS);
        let mut layers = vec![None; self.people.len()];
        let most = self.most.map_or(0, |most| most + 1);
        for (layer, bps) in LAYERS_BPS.into_iter().enumerate().take(most) {
            for given in &mut layers {
                if *given != layer.checked_sub(1) {
                    continue;
                }
                let more = bps - given.map_or(0, |given| LAYERS_BPS[given]);
                if more <= left {
                    left -= more;
                    *given = Some(layer);
                }
            }
        }
        for (person, layer) in self.people.iter_mut().zip(layers) {
            person.key |= layer != person.layer;
            person.layer = layer;
        }
    }

    fn send_sound(&mut self) {
        if self.now_us >= self.next_sound_us {
            self.next_sound_us += SOUND_US;
            let bytes = SOUND_BPS * SOUND_US / 8_000_000;
            self.media_bytes += bytes;
            self.send(bytes);
        }
    }

    /// A frame is sent at once.
    fn send_pictures(&mut self) {
        for index in 0..self.people.len() {
            let person = &mut self.people[index];
            if self.now_us < person.next_frame_us {
                continue;
            }
            person.next_frame_us += FRAME_US;
            let Some(layer) = person.layer else {
                continue;
            };
            let percent = 70 + self.dice.below(61);
            let mut bytes = LAYERS_BPS[layer] * FRAME_US / 8_000_000 * percent / 100;
            if self.now_us >= person.next_key_us {
                person.next_key_us = self.now_us + KEY_FRAMES_US;
                person.key = true;
            }
            if std::mem::take(&mut person.key) {
                bytes *= KEY_FRAME;
            }
            self.media_bytes += bytes;
            self.send(bytes);
        }
    }

    /// So many octets in as few packets as they take.
    fn send(&mut self, bytes: u64) {
        let mut left = bytes;
        while left > 0 {
            let packet = left.min(PACKET);
            left -= packet;
            self.number += 1;
            self.estimator
                .sent(self.number, packet as usize, self.now());
            self.traffic
                .send(self.number, packet, &self.line, &mut self.dice);
        }
    }
}
