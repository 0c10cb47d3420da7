//! What the media core tells.

use crate::{Layer, LineReport, Mid, RoomId, SessionId, TrackKey};

/// A fact about a session, a track or a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// ICE and DTLS are up: media can flow.
    Connected {
        /// Whose.
        session: SessionId,
    },
    /// The session is over and forgotten: its tracks have stopped, its place is free. The client
    /// comes back with a new peer connection and a new id. Not told for a session that the caller
    /// closed.
    Disconnected {
        /// Whose.
        session: SessionId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A section of the client's offer that sends was negotiated. Packets may come from now on.
    TrackStarted {
        /// Which.
        track: TrackKey,
    },
    /// The track sends no more: its section was given up or its session has ended.
    TrackStopped {
        /// Which.
        track: TrackKey,
    },
    /// Packets of a track began to come, or have not come for 1.5 s.
    TrackFlowing {
        /// Which.
        track: TrackKey,
        /// Whether they come.
        flowing: bool,
    },
    /// Which track arrives on which section of a client. Replaces all earlier ones.
    SlotsChanged {
        /// Whose.
        session: SessionId,
        /// One for each section that receives, in the order of the offer.
        slots: Vec<SlotFill>,
    },
    /// The tracks for a client outnumber its receiving sections: it should offer again with at
    /// least so many.
    SlotsNeeded {
        /// Whose.
        session: SessionId,
        /// Receiving sound sections.
        audio: u32,
        /// Receiving picture sections.
        video: u32,
    },
    /// Which layers of a picture somebody watches, from the smallest. Its sender may pause the
    /// others, and must send them again when told. Until told otherwise all are watched.
    LayersWatched {
        /// Which.
        track: TrackKey,
        /// At least the smallest.
        watched: Vec<Layer>,
    },
    /// The line to a client carries sound alone, or carries pictures again.
    SoundOnly {
        /// Whose.
        session: SessionId,
        /// Whether no picture is sent.
        sound_only: bool,
    },
    /// What the line to a client looked like in the last interval of 2 s.
    Line(LineReport),
    /// Who is heard in a room, loudest first. Only microphones with at least one sink count.
    Levels {
        /// Where.
        room: RoomId,
        /// Who. Empty: silence.
        loudest: Vec<SessionId>,
    },
    /// A bug of ours ended all sessions of a room, each of which was told to have ended with
    /// [`DisconnectReason::Failed`]. Other rooms go on.
    RoomFailed {
        /// Which.
        room: RoomId,
    },
    /// The queue to the recorder was full and packets were dropped: the record has a gap.
    RecorderBehind {
        /// Packets dropped since the last such event.
        dropped: u64,
    },
}

/// One receiving section of a client and what fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFill {
    /// The SDP section.
    pub mid: Mid,
    /// What arrives there; nothing if absent.
    pub track: Option<TrackKey>,
}

/// Why a session ended without being told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The client closed its peer connection.
    Closed,
    /// Nothing came from the client for [`MediaLimits::silence`](crate::MediaLimits::silence).
    Silent,
    /// The client did not connect within [`MediaLimits::connect`](crate::MediaLimits::connect).
    NeverConnected,
    /// The WebRTC stack gave up on the session: a failed handshake, a wrong fingerprint.
    Failed,
}
