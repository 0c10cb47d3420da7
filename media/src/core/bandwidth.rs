//! What each client's line carries, and which layers of each picture it therefore gets.

use super::allocate::{
    NOMINAL_BPS, PICTURES_AGAIN_BPS, Rank, SOUND_ONLY_BELOW_BPS, Wish, allocate,
};
use super::session::{Session, Watched};
use super::{Core, track_mut};
use crate::{
    Event, Layer, Load, MAX_LAYERS, RoomId, SessionId, Shown, Sink, Source, TrackKey, TrackKind,
    View,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often the lines are looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// After pictures became smaller for want of bandwidth, none becomes larger for so long: the
/// estimate first has to settle.
const HOLD: Duration = Duration::from_secs(2);
/// A layer that nobody watches is paused at its sender after so long: people look to and fro.
const UNWATCHED: Duration = Duration::from_secs(5);
/// What a voice needs with its headers, in bit/s: Opus at 32 kbit/s and 50 packets a second.
const VOICE_BPS: u64 = 60_000;
/// The same in RED: each packet holds the one before it too.
const TWOFOLD_VOICE_BPS: u64 = 95_000;
/// The estimator is asked for so much more than what is needed, because a larger layer is taken
/// only with room to spare.
const WISHED_PERCENT: u64 = 125;
/// Of an estimate, what is spent: the rest is for repairs and for what the estimate is wrong by.
const SPENT_PERCENT: u64 = 95;

/// A picture of a room, as an offer to its receivers.
struct Picture {
    needs_bps: [u64; MAX_LAYERS],
    count: usize,
    first: bool,
}

impl Core {
    /// Looks at all lines, when it is time.
    pub(super) fn allocate_due(&mut self, now: Instant) {
        if self.allocate_at.is_some_and(|at| at > now) {
            return;
        }
        for room in self.rooms() {
            self.allocate_room(room);
        }
        self.allocate_at = (!self.sessions.is_empty()).then(|| now + INTERVAL);
    }

    /// Sets anew which layer of each picture everybody in a room gets.
    pub(super) fn allocate_room(&mut self, id: RoomId) {
        self.at_work = Some(id);
        let pictures = self.pictures(id);
        let Some(room) = self.rooms.get(&id) else {
            return;
        };
        let receivers: Vec<SessionId> = room.sessions.iter().copied().collect();
        for receiver in receivers {
            self.allocate_session(receiver, &pictures);
        }
        if self.allocate_at.is_none() && !self.sessions.is_empty() {
            self.allocate_at = Some(self.now + INTERVAL);
        }
        self.tell_watched(id, &pictures);
    }

    /// What a page does with each picture changed.
    pub(super) fn set_shown(&mut self, id: SessionId, shown: HashMap<TrackKey, Shown>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.line.shown = shown;
            let room = session.room;
            self.allocate_room(room);
        }
    }

    fn pictures(&self, id: RoomId) -> HashMap<TrackKey, Picture> {
        let Some(room) = self.rooms.get(&id) else {
            return HashMap::new();
        };
        let speaker = room.loudness.first();
        room.sessions
            .iter()
            .filter_map(|session| Some((*session, self.sessions.get(session)?)))
            .flat_map(|(session, state)| {
                state
                    .tracks
                    .iter()
                    .map(move |(source, track)| (session, *source, track))
            })
            .filter(|(_, source, _)| source.kind() == TrackKind::Video)
            .map(|(session, source, track)| {
                let key = TrackKey { session, source };
                let picture = Picture {
                    needs_bps: track.encodings.needs_bps(&NOMINAL_BPS),
                    count: track.encodings.count(),
                    first: source == Source::Screen
                        || room.graph.favours(key)
                        || speaker == Some(session),
                };
                (key, picture)
            })
            .collect()
    }

    fn allocate_session(&mut self, id: SessionId, pictures: &HashMap<TrackKey, Picture>) {
        let (now, load) = (self.now, self.load);
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let held = session.line.hold_until.is_some_and(|until| now < until);
        let demand = &mut self.demand;
        demand.take(session, pictures, load, held);
        if demand.wishes.is_empty() && !session.line.sound_only {
            return;
        }
        session.line.wished_bps = demand.wished_bps();
        session.egress.estimator.wish(session.line.wished_bps, now);
        match session.egress.estimate_bps() {
            None => demand.give_all(),
            Some(estimate) => demand.choose(estimate, session.line.sound_only),
        }
        // To the person it is the same whether the line is below the least or what is left beside
        // the voices is too little: nobody is seen.
        let sound_only = demand.wishes.iter().any(|wish| wish.most.is_some())
            && demand.given.iter().all(Option::is_none);
        if sound_only != session.line.sound_only {
            session.line.sound_only = sound_only;
            let told = Event::SoundOnly {
                session: id,
                sound_only,
            };
            self.outputs.tell(told);
        }
        let larger = &mut self.awaited;
        let mut smaller = false;
        for ((index, wish), layer) in demand.slots.iter().zip(&demand.wishes).zip(&demand.given) {
            let layer = *layer;
            let slot = &mut session.slots[*index];
            let too_large = layer < wish.now.min(wish.most);
            smaller |= too_large && slot.layer().is_some();
            if slot.allow(layer, too_large)
                && layer > wish.now
                && let (Some(track), Some(layer)) = (slot.track(), layer)
            {
                larger.push((track, layer));
            }
        }
        if smaller {
            session.line.hold_until = Some(now + HOLD);
        }
        self.schedule(id);
        while let Some((track, layer)) = self.awaited.pop() {
            let layer = self.layer_for(track, layer);
            self.want_keyframe(track, layer);
        }
    }

    /// Tells senders which of their layers somebody watches: the others may be paused. The
    /// smallest is always watched, because it is what everybody falls back to.
    fn tell_watched(&mut self, id: RoomId, pictures: &HashMap<TrackKey, Picture>) {
        let Some(room) = self.rooms.get(&id) else {
            return;
        };
        let mut watched: HashMap<TrackKey, Watched> = pictures
            .iter()
            .filter(|(_, picture)| picture.count > 1)
            .map(|(track, picture)| {
                let mut layers = [false; MAX_LAYERS];
                layers[0] = true;
                if room.graph.has(*track, Sink::Recorder) {
                    layers[picture.count - 1] = true;
                }
                (*track, layers)
            })
            .collect();
        for session in room
            .sessions
            .iter()
            .filter_map(|session| self.sessions.get(session))
        {
            for slot in &session.slots {
                let Some(track) = slot.track() else {
                    continue;
                };
                if let Some(layers) = watched.get_mut(&track) {
                    let last = pictures.get(&track).map_or(0, |picture| picture.count - 1);
                    // What is sent now is watched until what is allowed has come.
                    for layer in [slot.allowed(), slot.layer()].into_iter().flatten() {
                        layers[layer.index().min(last)] = true;
                    }
                }
            }
        }
        let now = self.now;
        for (track, watched) in watched {
            let Some(state) = track_mut(&mut self.sessions, track) else {
                continue;
            };
            let count = state.encodings.count();
            let told = state
                .told_watched
                .unwrap_or_else(|| std::array::from_fn(|layer| layer < count));
            let more = (0..count).any(|layer| watched[layer] && !told[layer]);
            if watched == told {
                state.unwatched_since = None;
                continue;
            }
            let since = *state.unwatched_since.get_or_insert(now);
            if more || now.saturating_duration_since(since) >= UNWATCHED {
                state.unwatched_since = None;
                state.told_watched = Some(watched);
                self.outputs.tell(Event::LayersWatched {
                    track,
                    watched: Layer::ALL
                        .into_iter()
                        .filter(|layer| watched[layer.index()])
                        .collect(),
                });
            }
        }
    }
}

