//! What the first byte or two of an Opus packet tell (RFC 6716, section 3.1).

use std::time::Duration;

/// The longest packet that Opus allows (RFC 6716, section 3.2.5).
const MAX_DURATION: Duration = Duration::from_millis(120);

/// Frame length in units of 2.5 ms by the TOC's five configuration bits (RFC 6716, table 2).
const FRAME_UNITS: [u32; 32] = [
    4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24, // SILK: 10, 20, 40, 60 ms
    4, 8, 4, 8, // Hybrid: 10, 20 ms
    1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, // CELT: 2.5, 5, 10, 20 ms
];

/// How long the packet sounds; `None` when it is no Opus packet.
pub(super) fn packet_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    let duration = Duration::from_micros(2_500) * FRAME_UNITS[usize::from(toc >> 3)] * frames;
    (!duration.is_zero() && duration <= MAX_DURATION).then_some(duration)
}

/// Channels coded in the packet: 1 or 2. A mono file of a track that turns stereo later
/// still plays: decoders mix down to what the header says (RFC 7845, section 5.1).
pub(super) fn channels(packet: &[u8]) -> u8 {
    match packet.first() {
        Some(toc) if toc & 4 != 0 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_packet_follows_from_its_first_bytes() {
        let ms = |packet: &[u8]| packet_duration(packet).map(|d| d.as_micros());
        assert_eq!(ms(&[0x78]), Some(20_000)); // hybrid fullband, one frame: Chrome's default
        assert_eq!(ms(&[0x18, 1]), Some(60_000)); // SILK, 60 ms
        assert_eq!(ms(&[0x80]), Some(2_500)); // CELT, 2.5 ms
        assert_eq!(ms(&[0x79]), Some(40_000)); // two frames
        assert_eq!(ms(&[0x7b, 3]), Some(60_000)); // three frames, counted
        assert_eq!(ms(&[0x7b, 0]), None); // no frames
        assert_eq!(ms(&[0x7b, 7]), None); // 140 ms is more than allowed
        assert_eq!(ms(&[0x7b]), None);
        assert_eq!(ms(&[]), None);
        assert_eq!(channels(&[0x7c]), 2);
        assert_eq!(channels(&[0x78]), 1);
    }
}
