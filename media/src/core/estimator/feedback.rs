//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

/// A tick of the deltas, in microseconds.
const DELTA_US: i64 = 250;
/// A tick of the reference time, in microseconds.
const REFERENCE_US: i64 = 64_000;
/// Bits of the reference time.
const REFERENCE_BITS: u32 = 24;
/// Octets before the chunks.
const HEADER: usize = 8;

/// What feedback says of the next packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// So many packets have not arrived.
    Missing(u16),
    /// One arrived so long after the one before it (the first: after the reference time), in
    /// microseconds.
    Arrived(i64),
}

/// Feedback whose chunks and deltas are complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feedback<'a> {
    /// The low bits of the first packet's number.
    pub(super) base: u16,
    /// How many packets it tells of.
    pub(super) count: u16,
    /// Reference time in ticks of 64 ms, 24 bits.
    pub(super) reference: u32,
    /// Counts the feedback sent.
    pub(super) sequence: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads the FCI of an RTPFB packet of format 15; nothing if any of it is amiss.
    pub(super) fn parse(fci: &'a [u8]) -> Option<Self> {
        let (header, rest) = fci.split_at_checked(HEADER)?;
        let count = u16::from_be_bytes([header[2], header[3]]);
        if count == 0 {
            return None;
        }
        let mut left = count;
        let mut deltas = 0;
        let mut chunks = 0;
        while left > 0 {
            let chunk = Chunk::read(&rest[chunks..])?;
            let covered = chunk.len().min(left);
            deltas += chunk.delta_bytes(covered)?;
            left -= covered;
            chunks += 2;
        }
        let (chunks, rest) = rest.split_at(chunks);
        // What follows is the padding to whole words.
        let deltas = rest.get(..deltas)?;
        Some(Self {
            base: u16::from_be_bytes([header[0], header[1]]),
            count,
            reference: u32::from_be_bytes([0, header[4], header[5], header[6]]),
            sequence: header[7],
            chunks,
            deltas,
        })
    }

    /// How much later its reference time is than `other`, in microseconds: the shorter way round.
    pub(super) fn reference_after(&self, other: u32) -> i64 {
        const SIGN: u32 = 32 - REFERENCE_BITS;

        let ticks = (self.reference.wrapping_sub(other) << SIGN) as i32 >> SIGN;
        i64::from(ticks) * REFERENCE_US
    }

    /// What it says, in the order of the packets' numbers.
    pub(super) fn statuses(&self) -> Statuses<'a> {
        Statuses {
            left: self.count,
            chunk: Chunk::Run { symbol: 0, len: 0 },
            chunks: self.chunks,
            deltas: self.deltas,
        }
    }
}

/// A packet status chunk.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    /// A symbol for so many packets.
    Run { symbol: u16, len: u16 },
    /// Symbols of `width` bits each, the first in the uppermost ones.
    Vector { symbols: u16, width: u16, len: u16 },
}

impl Chunk {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = u16::from_be_bytes(*bytes.first_chunk()?);
        Some(match word >> 14 {
            0 | 1 => Self::Run {
                symbol: word >> 13 & 3,
                len: word & 0x1FFF,
            },
            2 => Self::Vector {
                symbols: word << 2,
                width: 1,
                len: 14,
            },
            _ => Self::Vector {
                symbols: word << 2,
                width: 2,
                len: 7,
            },
        })
    }

    fn len(self) -> u16 {
        match self {
            Self::Run { len, .. } | Self::Vector { len, .. } => len,
        }
    }

    /// Octets of the deltas of its first packets; nothing if a symbol is the reserved one.
    fn delta_bytes(self, packets: u16) -> Option<usize> {
        match self {
            Self::Run { symbol: 3, .. } => None,
            Self::Run { symbol, .. } => Some(usize::from(symbol) * usize::from(packets)),
            Self::Vector { symbols, width, .. } => {
                let told = symbols & !(u16::MAX >> (packets * width));
                if width == 1 {
                    return Some(told.count_ones() as usize);
                }
                let (large, small) = (told >> 1 & 0x5555, told & 0x5555);
                (large & small == 0)
                    .then_some((large.count_ones() * 2 + small.count_ones()) as usize)
            }
        }
    }

    /// Takes the next symbol, or all of a run of packets that have not arrived, `most` at most.
    /// The symbol is the count of its delta's octets.
    fn take(&mut self, most: u16) -> (u16, u16) {
        match self {
            Self::Run { symbol: 0, len } => {
                let packets = most.min(*len);
                *len -= packets;
                (0, packets)
            }
            Self::Run { symbol, len } => {
                *len -= 1;
                (*symbol, 1)
            }
            Self::Vector {
                symbols,
                width,
                len,
            } => {
                let symbol = *symbols >> (16 - *width);
                *symbols <<= *width;
                *len -= 1;
                (symbol, 1)
            }
        }
    }
}

