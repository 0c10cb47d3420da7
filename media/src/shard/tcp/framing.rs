//! Packets in a stream of bytes: each behind its length in two bytes (RFC 4571, section 2).

/// Bytes of the length before a packet.
pub(super) const LENGTH_BYTES: usize = 2;
/// Of a connection's buffer: one read takes in what a picture of 2 Mbit/s brings in 30 ms.
const BUFFER_BYTES: usize = 8 * 1024;

/// The peer announced a packet that nobody may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Oversized;

/// What was read of a stream and is not a whole packet yet.
#[derive(Debug)]
pub(super) struct Deframer {
    buffer: Vec<u8>,
    filled: usize,
    packet_bytes: usize,
}

impl Deframer {
    /// Takes packets of up to `packet_bytes`.
    pub(super) fn new(packet_bytes: usize) -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES.max(LENGTH_BYTES + packet_bytes)],
            filled: 0,
            packet_bytes,
        }
    }

    /// Where to read into. Never empty after [`take`](Self::take): a whole packet has room.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were read into [`room`](Self::room). Returns all whole packets that are
    /// there now, still framed, end to end.
    pub(super) fn take(&mut self, read: usize) -> Result<Vec<u8>, Oversized> {
        self.filled += read;
        let mut whole = 0;
        while let Some(length) = length_of(&self.buffer[whole..self.filled]) {
            if length > self.packet_bytes {
                return Err(Oversized);
            }
            if whole + LENGTH_BYTES + length > self.filled {
                break;
            }
            whole += LENGTH_BYTES + length;
        }
        let packets = self.buffer[..whole].to_vec();
        self.buffer.copy_within(whole..self.filled, 0);
        self.filled -= whole;
        Ok(packets)
    }
}

fn length_of(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<LENGTH_BYTES>()?;
    Some(usize::from(u16::from_be_bytes(*length)))
}

/// The packets in what [`Deframer::take`] returned. Empty ones, which mean nothing, are left out.
pub(super) fn packets(mut framed: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = length_of(framed)?;
        let packet = framed.get(LENGTH_BYTES..LENGTH_BYTES + length)?;
        framed = &framed[LENGTH_BYTES + length..];
        Some(packet)
    })
    .filter(|packet| !packet.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(packets: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for packet in packets {
            stream.extend(u16::try_from(packet.len()).expect("short").to_be_bytes());
            stream.extend(packet);
        }
        stream
    }

    /// Feeds a stream in pieces of these sizes, over and over.
    fn fed(stream: &[u8], sizes: &[usize]) -> Result<Vec<Vec<u8>>, Oversized> {
        let mut deframer = Deframer::new(1_500);
        let mut found = Vec::new();
        let mut rest = stream;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let size = (*size).min(rest.len()).min(deframer.room().len());
            deframer.room()[..size].copy_from_slice(&rest[..size]);
            rest = &rest[size..];
            let whole = deframer.take(size)?;
            found.extend(packets(&whole).map(<[u8]>::to_vec));
        }
        Ok(found)
    }

    #[test]
    fn an_empty_packet_is_nothing_and_a_huge_one_is_refused() {
        assert_eq!(fed(&[0, 0, 0, 1, 7], &[1]), Ok(vec![vec![7]]));
        assert_eq!(fed(&[0x05, 0xDD], &[2]), Err(Oversized));
        assert_eq!(fed(&[0x05, 0xDC, 1, 2], &[3]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn packets_come_out_however_the_stream_is_cut(
            sent in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1_500), 0..20),
            sizes in proptest::collection::vec(1_usize..4_000, 1..8),
        ) {
            let stream = framed(&sent);
            let expected: Vec<Vec<u8>> = sent.into_iter().filter(|packet| !packet.is_empty()).collect();
            prop_assert_eq!(fed(&stream, &sizes), Ok(expected));
        }

        #[test]
        fn no_bytes_break_it(
            stream in proptest::collection::vec(any::<u8>(), 0..4_000),
            sizes in proptest::collection::vec(1_usize..4_000, 1..8),
        ) {
            let _ = fed(&stream, &sizes);
        }
    }
}
