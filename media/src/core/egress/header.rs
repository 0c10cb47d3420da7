//! Headers of the packets that are sent (RFC 3550, section 5.1) with their extensions (RFC 8285).

use std::time::Duration;
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues};

/// Room for the fixed header, the extension's own header and the four extensions.
const MOST_BYTES: usize = 12 + 4 + 12;

/// The numbers that a client gave the header extensions of a section; nothing for those that it
/// did not ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::core) struct ExtensionIds {
    transport_cc: Option<u8>,
    abs_send_time: Option<u8>,
    audio_level: Option<u8>,
    orientation: Option<u8>,
}

/// What a packet says beside its payload, as its sender said it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::core) struct Extensions {
    /// The octet of RFC 6464.
    audio_level: Option<u8>,
    /// The octet of 3GPP TS 26.114 (coordination of video orientation).
    orientation: Option<u8>,
}

/// A header that is about to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    /// Whether padding stands behind the payload.
    pub(super) padded: bool,
    /// Of it the low 16 bits are written.
    pub(super) seq: u64,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) extensions: Extensions,
}

/// A header as it is sent.
#[derive(Debug)]
pub(super) struct Header {
    bytes: [u8; MOST_BYTES],
    length: usize,
}

impl ExtensionIds {
    pub(in crate::core) fn of(map: &ExtensionMap) -> Self {
        // Larger numbers need the two-byte form, which no browser asks for.
        let id = |extension| map.id_of(extension).filter(|id| (1..15).contains(id));
        Self {
            transport_cc: id(Extension::TransportSequenceNumber),
            abs_send_time: id(Extension::AbsoluteSendTime),
            audio_level: id(Extension::AudioLevel),
            orientation: id(Extension::VideoOrientation),
        }
    }

    /// Whether packets are numbered for transport-wide feedback.
    pub(in crate::core) fn is_numbered(&self) -> bool {
        self.transport_cc.is_some()
    }
}

impl From<&ExtensionValues> for Extensions {
    fn from(values: &ExtensionValues) -> Self {
        const VOICE: u8 = 0x80;

        let voice = values.voice_activity.unwrap_or_default();
        Self {
            audio_level: values.audio_level.map(|level| {
                let level = level.unsigned_abs().min(0x7f);
                if voice { level | VOICE } else { level }
            }),
            orientation: values.video_orientation.map(|turned| turned as u8),
        }
    }
}

impl Head {
    /// The header with its extensions. `number`: the transport-wide one. `clock`: since an epoch
    /// that is the same for all packets of a session.
    pub(super) fn write(&self, ids: &ExtensionIds, number: u64, clock: Duration) -> Header {
        const VERSION: u8 = 2 << 6;
        const PADDED: u8 = 1 << 5;
        const EXTENDED: u8 = 1 << 4;
        const MARKED: u8 = 1 << 7;
        /// "One-byte header" (RFC 8285, section 4.2).
        const ONE_BYTE: [u8; 2] = [0xbe, 0xde];

        let mut bytes = [0; MOST_BYTES];
        bytes[0] = VERSION | EXTENDED | if self.padded { PADDED } else { 0 };
        bytes[1] = self.payload_type & 0x7f | if self.marker { MARKED } else { 0 };
        bytes[2..4].copy_from_slice(&low_16(self.seq).to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[12..14].copy_from_slice(&ONE_BYTE);
        let mut length = 16;
        let mut put = |id: Option<u8>, value: &[u8]| {
            if let Some(id) = id {
                bytes[length] = id << 4 | (value.len() - 1) as u8;
                bytes[length + 1..=length + value.len()].copy_from_slice(value);
                length += 1 + value.len();
            }
        };
        put(ids.transport_cc, &low_16(number).to_be_bytes());
        put(ids.abs_send_time, &six_eighteen(clock));
        if let Some(level) = self.extensions.audio_level {
            put(ids.audio_level, &[level]);
        }
        if let Some(turned) = self.extensions.orientation {
            put(ids.orientation, &[turned]);
        }
        let length = length.next_multiple_of(4);
        bytes[15] = ((length - 16) / 4) as u8;
        Header { bytes, length }
    }
}

impl std::ops::Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What of a number is on the wire.
fn low_16(number: u64) -> u16 {
    (number & 0xffff) as u16
}

/// The absolute send time: seconds as a 24-bit fixed point number with 18 bits behind the point
/// (webrtc.org, `abs-send-time`).
fn six_eighteen(clock: Duration) -> [u8; 3] {
    let seconds = clock.as_secs() & 0x3f;
    let fraction = (u64::from(clock.subsec_nanos()) << 18) / 1_000_000_000;
    let [.., high, middle, low] = (seconds << 18 | fraction).to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        payload_type: 96,
        marker: true,
        padded: false,
        seq: 0x1_2345,
        timestamp: 0x0102_0304,
        ssrc: 0x0506_0708,
        extensions: Extensions {
            audio_level: Some(0x85),
            orientation: None,
        },
    };

    #[test]
    fn a_header_holds_what_the_client_asked_for() {
        let ids = ExtensionIds {
            transport_cc: Some(3),
            abs_send_time: Some(2),
            audio_level: Some(1),
            orientation: Some(4),
        };
        let header = HEAD.write(&ids, 0x2_0001, Duration::from_millis(64_500));
        let fixed = [
            0x90, 0xe0, 0x23, 0x45, 1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 3,
        ];
        let extensions = [0x31, 0, 1, 0x22, 0x02, 0, 0, 0x10, 0x85, 0, 0, 0];
        assert_eq!(*header, [fixed.as_slice(), &extensions].concat());
    }

    #[test]
    fn a_header_for_a_client_without_extensions_is_whole() {
        let header = HEAD.write(&ExtensionIds::default(), 1, Duration::ZERO);
        assert_eq!(header.len(), 16);
        assert_eq!(header[12..], [0xbe, 0xde, 0, 0]);
    }
}
