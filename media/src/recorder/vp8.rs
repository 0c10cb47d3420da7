//! VP8 frames from RTP payloads (RFC 7741). Strangers' bytes are taken apart here, in
//! Rust; the muxer sees whole frames only.

/// Frames above it are dropped: a key frame of 1080p at best quality stays below 1 MiB.
const MAX_FRAME_BYTES: usize = 4 << 20;

/// `webmmux` refuses pictures below it.
const MIN_SIDE: u16 = 16;

/// A whole frame as the encoder made it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) data: Vec<u8>,
    pub(super) rtp_time: u64,
    /// Width and height in pixels, on key frames.
    pub(super) key_size: Option<(u16, u16)>,
    /// False for a frame that only serves others as reference.
    pub(super) shown: bool,
}

/// Collects packets in order into frames; after a loss it lets nothing through until a
/// key frame, so that no frame refers to one that the file lacks.
#[derive(Debug)]
pub(super) struct FrameAssembler {
    partial: Option<Partial>,
    waits_for_key: bool,
}

#[derive(Debug)]
struct Partial {
    data: Vec<u8>,
    rtp_time: u64,
}

impl FrameAssembler {
    pub(super) fn new() -> Self {
        Self {
            partial: None,
            waits_for_key: true,
        }
    }

    /// Whether nothing can be written until the sender gives a key frame.
    pub(super) fn waits_for_key(&self) -> bool {
        self.waits_for_key
    }

    /// Packets are missing before the next one.
    pub(super) fn lost(&mut self) {
        self.partial = None;
        self.waits_for_key = true;
    }

    /// Takes the next packet; gives a frame when it completes one.
    pub(super) fn push(&mut self, payload: &[u8], rtp_time: u64, marker: bool) -> Option<Frame> {
        let Some((starts_frame, data)) = parse_descriptor(payload) else {
            self.lost();
            return None;
        };
        if starts_frame {
            if self.partial.is_some() {
                // The last frame never got its marker: it is not whole.
                self.lost();
            }
            self.partial = Some(Partial {
                data: Vec::with_capacity(data.len()),
                rtp_time,
            });
        }
        let Some(partial) = &mut self.partial else {
            // The rest of a frame whose beginning was lost or refused.
            self.waits_for_key = true;
            return None;
        };
        if partial.rtp_time != rtp_time || partial.data.len() + data.len() > MAX_FRAME_BYTES {
            self.lost();
            return None;
        }
        partial.data.extend_from_slice(data);
        if !marker {
            return None;
        }
        let frame = self.partial.take().and_then(Partial::into_frame);
        match &frame {
            Some(frame) if frame.key_size.is_some() => self.waits_for_key = false,
            Some(_) if !self.waits_for_key => {}
            _ => {
                self.waits_for_key = true;
                return None;
            }
        }
        frame
    }
}

impl Partial {
    /// Reads the frame tag and, on key frames, the start code and the size (RFC 6386,
    /// section 9.1).
    fn into_frame(self) -> Option<Frame> {
        let [tag, ..] = *self.data.first_chunk::<3>()?;
        let key_size = if tag & 1 == 0 {
            let head = self.data.first_chunk::<10>()?;
            if head[3..6] != [0x9d, 0x01, 0x2a] {
                return None;
            }
            let width = u16::from_le_bytes([head[6], head[7]]) & 0x3fff;
            let height = u16::from_le_bytes([head[8], head[9]]) & 0x3fff;
            if width < MIN_SIDE || height < MIN_SIDE {
                return None;
            }
            Some((width, height))
        } else {
            None
        };
        Some(Frame {
            shown: tag & 0x10 != 0,
            data: self.data,
            rtp_time: self.rtp_time,
            key_size,
        })
    }
}

/// Splits off the payload descriptor (RFC 7741, section 4.2): whether a frame starts here,
/// and the frame's bytes.
fn parse_descriptor(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    (!rest.is_empty()).then_some((starts_frame, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00];
    const DELTA: [u8; 4] = [0x11, 0, 0, 7];

    fn packet(start: bool, data: &[u8]) -> Vec<u8> {
        // X, I with a 15-bit picture id, L, T: what Chrome sends.
        let mut payload = vec![if start { 0x90 } else { 0x80 }, 0xe0, 0x81, 0x23, 5, 0x40];
        payload.extend_from_slice(data);
        payload
    }

    #[test]
    fn a_key_frame_in_two_packets_becomes_one_frame_with_its_size() {
        let mut assembler = FrameAssembler::new();
        assert_eq!(assembler.push(&packet(true, &KEY[..6]), 9, false), None);
        let frame = assembler
            .push(&packet(false, &KEY[6..]), 9, true)
            .expect("complete");
        assert_eq!(frame.data, KEY);
        assert_eq!(frame.key_size, Some((320, 240)));
        assert!(frame.shown);
    }

    #[test]
    fn after_a_loss_nothing_passes_until_a_key_frame() {
        let mut assembler = FrameAssembler::new();
        assert_eq!(assembler.push(&packet(true, &DELTA), 0, true), None);
        assert!(assembler.push(&packet(true, &KEY), 1, true).is_some());
        assert!(assembler.push(&packet(true, &DELTA), 2, true).is_some());
        assembler.lost();
        assert!(assembler.waits_for_key());
        assert_eq!(assembler.push(&packet(true, &DELTA), 3, true), None);
        assert!(assembler.push(&packet(true, &KEY), 4, true).is_some());
        assert!(!assembler.waits_for_key());
    }

    proptest! {
        #[test]
        fn no_bytes_from_a_peer_make_it_panic(
            packets in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..40), 0u64..3, any::<bool>()), 0..60),
        ) {
            let mut assembler = FrameAssembler::new();
            for (payload, time, marker) in packets {
                if let Some(frame) = assembler.push(&payload, time, marker) {
                    prop_assert!(frame.data.len() >= 3);
                }
            }
        }
    }
}
