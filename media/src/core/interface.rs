//! What goes into a core and what comes out of it.

use crate::{
    Event, Graph, Load, Mid, PeerAddress, RecordedPacket, RoomId, SessionId, Shown, Source,
    TrackKey,
};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

/// Everything that can happen to a core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram(Datagram<'a>),
    /// The client's end of a connection is gone: what goes there is lost.
    Unreachable(Instant, PeerAddress),
    /// The caller wants something, now.
    Command(Instant, Command),
    /// It is now: the last [`Output::Deadline`], or any moment after the last input.
    Timeout(Instant),
}

/// A UDP datagram, or one packet out of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// When it came.
    pub now: Instant,
    /// From where.
    pub source: PeerAddress,
    /// To which of the advertised addresses.
    pub destination: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// What the caller wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Replaces the graph of a room. Edges of tracks and sessions that do not exist (yet) count
    /// from the moment they do; edges out of the room never count.
    SetGraph {
        /// Where.
        room: RoomId,
        /// Which track reaches what.
        graph: Graph,
    },
    /// Ends a session: the client is told, its tracks stop.
    CloseSession(SessionId),
    /// Ends all sessions of a room and forgets its graph.
    CloseRoom(RoomId),
    /// Asks the sender of a picture for a key frame, for a recorder that starts a file.
    RequestKeyframe(TrackKey),
    /// What the page of a client does with each picture. Replaces all that was said before; a
    /// picture that is not named is shown large.
    SetShown {
        /// Whose page.
        session: SessionId,
        /// Each picture that is not shown large, or that is pinned.
        shown: HashMap<TrackKey, Shown>,
    },
    /// How busy the thread is that drives the core, which the core cannot know.
    SetLoad(Load),
    /// Panics while the core is at work for a room: a test of what becomes of the others.
    #[cfg(feature = "fuzzing")]
    Break(RoomId),
}

/// A client's offer. A second one on the same session adds or gives up sections or restarts ICE.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where the session is, or is to be.
    pub room: RoomId,
    /// Whose offer.
    pub session: SessionId,
    /// SDP (RFC 8866): `sendonly` sections for tracks, `recvonly` sections for slots.
    pub sdp: String,
    /// What the client's sections carry. A section that is named here but does not send (now) is
    /// no track; one that sends and is not named is received and thrown away.
    pub sources: BTreeMap<Mid, Source>,
    /// Whether the client had a session here before: they are let in again however busy it is.
    pub comes_back: bool,
}

/// What comes out of a core.
#[derive(Debug)]
pub enum Output<'a> {
    /// A datagram to send.
    Transmit {
        /// From which of the advertised addresses.
        source: SocketAddr,
        /// Where to.
        destination: PeerAddress,
        /// What.
        bytes: &'a [u8],
    },
    /// Something to know.
    Event(Event),
    /// A packet of a track that the graph connects to the recorder.
    Recorded(RecordedPacket),
    /// There is no more: give [`Input::Timeout`] at this moment if nothing comes before.
    Deadline(Instant),
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams given to the core.
    pub datagrams: u64,
    /// Of these: too long, no packet of any protocol in use, or from nobody known.
    pub garbage: u64,
    /// Of these: from an address that sends more than [`crate::MediaLimits::packets_per_second`].
    pub over_rate: u64,
    /// RTP packets of tracks that have more bits than [`crate::MediaLimits::sound_bps`] or
    /// [`crate::MediaLimits::picture_bps`].
    pub over_bitrate: u64,
    /// RTP packets written to receivers.
    pub forwarded: u64,
    /// RTP packets handed to the recorder.
    pub recorded: u64,
    /// Sessions that the WebRTC stack gave up.
    pub failed_sessions: u64,
    /// Rooms that were ended because of a bug of ours.
    pub failed_rooms: u64,
}