/// Goes through what feedback says.
#[derive(Debug)]
pub(super) struct Statuses<'a> {
    left: u16,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl Iterator for Statuses<'_> {
    type Item = Status;

    fn next(&mut self) -> Option<Status> {
        if self.left == 0 {
            return None;
        }
        while self.chunk.len() == 0 {
            self.chunk = Chunk::read(self.chunks)?;
            self.chunks = &self.chunks[2..];
        }
        let (symbol, packets) = self.chunk.take(self.left);
        self.left -= packets;
        if symbol == 0 {
            return Some(Status::Missing(packets));
        }
        let (delta, rest) = self.deltas.split_at_checked(usize::from(symbol))?;
        self.deltas = rest;
        let ticks = match *delta {
            [small] => i64::from(small),
            [high, low] => i64::from(i16::from_be_bytes([high, low])),
            _ => return None,
        };
        Some(Status::Arrived(ticks * DELTA_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(fci: &[u8]) -> Option<Vec<Status>> {
        Feedback::parse(fci).map(|feedback| feedback.statuses().collect())
    }

    #[test]
    fn runs_and_vectors_are_read() {
        // Two small deltas as a run, then 1-bit and 2-bit vectors.
        let fci = [
            0, 5, 0, 14, 0xFF, 0xFF, 0xFE, 7, 0x20, 2, 0xA0, 0x00, 4, 8, 12,
        ];
        let feedback = Feedback::parse(&fci).expect("whole feedback");
        assert_eq!((feedback.base, feedback.count), (5, 14));
        assert_eq!((feedback.reference, feedback.sequence), (0xFF_FFFE, 7));
        let mut expected = vec![
            Status::Arrived(1_000),
            Status::Arrived(2_000),
            Status::Arrived(3_000),
        ];
        expected.extend([Status::Missing(1); 11]);
        assert_eq!(feedback.statuses().collect::<Vec<_>>(), expected);

        let fci = [0, 5, 0, 7, 0, 0, 1, 7, 0xD2, 0x00, 4, 0xFF, 0xFE];
        let mut expected = vec![
            Status::Arrived(1_000),
            Status::Missing(1),
            Status::Arrived(-500),
        ];
        expected.extend([Status::Missing(1); 4]);
        assert_eq!(said(&fci), Some(expected));
    }

    #[test]
    fn a_long_run_of_missing_packets_is_one_status() {
        let fci = [0, 0, 0x1F, 0xFF, 0, 0, 1, 0, 0x1F, 0xFF];
        assert_eq!(said(&fci), Some(vec![Status::Missing(0x1FFF)]));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = [0, 5, 0, 2, 0, 0, 1, 7, 0x20, 2, 4, 8];
        assert!(said(&whole).is_some());
        for len in 0..whole.len() {
            assert!(said(&whole[..len]).is_none(), "{len} octets");
        }
    }

    #[test]
    fn nothing_told_and_the_reserved_symbol_are_refused() {
        assert!(said(&[0, 5, 0, 0, 0, 0, 1, 7]).is_none());
        assert!(said(&[0, 5, 0, 1, 0, 0, 1, 7, 0x60, 1, 1, 1, 1]).is_none());
        assert!(said(&[0, 5, 0, 1, 0, 0, 1, 7, 0xF0, 0, 1, 1, 1]).is_none());
    }

    #[test]
    fn the_reference_time_goes_round() {
        let fci = [0, 5, 0, 1, 0, 0, 1, 7, 0, 1];
        let feedback = Feedback::parse(&fci).expect("whole feedback");
        assert_eq!(feedback.reference_after(0), 64_000);
        assert_eq!(feedback.reference_after(0xFF_FFFF), 128_000);
        assert_eq!(feedback.reference_after(3), -128_000);
    }

    proptest! {
        #[test]
        fn what_is_taken_tells_of_as_many_packets_as_it_says(
            header in any::<[u8; 8]>(),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            count in 0_u16..2_000,
        ) {
            let mut fci = header.to_vec();
            fci[2..4].copy_from_slice(&count.to_be_bytes());
            fci.extend(rest);
            if let Some(said) = said(&fci) {
                let told: u32 = said
                    .iter()
                    .map(|status| match status {
                        Status::Missing(packets) => u32::from(*packets),
                        Status::Arrived(_) => 1,
                    })
                    .sum();
                prop_assert_eq!(told, u32::from(count));
            }
        }
    }
}
