//! What the recorder gets.

use crate::{Codec, TrackKey, TrackKind};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Louder than this is speech, in -dBov. 50: a quiet voice at arm's length is about 40, the noise
/// floor of a laptop microphone about 60.
pub(crate) const SPEECH_DBOV: u8 = 50;

/// One RTP packet of a track, as it came, decrypted and without its header.
///
/// Packets come in the order of arrival: a reordered or repaired packet comes late, with a lower
/// [`seq`](Self::seq). A packet is delivered once. Sound that came in RED (RFC 2198) is taken out
/// of it; a lost packet that a later one repeats comes with that one, without a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPacket {
    /// Whose.
    pub track: TrackKey,
    /// Sound or picture.
    pub kind: TrackKind,
    /// How [`payload`](Self::payload) is encoded.
    pub codec: Codec,
    /// Changes when the sender starts its numbering anew (a new SSRC); within one value
    /// [`seq`](Self::seq) and [`timestamp`](Self::timestamp) are continuous. Counts from 1.
    pub stream: u64,
    /// The RTP sequence number, extended beyond its 16 bits.
    pub seq: u64,
    /// The RTP timestamp, extended beyond its 32 bits, in ticks of
    /// [`clock_rate_hz`](Self::clock_rate_hz).
    pub timestamp: u64,
    /// Ticks in one second.
    pub clock_rate_hz: u32,
    /// When the datagram came, on the clock of this machine.
    pub arrival: Instant,
    /// The RTP marker: last packet of a picture, first packet after silence.
    pub marker: bool,
    /// How loud the sender says that it is (RFC 6464), in -dBov: 0 is the loudest, 127 is silence.
    /// Absent for pictures, and where the sender does not say it.
    pub level: Option<u8>,
    /// The RTP payload, with the payload descriptor of the codec and without the RTP header.
    pub payload: Bytes,
    /// The sender's last word on how its RTP clock relates to its wall clock, if it has said it.
    pub sender_report: Option<SenderReport>,
}

impl RecordedPacket {
    /// Whether the sender says that somebody speaks in it.
    #[must_use]
    pub fn is_speech(&self) -> bool {
        self.level.is_some_and(|level| level < SPEECH_DBOV)
    }
}

/// From RTCP SR (RFC 3550, section 6.4.1): both stamps name the same moment at the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's wall clock since 1970 (UTC), as true as the sender's clock is.
    pub ntp: Duration,
    /// The sender's RTP timestamp, not extended.
    pub timestamp: u32,
}
