//! Sequences of everything that can happen to a core: offers, graphs, closes, packets, time.

use super::peer::{Peer, SOURCES};
use super::world::World;
use crate::{Command, Graph, MediaLimits, RoomId, SessionId, Shown, Sink, Source, TrackKey, View};
use arbitrary::{Arbitrary, Unstructured};
use std::net::SocketAddr;
use std::time::Duration;

/// Places at which somebody can sit: one more than sessions are allowed.
const PLACES: u8 = 4;
/// A hearing's worth of steps; longer inputs add nothing but time.
const MOST_STEPS: usize = 48;
const VIEWS: [View; 3] = [View::Stage, View::Tile, View::Hidden];

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Offer {
        place: u8,
        room: bool,
        microphone: bool,
        camera: bool,
        screen: bool,
        audio_slots: u8,
        video_slots: u8,
        restart_ice: bool,
    },
    Graph {
        room: bool,
        edges: Vec<(u8, u8, u8)>,
    },
    /// Everybody to everybody and to the recorder.
    FullGraph {
        room: bool,
    },
    CloseSession(u8),
    CloseRoom(bool),
    RequestKeyframe(u8, u8),
    Send {
        place: u8,
        source: u8,
        seq: i16,
        timestamp: i32,
        marker: bool,
        payload: &'a [u8],
    },
    Picture {
        place: u8,
        keyframe: bool,
        count: u8,
    },
    Wait(u16),
    WaitLong(u8),
    Vanish(u8),
    GoodBye(u8),
    Lose(u8),
    Datagram {
        place: u8,
        bytes: &'a [u8],
    },
    Replay {
        which: u16,
        place: u8,
    },
    /// What a page does with pictures of others: whose, which, how.
    Shown {
        place: u8,
        pictures: Vec<(u8, u8, u8, bool)>,
    },
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut world = World::new(MediaLimits {
        sessions: 3,
        sections: 12,
        outputs: 8_192,
        ..MediaLimits::default()
    });
    let mut next_session = 0;
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut input) else {
            break;
        };
        take(&mut world, step, &mut next_session);
    }
    // Whatever happened: everybody goes, and nothing is left.
    world.command(Command::CloseRoom(room_of(false)));
    world.command(Command::CloseRoom(room_of(true)));
    assert_eq!(world.core.session_count(), 0);
    assert!(world.core.rooms().is_empty());
}

fn take(world: &mut World, step: Step<'_>, next_session: &mut u64) {
    match step {
        Step::Offer {
            place,
            room,
            microphone,
            camera,
            screen,
            audio_slots,
            video_slots,
            restart_ice,
        } => {
            let place = place % PLACES;
            let gone = world
                .peers
                .get(&place)
                .is_none_or(|peer| !peer.is_alive() || !world.live.contains_key(&peer.session));
            if gone {
                let peer = Peer::new(SessionId(*next_session), address_of(place), world.now);
                *next_session += 1;
                world.peers.insert(place, peer);
            }
            let sources: Vec<Source> = SOURCES
                .into_iter()
                .zip([microphone, camera, screen])
                .filter_map(|(source, on)| on.then_some(source))
                .collect();
            world.offer(
                place,
                room_of(room),
                &sources,
                (audio_slots % 4, video_slots % 4),
                restart_ice && !gone,
            );
        }
        Step::Graph { room, edges } => {
            let graph: Graph = edges
                .into_iter()
                .take(24)
                .filter_map(|(from, source, to)| {
                    let sink = match to % (PLACES + 1) {
                        PLACES => Sink::Recorder,
                        place => Sink::Session(session_of(world, place)?),
                    };
                    Some((track_of(world, from, source)?, sink))
                })
                .collect();
            world.set_graph(room_of(room), graph);
        }
        Step::FullGraph { room } => {
            let sessions: Vec<SessionId> = world.peers.values().map(|peer| peer.session).collect();
            let mut graph = Graph::new();
            for from in &sessions {
                for source in SOURCES {
                    let track = TrackKey {
                        session: *from,
                        source,
                    };
                    graph.connect(track, Sink::Recorder);
                    for to in sessions.iter().filter(|to| *to != from) {
                        graph.connect(track, Sink::Session(*to));
                    }
                }
            }
            world.set_graph(room_of(room), graph);
        }
        Step::CloseSession(place) => {
            if let Some(session) = session_of(world, place) {
                world.command(Command::CloseSession(session));
            }
        }
        Step::CloseRoom(room) => world.command(Command::CloseRoom(room_of(room))),
        Step::RequestKeyframe(place, source) => {
            if let Some(track) = track_of(world, place, source) {
                world.command(Command::RequestKeyframe(track));
            }
        }
        Step::Send {
            place,
            source,
            seq,
            timestamp,
            marker,
            payload,
        } => {
            let source = SOURCES[usize::from(source) % SOURCES.len()];
            world.send(place % PLACES, source, seq, timestamp, marker, payload);
        }
        Step::Picture {
            place,
            keyframe,
            count,
        } => {
            for frame in 0..count % 8 {
                // X and I, a picture id of 15 bits; then the frame tag (RFC 7741, RFC 6386).
                let inter = u8::from(!keyframe || frame > 0);
                let payload = [0x90, 0x80, 0x80, frame, inter, 0, 0, 0x9d, 0x01, 0x2a];
                world.send(place % PLACES, Source::Camera, 0, 3_000, true, &payload);
                world.wait(Duration::from_millis(33));
            }
        }
        Step::Wait(ms) => world.wait(Duration::from_millis(u64::from(ms % 2_000))),
        Step::WaitLong(seconds) => world.wait(Duration::from_secs(u64::from(seconds % 16))),
        Step::Vanish(place) => {
            world.peers.remove(&(place % PLACES));
        }
        Step::GoodBye(place) => {
            let now = world.now;
            if let Some(peer) = world.peers.get_mut(&(place % PLACES)) {
                peer.close(now);
            }
            world.settle();
        }
        Step::Lose(count) => world.lose = count.into(),
        Step::Datagram { place, bytes } => world.inject(address_of(place % PLACES), bytes),
        Step::Replay { which, place } => {
            let heard = world.overheard.len();
            if heard > 0 {
                let (_, bytes) = world.overheard[usize::from(which) % heard].clone();
                world.inject(address_of(place % PLACES), &bytes);
            }
        }
        Step::Shown { place, pictures } => {
            let Some(session) = session_of(world, place) else {
                return;
            };
            let shown = pictures
                .into_iter()
                .take(24)
                .filter_map(|(from, source, view, pinned)| {
                    let view = VIEWS[usize::from(view) % VIEWS.len()];
                    Some((track_of(world, from, source)?, Shown { view, pinned }))
                })
                .collect();
            world.command(Command::SetShown { session, shown });
        }
    }
}

fn room_of(second: bool) -> RoomId {
    RoomId(u64::from(second))
}

fn address_of(place: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, place + 1], 4_000))
}

fn session_of(world: &World, place: u8) -> Option<SessionId> {
    Some(world.peers.get(&(place % PLACES))?.session)
}

fn track_of(world: &World, place: u8, source: u8) -> Option<TrackKey> {
    Some(TrackKey {
        session: session_of(world, place)?,
        source: SOURCES[usize::from(source) % SOURCES.len()],
    })
}