/// What one client is to get.
#[derive(Debug, Default)]
pub(super) struct Demand {
    /// The places of the pictures among the session's slots.
    slots: Vec<usize>,
    /// For each of them.
    wishes: Vec<Wish>,
    given: Vec<Option<Layer>>,
    sound_bps: u64,
}

impl Demand {
    /// Takes up what a session wishes. `held`: nothing is to become larger now.
    fn take(
        &mut self,
        session: &Session,
        pictures: &HashMap<TrackKey, Picture>,
        load: Load,
        held: bool,
    ) {
        self.slots.clear();
        self.wishes.clear();
        let mut voices = 0;
        let mut voice_bps = VOICE_BPS;
        for (index, slot) in session.slots.iter().enumerate() {
            let Some(track) = slot.track() else {
                continue;
            };
            if slot.kind == TrackKind::Audio {
                voices += 1;
                if slot.formats.red().is_some() && session.carries_twofold_sound() {
                    voice_bps = TWOFOLD_VOICE_BPS;
                }
                continue;
            }
            let Some(picture) = pictures.get(&track) else {
                continue;
            };
            let shown = session.line.shown.get(&track).copied().unwrap_or_default();
            let rank = if picture.first {
                Rank::First
            } else if shown.pinned {
                Rank::Pinned
            } else {
                Rank::Rest
            };
            let most = most(shown.view, picture.count);
            self.slots.push(index);
            self.wishes.push(Wish {
                rank,
                needs_bps: picture.needs_bps,
                most: if load >= smaller_from(rank) {
                    most.map(|layer| Layer::at(layer.index().saturating_sub(1)))
                } else {
                    most
                },
                now: slot.allowed(),
                held,
            });
        }
        // More voices than three are seldom heard at once; the others send next to nothing.
        self.sound_bps = voice_bps * voices.min(3);
    }

