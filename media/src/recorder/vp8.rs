//! VP8 in RTP payloads (RFC 7741) and what its frames tell of themselves (RFC 6386).

use super::muxer::Content;
use crate::vp8::Descriptor;

/// `webmmux` refuses pictures below it.
const MIN_SIDE: u16 = 16;
/// The frame tag (RFC 6386, section 9.1).
const TAG: usize = 3;
/// Tag, start code and size, with which a key frame begins.
const KEY_HEAD: usize = 10;
/// Each partition of coefficients but the last one has its length before them all (section 9.5).
const PARTITION_LENGTH: usize = 3;

/// Whether a frame begins with this payload.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.starts_frame)
}

/// What the payload holds of a frame; nothing if it is malformed.
pub(super) fn frame_bytes(payload: &[u8]) -> Option<&[u8]> {
    payload.get(Descriptor::parse(payload)?.bytes..)
}

/// Reads the frame tag and, on key frames, the start code and the size (RFC 6386, section 9.1):
/// what a file is to know that begins with the frame, and whether it is shown. Nothing if it is
/// no VP8, or a frame that no decoder takes.
pub(super) fn content(frame: &[u8]) -> Option<(Option<Content>, bool)> {
    let tag = u32::from_le_bytes([*frame.first()?, *frame.get(1)?, *frame.get(2)?, 0]);
    let (is_key, shown) = (tag & 1 == 0, tag & 0x10 != 0);
    let partitions = frame.get(if is_key { KEY_HEAD } else { TAG }..)?;
    if !has_its_partitions(partitions, (tag >> 5) as usize, is_key) {
        return None;
    }
    if !is_key {
        return Some((None, shown));
    }
    let head = frame.first_chunk::<KEY_HEAD>()?;
    if head[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let width = u16::from_le_bytes([head[6], head[7]]) & 0x3fff;
    let height = u16::from_le_bytes([head[8], head[9]]) & 0x3fff;
    if width < MIN_SIDE || height < MIN_SIDE {
        return None;
    }
    Some((Some(Content::Vp8 { width, height }), shown))
}

/// Whether a frame is as long as the lengths in it say, of which the first one stands in its tag.
///
/// Beyond that decoders refuse only what ends too early, which nobody knows without decoding it:
/// whatever else the bytes are, they make a picture of them. So each frame can be looked at.
fn has_its_partitions(partitions: &[u8], first: usize, is_key: bool) -> bool {
    let Some((first, others)) = partitions.split_at_checked(first) else {
        return false;
    };
    let lengths = PARTITION_LENGTH * (coefficient_partitions(first, is_key) - 1);
    let Some((lengths, coefficients)) = others.split_at_checked(lengths) else {
        return false;
    };
    let (lengths, _) = lengths.as_chunks::<PARTITION_LENGTH>();
    let lengths = lengths
        .iter()
        .map(|&[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]) as usize);
    lengths.sum::<usize>() <= coefficients.len()
}

/// How many partitions the coefficients of a frame are in: the header up to this number (RFC 6386,
/// section 19.2), of which nothing else is wanted here.
fn coefficient_partitions(first_partition: &[u8], is_key: bool) -> usize {
    let mut header = BoolDecoder::new(first_partition);
    if is_key {
        header.skip(2); // color_space, clamping_type
    }
    if header.flag() {
        // segmentation_enabled
        let (update_map, update_data) = (header.flag(), header.flag());
        if update_data {
            header.skip(1); // segment_feature_mode
            header.skip_optional(4, 7 + 1); // quantizer_update_value and sign
            header.skip_optional(4, 6 + 1); // lf_update_value and sign
        }
        if update_map {
            header.skip_optional(3, 8); // segment_prob
        }
    }
    header.skip(1 + 6 + 3); // filter_type, loop_filter_level, sharpness_level
    // loop_filter_adj_enable, mode_ref_lf_delta_update
    if header.flag() && header.flag() {
        header.skip_optional(4 + 4, 6 + 1); // delta_magnitude and sign
    }
    1 << header.literal(2) // log2_nbr_of_dct_partitions
}

/// Reads bits that are as often 0 as 1 from what a boolean entropy encoder wrote (RFC 6386,
/// section 7.3). Behind the end there are zeros.
struct BoolDecoder<'a> {
    rest: &'a [u8],
    /// Two bytes of the input, shifted.
    value: u32,
    /// From 128 to 255.
    range: u32,
    /// How many of the bits of `value` are used up, from 0 to 7.
    shifted: u32,
}

