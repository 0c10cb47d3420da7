//! Redundant sound (RFC 2198): each packet repeats the one or two before it, so that a loss is
//! filled without asking.
//!
//! The WebRTC stack hands RED packets over as they came. [`Red`] takes one apart without
//! allocating; [`Recovery`] says which missing packet a repeated block is. Receivers that agreed
//! on RED get it whole and recover by themselves; others, and the recorder, get what is inside.

/// More blocks than this are refused, as by libwebrtc's receiver: a header of 4 octets each
/// would turn one datagram into hundreds of packets.
const MAX_REDUNDANT: usize = 32;
/// The F bit: another header follows.
const MORE: u8 = 0x80;
const HEADER_BYTES: usize = 4;

/// One block of a RED packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// Of the block's own codec.
    pub(crate) payload_type: u8,
    /// By how many ticks the block is older than the packet; 0 for the primary one.
    pub(crate) timestamp_offset: u16,
    /// What that codec's packet would hold. A sender may leave a redundant block empty.
    pub(crate) payload: &'a [u8],
}

/// A RED packet's payload whose headers and lengths fit together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Red<'a> {
    headers: &'a [u8],
    redundant: &'a [u8],
    primary: Block<'a>,
}

impl<'a> Red<'a> {
    /// Takes a payload apart; nothing if its lengths do not add up.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut headers_end = 0;
        let mut redundant_bytes = 0;
        loop {
            let header = payload.get(headers_end..)?;
            let first = *header.first()?;
            if first & MORE == 0 {
                let headers = payload.get(..headers_end)?;
                let (redundant, primary) = payload
                    .get(headers_end + 1..)?
                    .split_at_checked(redundant_bytes)?;
                return Some(Self {
                    headers,
                    redundant,
                    primary: Block {
                        payload_type: first,
                        timestamp_offset: 0,
                        payload: primary,
                    },
                });
            }
            if headers_end == MAX_REDUNDANT * HEADER_BYTES {
                return None;
            }
            redundant_bytes += block_header(header.first_chunk()?).2;
            headers_end += HEADER_BYTES;
        }
    }

    /// What the packet would be without redundancy.
    pub(crate) fn primary(&self) -> Block<'a> {
        self.primary
    }

    /// What it repeats, in its order: the oldest first, if the sender keeps to RFC 2198.
    pub(crate) fn redundant(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let mut rest = self.redundant;
        self.headers
            .as_chunks::<HEADER_BYTES>()
            .0
            .iter()
            .map_while(move |header| {
                let (payload_type, timestamp_offset, length) = block_header(header);
                let (payload, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(Block {
                    payload_type,
                    timestamp_offset,
                    payload,
                })
            })
    }
}

/// Payload type (7 bits), timestamp offset (14 bits), length (10 bits): RFC 2198, section 3.
fn block_header(header: &[u8; HEADER_BYTES]) -> (u8, u16, usize) {
    let [kind, high, middle, low] = *header;
    (
        kind & 0x7f,
        u16::from(high) << 6 | u16::from(middle) >> 2,
        usize::from(middle & 0x03) << 8 | usize::from(low),
    )
}

/// Remembers the last packets of a stream. A redundant block carries a time and no number: the
/// packets around it tell which one it was.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// Extended numbers and times; [`None`] where nothing came yet.
    seen: [Option<(u64, u64)>; Self::REMEMBERED],
    next: usize,
}

impl Recovery {
    /// 320 ms of 20 ms packets, which is more than any sender repeats: 14 bits of offset are
    /// 341 ms at 48 kHz.
    const REMEMBERED: usize = 16;

    /// A packet came, or was recovered: extended number and time.
    pub(crate) fn note(&mut self, seq: u64, timestamp: u64) {
        if !self.has(seq) {
            self.seen[self.next] = Some((seq, timestamp));
            self.next = (self.next + 1) % Self::REMEMBERED;
        }
    }

