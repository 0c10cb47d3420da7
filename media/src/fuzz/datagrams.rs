//! Whole datagrams into a core with live sessions: STUN, DTLS, and RTP and RTCP behind an open
//! SRTP, so that what a hostile participant could protect with its own keys is reached too.

use super::open_srtp::TAG_BYTES;
use super::peer::{Peer, SOURCES};
use super::world::World;
use crate::{Graph, MediaLimits, RoomId, SessionId, Sink, Source, TrackKey};
use arbitrary::{Arbitrary, Unstructured};
use std::net::SocketAddr;
use std::time::Duration;
use str0m::format::Codec;

const ROOM: RoomId = RoomId(1);
const JUDGE: u8 = 0;
const CLERK: u8 = 1;
/// Has offered and connects only if the fuzzer lets it.
const NEWCOMER: u8 = 2;
const STRANGER: u8 = 3;
const MOST_STEPS: usize = 64;

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Raw {
        from: u8,
        bytes: &'a [u8],
    },
    /// Something heard before, with octets changed, cut to a length.
    Heard {
        which: u16,
        from: Option<u8>,
        changes: Vec<(u16, u8)>,
        length: Option<u16>,
    },
    /// A participant's RTP.
    Rtp {
        from: u8,
        source: u8,
        repair: bool,
        padding: bool,
        marker: bool,
        seq: u16,
        timestamp: u32,
        /// Of header extensions (RFC 8285), behind the name of the section.
        extensions: &'a [u8],
        payload: &'a [u8],
    },
    /// A participant's RTCP: type, count or format, whose stream, body.
    Rtcp {
        from: u8,
        index: u16,
        packets: Vec<(u8, u8, u8, &'a [u8])>,
    },
    Wait(u16),
    /// The newcomer takes its turn.
    Connect,
    /// The judge's own packet, to see that it goes on.
    Speak(&'a [u8]),
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut world = hearing();
    let mut newcomer = None;
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut input) else {
            break;
        };
        match step {
            Step::Raw { from, bytes } => world.inject(address_of(from), bytes),
            Step::Heard {
                which,
                from,
                changes,
                length,
            } => {
                let heard = world.overheard.len();
                let (source, mut bytes) = world.overheard[usize::from(which) % heard].clone();
                for (at, octet) in changes {
                    let length = bytes.len().max(1);
                    if let Some(place) = bytes.get_mut(usize::from(at) % length) {
                        *place = octet;
                    }
                }
                if let Some(length) = length {
                    bytes.resize(usize::from(length % 1_600), 0);
                }
                world.inject(from.map_or(source, address_of), &bytes);
            }
            Step::Rtp {
                from,
                source,
                repair,
                padding,
                marker,
                seq,
                timestamp,
                extensions,
                payload,
            } => {
                let source = SOURCES[usize::from(source) % SOURCES.len()];
                if let Some(mut packet) = rtp(&mut world, from, source, repair, extensions) {
                    packet[0] |= u8::from(padding) << 5;
                    packet[1] |= u8::from(marker) << 7;
                    packet[2..4].copy_from_slice(&seq.to_be_bytes());
                    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
                    packet.extend_from_slice(payload);
                    packet.extend([0; TAG_BYTES]);
                    world.inject(address_of(from), &packet);
                }
            }
            Step::Rtcp {
                from,
                index,
                packets,
            } => {
                let compound = rtcp(&mut world, from, index, &packets);
                world.inject(address_of(from), &compound);
            }
            Step::Wait(ms) => world.wait(Duration::from_millis(u64::from(ms % 3_000))),
            Step::Connect => {
                if newcomer.is_none() {
                    newcomer = Some(());
                    let peer = Peer::new(SessionId(3), address_of(NEWCOMER), world.now);
                    world.peers.insert(NEWCOMER, peer);
                    world.offer(NEWCOMER, ROOM, &[Source::Microphone], (1, 0), false);
                }
            }
            Step::Speak(payload) => world.send(JUDGE, Source::Microphone, 0, 960, false, payload),
        }
    }
}