impl<'a> BoolDecoder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self {
            rest: bytes,
            value: 0,
            range: 255,
            shifted: 0,
        };
        decoder.value = decoder.byte() << 8;
        decoder.value |= decoder.byte();
        decoder
    }

    fn byte(&mut self) -> u32 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        u32::from(first)
    }

    fn flag(&mut self) -> bool {
        // Of probability 128 of 256.
        let split = 1 + (self.range - 1) * 128 / 256;
        let is_set = self.value >= split << 8;
        if is_set {
            self.range -= split;
            self.value -= split << 8;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.value <<= 1;
            self.range <<= 1;
            self.shifted += 1;
            if self.shifted == 8 {
                self.shifted = 0;
                self.value |= self.byte();
            }
        }
        is_set
    }

    fn literal(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |value, _| value << 1 | u32::from(self.flag()))
    }

    fn skip(&mut self, bits: u32) {
        self.literal(bits);
    }

    /// So many values of `bits`, each behind a flag that says whether it is there.
    fn skip_optional(&mut self, values: u32, bits: u32) {
        for _ in 0..values {
            if self.flag() {
                self.skip(bits);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::driven::Driven;
    use gstreamer as gst;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Frames of libvpx, whose coefficients are in that many partitions.
    fn frames(partitions: usize) -> Vec<Vec<u8>> {
        /// Before the first frame of an IVF file, and before each.
        const FILE_HEAD: usize = 32;
        const FRAME_HEAD: usize = 12;
        let encoded = std::process::Command::new("ffmpeg")
            .args("-v error -f lavfi -i testsrc2=size=640x480:rate=30 -frames:v 20".split(' '))
            .args("-c:v libvpx -deadline realtime -cpu-used 4 -g 10 -slices".split(' '))
            .arg(partitions.to_string())
            .args("-f ivf -".split(' '))
            .output()
            .expect("ffmpeg");
        let mut rest = encoded.stdout.get(FILE_HEAD..).expect("a file");
        std::iter::from_fn(|| {
            let (head, after) = rest.split_first_chunk::<FRAME_HEAD>()?;
            let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
            let (frame, after) = after.split_at_checked(length)?;
            rest = after;
            Some(frame.to_vec())
        })
        .collect()
    }

    /// Whether libvpx makes a picture of the last one.
    fn decodes(frames: &[&[u8]]) -> bool {
        let decoder = gst::ElementFactory::make("vp8dec").build().expect("libvpx");
        let pictures = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&pictures);
        let caps = gst::Caps::builder("video/x-vp8").build();
        let decoder = Driven::new(decoder, "sink", &caps, move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        })
        .expect("it starts");
        for frame in frames {
            let _ = decoder.push(gst::Buffer::from_slice(frame.to_vec()));
        }
        decoder.finish();
        pictures.load(Ordering::Relaxed) == frames.len()
    }

    #[test]
    fn what_is_refused_no_decoder_takes_and_what_is_whole_is_taken() {
        gst::init().expect("GStreamer");
        for partitions in [1, 2, 4, 8] {
            let frames = frames(partitions);
            assert_eq!(frames.len(), 20);
            let mut refused = 0;
            for (number, frame) in frames.iter().enumerate() {
                assert!(content(frame).is_some(), "{partitions} {number}");
                let is_key = frame[0] & 1 == 0;
                assert_eq!(is_key, number % 10 == 0);
                let header = &frame[if is_key { KEY_HEAD } else { TAG }..];
                assert_eq!(coefficient_partitions(header, is_key), partitions);
                let before: Vec<&[u8]> = frames[..number].iter().map(Vec::as_slice).collect();
                // Of the first pictures only: decoding up to each cut takes time.
                let cuts = if number < 3 { 1..16 } else { 0..0 };
                for cut in cuts.map(|part| &frame[..frame.len() * part / 16]) {
                    if content(cut).is_none() {
                        let length = cut.len();
                        let takes = decodes(&[before.as_slice(), &[cut]].concat());
                        assert!(!takes, "{partitions} {number} {length}");
                        refused += 1;
                    }
                }
            }
            // With more partitions more is known of where the end must be.
            assert!(refused >= 8 + 2 * partitions, "{partitions}: {refused}");
        }
    }
}
