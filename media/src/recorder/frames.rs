//! Whole pictures from RTP payloads. Strangers' bytes are taken apart here, in Rust; the muxer
//! sees whole pictures only.

use super::muxer::Content;
use super::{h264::AccessUnit, vp8};
use crate::Codec;

/// Frames above it are dropped: a key frame of 1080p at best quality stays below 1 MiB.
const MAX_FRAME_BYTES: usize = 4 << 20;

/// A whole frame as the encoder made it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// As a file keeps it.
    pub(super) data: Vec<u8>,
    pub(super) rtp_time: u64,
    /// What a file is to know that begins with it, on key frames.
    pub(super) key: Option<Content>,
    /// False for a frame that only serves others as reference.
    pub(super) shown: bool,
}

/// Collects packets in order into frames; after a loss it lets nothing through until a
/// key frame, so that no frame refers to one that the file lacks.
#[derive(Debug)]
pub(super) struct FrameAssembler {
    codec: PictureCodec,
    partial: Option<Partial>,
    waits_for_key: bool,
    /// The packets of the next frame may not be all that there were.
    torn: bool,
    malformed: bool,
}

#[derive(Debug, Clone, Copy)]
enum PictureCodec {
    Vp8,
    H264,
}

#[derive(Debug)]
struct Partial {
    picture: Picture,
    rtp_time: u64,
}

#[derive(Debug)]
enum Picture {
    Vp8(Vec<u8>),
    H264(AccessUnit),
}

impl FrameAssembler {
    /// Nothing for sound.
    pub(super) fn new(codec: Codec) -> Option<Self> {
        let codec = match codec {
            Codec::Opus => return None,
            Codec::Vp8 => PictureCodec::Vp8,
            Codec::H264 => PictureCodec::H264,
        };
        Some(Self {
            codec,
            partial: None,
            waits_for_key: true,
            torn: false,
            malformed: false,
        })
    }

    /// Whether nothing can be written until the sender gives a key frame.
    pub(super) fn waits_for_key(&self) -> bool {
        self.waits_for_key
    }

    /// Whether something came, since this was asked, that is no picture though nothing of it is
    /// missing.
    pub(super) fn take_malformed(&mut self) -> bool {
        std::mem::take(&mut self.malformed)
    }

    /// Packets are missing before the next one.
    pub(super) fn lost(&mut self) {
        self.torn = true;
        self.give_up();
    }

    fn give_up(&mut self) {
        self.partial = None;
        self.waits_for_key = true;
    }

    /// Takes the next packet; gives a frame when it completes one.
    pub(super) fn push(&mut self, payload: &[u8], rtp_time: u64, marker: bool) -> Option<Frame> {
        let is_malformed = !self.torn;
        // What comes next begins a frame.
        self.torn &= !marker;
        let begun = match self.codec {
            PictureCodec::Vp8 => vp8::starts_frame(payload).then(|| Picture::Vp8(Vec::new())),
            // Nothing marks the first packet of an access unit but its time.
            PictureCodec::H264 => self
                .partial
                .as_ref()
                .is_none_or(|partial| partial.rtp_time != rtp_time)
                .then(|| Picture::H264(AccessUnit::default())),
        };
        if let Some(picture) = begun {
            if self.partial.is_some() {
                // The last frame never got its marker: it is not whole.
                self.give_up();
            }
            self.partial = Some(Partial { picture, rtp_time });
        }
        let Some(partial) = &mut self.partial else {
            // The rest of a frame whose beginning was lost or refused.
            self.waits_for_key = true;
            return None;
        };
        if partial.rtp_time != rtp_time {
            self.give_up();
            return None;
        }
        if !partial.picture.append(payload) || partial.picture.bytes() > MAX_FRAME_BYTES {
            self.malformed |= is_malformed;
            self.give_up();
            return None;
        }
        if !marker {
            return None;
        }
        let Some(frame) = self.partial.take().and_then(Partial::into_frame) else {
            self.malformed |= is_malformed;
            self.give_up();
            return None;
        };
        if frame.key.is_some() {
            self.waits_for_key = false;
        }
        (!self.waits_for_key).then_some(frame)
    }
}

impl Partial {
    fn into_frame(self) -> Option<Frame> {
        let (key, shown) = match &self.picture {
            Picture::Vp8(data) => vp8::content(data)?,
            Picture::H264(unit) => (unit.content()?, true),
        };
        Some(Frame {
            data: match self.picture {
                Picture::Vp8(data) => data,
                Picture::H264(unit) => unit.into_data(),
            },
            rtp_time: self.rtp_time,
            key,
            shown,
        })
    }
}