    /// Whether that packet is among those remembered.
    pub(crate) fn has(&self, seq: u64) -> bool {
        self.seen.iter().flatten().any(|(known, _)| *known == seq)
    }

    /// The number of the missing packet of that time. Nothing if it is known, or if the packets
    /// around it leave a doubt: sound in the wrong place is worse than a gap.
    pub(crate) fn missing(&self, timestamp: u64) -> Option<u64> {
        let known = || self.seen.iter().flatten().copied();
        let before = known().filter(|(_, time)| *time <= timestamp).max()?;
        let after = known().filter(|(_, time)| *time > timestamp).min()?;
        let steps = after.0.checked_sub(before.0).filter(|steps| *steps > 1)?;
        let (span, into) = (after.1 - before.1, timestamp - before.1);
        // Packets of one length: the time between the two known ones is a whole number of them.
        let step = span / steps;
        let fits = into > 0 && span.is_multiple_of(steps) && into.is_multiple_of(step);
        fits.then(|| before.0 + into / step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use str0m::rtp::{RedDecoder, RedEncoder, RedundantBlock};

    fn packet(offsets: &[u32]) -> Vec<u8> {
        let redundant: Vec<RedundantBlock> = offsets
            .iter()
            .map(|offset| RedundantBlock {
                pt: 111,
                timestamp_offset: *offset,
                payload: offset.to_be_bytes().to_vec(),
            })
            .collect();
        RedEncoder::encode(111, b"primary", &redundant)
    }

    #[test]
    fn a_packet_gives_its_blocks_in_order() {
        let bytes = packet(&[1_920, 960]);
        let red = Red::parse(&bytes).expect("well formed");
        assert_eq!(red.primary().payload, b"primary");
        assert_eq!(red.primary().payload_type, 111);
        let offsets: Vec<(u16, &[u8])> = red
            .redundant()
            .map(|block| (block.timestamp_offset, block.payload))
            .collect();
        assert_eq!(
            offsets,
            [
                (1_920, 1_920_u32.to_be_bytes().as_slice()),
                (960, 960_u32.to_be_bytes().as_slice())
            ]
        );
        assert!(Red::parse(&bytes[..8]).is_none(), "cut in its headers");
        assert!(Red::parse(&bytes[..12]).is_none(), "cut in its blocks");
        assert!(Red::parse(&[]).is_none());
    }

    #[test]
    fn a_missing_packet_is_found_by_its_time() {
        let mut recovery = Recovery::default();
        recovery.note(10, 9_600);
        recovery.note(13, 12_480);
        assert_eq!(recovery.missing(11_520), Some(12));
        assert_eq!(recovery.missing(10_560), Some(11));
        assert_eq!(recovery.missing(9_600), None, "it came");
        assert_eq!(recovery.missing(11_000), None, "between two packets");
        assert_eq!(recovery.missing(8_640), None, "before everything known");
        recovery.note(12, 11_520);
        assert_eq!(recovery.missing(11_520), None, "recovered already");
        assert_eq!(recovery.missing(10_560), Some(11));
    }

    #[test]
    fn silence_that_was_not_sent_is_no_loss() {
        let mut recovery = Recovery::default();
        recovery.note(10, 9_600);
        recovery.note(11, 96_000);
        assert_eq!(recovery.missing(95_040), None);
    }

    proptest! {
        #[test]
        fn the_stack_s_own_decoder_sees_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let ours: Option<Vec<(u8, u32, &[u8])>> = Red::parse(&bytes).map(|red| {
                red.redundant()
                    .chain([red.primary()])
                    .map(|block| (block.payload_type, u32::from(block.timestamp_offset), block.payload))
                    .collect()
            });
            let theirs: Option<Vec<(u8, u32, &[u8])>> = RedDecoder::decode(&bytes).ok().map(|blocks| {
                blocks.iter().map(|block| (block.pt, block.timestamp_offset, block.payload)).collect()
            });
            prop_assert_eq!(ours, theirs);
        }
    }
}