    /// What a line must carry for everything to be sent that the page can use.
    fn wished_bps(&self) -> u64 {
        let pictures: u64 = self
            .wishes
            .iter()
            .filter_map(|wish| Some(wish.needs_bps[wish.most?.index()]))
            .sum();
        (pictures + self.sound_bps) * WISHED_PERCENT / 100
    }

    /// For a line of which nobody knows what it carries.
    fn give_all(&mut self) {
        self.given.clear();
        self.given.extend(self.wishes.iter().map(|wish| wish.most));
    }

    /// Chooses the layers for a line that carries `line_bps`. `sound_only`: whether nobody was seen
    /// so far.
    fn choose(&mut self, line_bps: u64, sound_only: bool) {
        let least = if sound_only {
            PICTURES_AGAIN_BPS
        } else {
            SOUND_ONLY_BELOW_BPS
        };
        if line_bps < least {
            self.given.clear();
            self.given.resize(self.wishes.len(), None);
            return;
        }
        let budget =
            (line_bps * SPENT_PERCENT / 100).saturating_sub(self.sound_bps.min(line_bps / 2));
        allocate(budget, &self.wishes, &mut self.given);
        if self.given.iter().all(Option::is_none) {
            // One face, even if what is kept free for voices must be touched for it.
            let first = self
                .wishes
                .iter()
                .enumerate()
                .filter(|(_, wish)| wish.most.is_some())
                .filter(|(_, wish)| wish.now.is_some() || wish.needs_bps[0] <= line_bps)
                .min_by_key(|(_, wish)| wish.rank);
            if let Some((index, _)) = first {
                self.given[index] = Some(Layer::SMALLEST);
            }
        }
    }
}

/// From which load on pictures of a rank are one layer smaller.
fn smaller_from(rank: Rank) -> Load {
    match rank {
        Rank::Rest => Load::Raised,
        Rank::Pinned => Load::High,
        Rank::First => Load::Overload,
    }
}

/// The best layer of `count` that a view can use.
fn most(view: View, count: usize) -> Option<Layer> {
    let largest = count - 1;
    match view {
        View::Hidden => None,
        View::Tile => Some(Layer::at(largest.saturating_sub(1))),
        View::Stage => Some(Layer::at(largest)),
    }
}
