//! The media core of Otyrys: sessions, forwarding, recorder taps.
//!
//! **What it is.** A forwarding unit for WebRTC: it terminates ICE, DTLS and SRTP for each
//! [`SessionId`], and passes the RTP packets of each track to exactly those sinks that the
//! [`Graph`] of its room names. With no graph nothing flows.
//!
//! **What it is not.** It knows no hearing, no person, no role, no HTTP and no SQL: who may see
//! whom was decided by whoever computed the graph. It decodes and encodes nothing.
//!
//! The main types:
//! - [`Core`]: the state machine of all rooms of one shard. No socket, no clock, no thread.
//! - [`Shard`]: one OS thread and one UDP socket that drive a [`Core`]; [`ShardHandle`] is how the
//!   rest of the program talks to it.
//! - [`Graph`], [`TrackKey`], [`Sink`]: which track reaches what.
//! - [`Event`]: what the core tells; [`RecordedPacket`]: what it hands to the recorder.
//! - [`recorder`]: writes recorded packets into files; [`Clusters`] finds its way in them.

mod clusters;
mod config;
mod core;
mod error;
mod event;
pub mod film;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod graph;
mod h264;
mod layer;
mod load;
mod packet;
mod peer;
mod quality;
pub mod recorder;
mod red;
mod report;
mod shard;
mod vp8;

pub use crate::clusters::{Cluster, Clusters, NotOurs};
pub use crate::config::MediaLimits;
pub use crate::core::{Command, Core, Counters, Datagram, Input, Offer, Output};
pub use crate::error::MediaError;
pub use crate::event::{DisconnectReason, Event, SlotFill};
pub use crate::graph::{Codec, Graph, Mid, RoomId, SessionId, Sink, Source, TrackKey, TrackKind};
pub use crate::layer::{Layer, MAX_LAYERS, Shown, View};
pub use crate::load::Load;
pub use crate::packet::{RecordedPacket, SenderReport};
pub use crate::peer::{PeerAddress, Transport, network_of};
pub use crate::quality::{Cause, Grade, LineSample, grade};
pub use crate::report::{Direction, DirectionReport, LineReport, PictureReport};
pub use crate::shard::{
    FORWARDING_BOUNDS, ForwardingTimes, Shard, ShardConfig, ShardFigures, ShardHandle, ShardOutputs,
};