/// A judge who is heard and seen, a clerk who sees and is heard.
fn hearing() -> World {
    let mut world = World::new(MediaLimits::default());
    for (place, sources) in [
        (JUDGE, [Source::Microphone, Source::Camera].as_slice()),
        (CLERK, &[Source::Microphone]),
    ] {
        let session = SessionId(u64::from(place) + 1);
        let peer = Peer::new(session, address_of(place), world.now);
        world.peers.insert(place, peer);
        world.offer(place, ROOM, sources, (2, 2), false);
    }
    let graph: Graph = [
        (JUDGE, Source::Microphone, CLERK),
        (JUDGE, Source::Camera, CLERK),
        (CLERK, Source::Microphone, JUDGE),
    ]
    .into_iter()
    .map(|(from, source, to)| {
        let track = TrackKey {
            session: SessionId(u64::from(from) + 1),
            source,
        };
        (track, Sink::Session(SessionId(u64::from(to) + 1)))
    })
    .collect();
    world.set_graph(ROOM, graph);
    world.wait(Duration::from_millis(300));
    world.send(JUDGE, Source::Microphone, 0, 960, false, &[0x78; 20]);
    let keyframe = [0x90, 0x80, 0x80, 1, 0, 0, 0, 0x9d, 0x01, 0x2a];
    world.send(JUDGE, Source::Camera, 0, 3_000, true, &keyframe);
    world.send(CLERK, Source::Microphone, 0, 960, false, &[0x78; 20]);
    world.wait(Duration::from_millis(100));
    assert_eq!(world.received, 3, "the hearing does not run");
    world
}

/// A header up to the payload, of a stream that the participant has announced.
fn rtp(
    world: &mut World,
    from: u8,
    source: Source,
    repair: bool,
    extensions: &[u8],
) -> Option<Vec<u8>> {
    let peer = world.peers.get_mut(&(from % 3))?;
    let codec = if source == Source::Microphone {
        Codec::Opus
    } else {
        Codec::Vp8
    };
    // Repairs of VP8 have the next payload type in this stack's own offers.
    let payload_type = *peer.payload_type(codec)? + u8::from(repair);
    let (ssrc, mid) = peer.stream(source)?;
    let mut packet = vec![0x90, payload_type & 0x7f, 0, 0, 0, 0, 0, 0];
    packet.extend(ssrc.wrapping_add(u32::from(repair)).to_be_bytes());
    // One-octet form; the section's name is extension 4 in this stack's own offers.
    let mut block = vec![0x40 | (mid.len() as u8).wrapping_sub(1) & 0x0f];
    block.extend(mid.bytes().take(16));
    block.extend(extensions.iter().take(64));
    block.resize(block.len().next_multiple_of(4), 0);
    packet.extend([0xbe, 0xde, 0, (block.len() / 4) as u8]);
    packet.extend(block);
    Some(packet)
}

/// A compound packet with lengths that fit, behind it what SRTCP adds.
fn rtcp(world: &mut World, from: u8, index: u16, packets: &[(u8, u8, u8, &[u8])]) -> Vec<u8> {
    let mut compound = Vec::new();
    for (kind, count, whose, body) in packets.iter().take(8) {
        let ssrc = world
            .peers
            .get_mut(&(whose % 3))
            .and_then(|peer| peer.stream(SOURCES[usize::from(whose / 3) % SOURCES.len()]))
            .map_or(0, |(ssrc, _)| ssrc);
        let mut body = body[..body.len().min(300)].to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        // 200 to 207: SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR.
        compound.extend([0x80 | count & 0x3f, 200 + kind % 8]);
        compound.extend(((body.len() / 4 + 1) as u16).to_be_bytes());
        compound.extend(ssrc.to_be_bytes());
        compound.extend(body);
    }
    compound.extend([0; TAG_BYTES]);
    compound.extend((0x8000_0000 | u32::from(index) | u32::from(from) << 16).to_be_bytes());
    compound
}

fn address_of(place: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, place % (STRANGER + 1) + 1], 4_000))
}