impl Picture {
    /// Takes what the payload holds of the picture. False: it does not fit together.
    fn append(&mut self, payload: &[u8]) -> bool {
        match self {
            Self::Vp8(data) => match vp8::frame_bytes(payload) {
                Some(bytes) => {
                    data.extend_from_slice(bytes);
                    true
                }
                None => false,
            },
            Self::H264(unit) => unit.append(payload),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Vp8(data) => data.len(),
            Self::H264(unit) => unit.bytes(),
        }
    }
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
        let mut assembler = FrameAssembler::new(Codec::Vp8).expect("a picture");
        assert_eq!(assembler.push(&packet(true, &KEY[..6]), 9, false), None);
        let frame = assembler
            .push(&packet(false, &KEY[6..]), 9, true)
            .expect("complete");
        assert_eq!(frame.data, KEY);
        let (width, height) = (320, 240);
        assert_eq!(frame.key, Some(Content::Vp8 { width, height }));
        assert!(frame.shown);
    }

    #[test]
    fn after_a_loss_nothing_passes_until_a_key_frame() {
        let mut assembler = FrameAssembler::new(Codec::Vp8).expect("a picture");
        assert_eq!(assembler.push(&packet(true, &DELTA), 0, true), None);
        assert!(assembler.push(&packet(true, &KEY), 1, true).is_some());
        assert!(assembler.push(&packet(true, &DELTA), 2, true).is_some());
        assembler.lost();
        assert!(assembler.waits_for_key());
        assert_eq!(assembler.push(&packet(true, &DELTA), 3, true), None);
        assert!(assembler.push(&packet(true, &KEY), 4, true).is_some());
        assert!(!assembler.waits_for_key());
    }

    #[test]
    fn what_is_whole_and_no_picture_is_told_and_a_loss_is_not() {
        let mut assembler = FrameAssembler::new(Codec::Vp8).expect("a picture");
        assert!(assembler.push(&packet(true, &KEY), 1, true).is_some());
        assembler.lost();
        assert_eq!(assembler.push(&packet(false, &DELTA), 2, true), None);
        assert!(!assembler.take_malformed());
        // Its first partition has 8 bytes, of which one is there.
        for (time, frame) in [[0x11, 0x01, 0, 7].as_slice(), &KEY[..9]]
            .iter()
            .enumerate()
        {
            assert!(assembler.push(&packet(true, &KEY), 3, true).is_some());
            let time = 4 + time as u64;
            assert_eq!(assembler.push(&packet(true, frame), time, true), None);
            assert!(assembler.take_malformed() && assembler.waits_for_key());
            assert!(!assembler.take_malformed(), "once");
        }
    }

    /// The packets of a frame in so many parts: a VP8 or an H.264 key frame.
    fn frame_in(parts: usize, codec: Codec) -> Vec<Vec<u8>> {
        let part = |index: usize| match codec {
            Codec::Vp8 if index == 0 => packet(true, &KEY),
            Codec::Vp8 => packet(false, &[7]),
            _ => {
                let starts = if index == 0 { 0x80 } else { 0 };
                let ends = if index + 1 == parts { 0x40 } else { 0 };
                vec![0x7c, starts | ends | 5, 7]
            }
        };
        (0..parts).map(part).collect()
    }

    proptest! {
        #[test]
        fn whatever_is_lost_the_rest_is_not_malformed(
            frames in prop::collection::vec(prop::collection::vec(any::<bool>(), 2..5), 1..20),
            is_h264 in any::<bool>(),
        ) {
            let codec = if is_h264 { Codec::H264 } else { Codec::Vp8 };
            let mut assembler = FrameAssembler::new(codec).expect("a picture");
            for (time, arrives) in frames.iter().enumerate() {
                let parts = frame_in(arrives.len(), codec);
                for (index, (payload, arrives)) in parts.iter().zip(arrives).enumerate() {
                    if *arrives {
                        assembler.push(payload, time as u64, index + 1 == parts.len());
                    } else {
                        assembler.lost();
                    }
                    prop_assert!(!assembler.take_malformed(), "{time} {index}");
                }
            }
        }

        #[test]
        fn no_bytes_from_a_peer_make_it_panic(
            packets in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..40), 0u64..3, any::<bool>()), 0..60),
        ) {
            for codec in [Codec::Vp8, Codec::H264] {
                let mut assembler = FrameAssembler::new(codec).expect("a picture");
                for (payload, time, marker) in &packets {
                    if let Some(frame) = assembler.push(payload, *time, *marker) {
                        prop_assert!(frame.data.len() >= 3);
                    }
                }
            }
        }
    }
}
