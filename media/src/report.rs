//! What is told about a client's line.

use crate::{Layer, LineSample, SessionId, Source, TrackKey};
use std::time::Duration;

/// A client's line in an interval of 2 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineReport {
    /// Whose.
    pub session: SessionId,
    /// To the client and back. Nothing before it was measured.
    pub round_trip: Option<Duration>,
    /// From the client.
    pub up: DirectionReport,
    /// To the client.
    pub down: DirectionReport,
    /// What the line is estimated to carry to the client, in bit/s. Nothing if the client does not
    /// say when packets arrive.
    pub estimate_bps: Option<u64>,
    /// What would be sent to the client if its line carried it, in bit/s.
    pub wanted_bps: u64,
    /// Packets from the client that were dropped because a track had more bits than
    /// [`MediaLimits::sound_bps`](crate::MediaLimits::sound_bps) or
    /// [`MediaLimits::picture_bps`](crate::MediaLimits::picture_bps).
    pub over_bitrate: u64,
    /// Whether the line is too narrow for pictures.
    pub sound_only: bool,
    /// The pictures that the client is to get.
    pub pictures: Vec<PictureReport>,
    /// What the client sends of its own pictures: the largest layer that arrives.
    pub sent: Vec<(Source, Layer)>,
}

/// One of the two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One direction of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DirectionReport {
    /// Bits in a second, all protocols, without IP and UDP headers.
    pub bitrate_bps: u64,
    /// Of 1,000 packets so many were lost, before repair. Nothing if nothing was sent.
    pub loss_permille: Option<u16>,
    /// Of the arrival times (RFC 3550, section 6.4.1), of the worst track.
    pub jitter: Option<Duration>,
    /// Packets of which a repair was asked (RFC 4585).
    pub nacks: u64,
    /// Key frames asked for because a picture could not be decoded.
    pub plis: u64,
}

/// A picture on its way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureReport {
    /// Of whom.
    pub track: TrackKey,
    /// The layer that is sent. Nothing while the line or the page has no room for it.
    pub layer: Option<Layer>,
}

impl LineReport {
    /// The sample of one direction, to be graded.
    #[must_use]
    pub fn sample(&self, direction: Direction) -> LineSample {
        let (report, wanted_bps) = match direction {
            Direction::Up => (&self.up, None),
            Direction::Down => (
                &self.down,
                Some(self.wanted_bps).filter(|_| self.is_narrow()),
            ),
        };
        LineSample {
            loss: report
                .loss_permille
                .map(|permille| f32::from(permille) / 1_000.0),
            round_trip: self.round_trip,
            jitter: report.jitter,
            bitrate_bps: report.bitrate_bps,
            wanted_bps,
            freezes: 0,
            silent: false,
        }
    }

    /// Whether the line carries less than is wanted. A sender that has nothing to send is no fault
    /// of the receiver's line.
    fn is_narrow(&self) -> bool {
        self.estimate_bps
            .is_some_and(|estimate| estimate < self.wanted_bps)
    }
}
