//! Tracks, sinks and the graph between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A group of sessions among which tracks may flow. No packet ever leaves its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u64);

/// One WebRTC session: one peer connection of one client. Chosen by the caller and never reused:
/// somebody who comes back with a new peer connection gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What a track is made from. A session has at most one track of each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The voice.
    Microphone,
    /// The face.
    Camera,
    /// A shared screen.
    Screen,
}

impl Source {
    /// Whether the source is heard or seen.
    #[must_use]
    pub fn kind(self) -> TrackKind {
        match self {
            Self::Microphone => TrackKind::Audio,
            Self::Camera | Self::Screen => TrackKind::Video,
        }
    }
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

impl TrackKind {
    /// Ticks of the RTP timestamp in one second, in all codecs of the kind.
    #[must_use]
    pub fn clock_rate_hz(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video => 90_000,
        }
    }
}

/// How a track is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    /// RFC 7587, 48 kHz.
    Opus,
    /// RFC 7741, 90 kHz.
    Vp8,
    /// RFC 6184, constrained baseline profile in `packetization-mode=1`, 90 kHz.
    H264,
}

impl Codec {
    /// Whether it is sound or a picture.
    #[must_use]
    pub fn kind(self) -> TrackKind {
        match self {
            Self::Opus => TrackKind::Audio,
            Self::Vp8 | Self::H264 => TrackKind::Video,
        }
    }

    /// Ticks of the RTP timestamp in one second.
    #[must_use]
    pub fn clock_rate_hz(self) -> u32 {
        self.kind().clock_rate_hz()
    }
}

/// One source of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey {
    /// Who sends it.
    pub session: SessionId,
    /// What it shows.
    pub source: Source,
}

/// Where a track may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// The client of this session.
    Session(SessionId),
    /// The recorder of the room.
    Recorder,
}

/// Which track reaches which sinks. An edge that is not here does not exist: no packet flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    edges: BTreeMap<TrackKey, Vec<Sink>>,
    favoured: BTreeSet<TrackKey>,
}

impl Graph {
    /// A graph without an edge.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `track` reach `sink`. Naming an edge twice is naming it once.
    pub fn connect(&mut self, track: TrackKey, sink: Sink) {
        let sinks = self.edges.entry(track).or_default();
        if !sinks.contains(&sink) {
            sinks.push(sink);
        }
    }

    /// Lets every receiver keep the picture of `track` longest when its line becomes narrow.
    pub fn favour(&mut self, track: TrackKey) {
        self.favoured.insert(track);
    }

    /// Whether the picture of `track` is kept longest.
    #[must_use]
    pub fn favours(&self, track: TrackKey) -> bool {
        self.favoured.contains(&track)
    }

    /// The sinks that `track` reaches.
    #[must_use]
    pub fn sinks(&self, track: TrackKey) -> &[Sink] {
        self.edges.get(&track).map_or(&[], Vec::as_slice)
    }

    /// Whether `track` reaches `sink`.
    #[must_use]
    pub fn has(&self, track: TrackKey, sink: Sink) -> bool {
        self.sinks(track).contains(&sink)
    }

    /// All edges, by track.
    pub fn edges(&self) -> impl Iterator<Item = (TrackKey, &[Sink])> {
        self.edges
            .iter()
            .map(|(track, sinks)| (*track, sinks.as_slice()))
    }
}

impl FromIterator<(TrackKey, Sink)> for Graph {
    fn from_iter<I: IntoIterator<Item = (TrackKey, Sink)>>(edges: I) -> Self {
        let mut graph = Self::new();
        for (track, sink) in edges {
            graph.connect(track, sink);
        }
        graph
    }
}

/// The name of an SDP section (`a=mid`, RFC 5888).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mid(String);

impl Mid {
    /// The longest name that the RTP header extension of the WebRTC stack carries, in bytes.
    pub const MAX_BYTES: usize = 16;

    /// Names a section.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// As written in SDP.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Mid {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Mid {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
