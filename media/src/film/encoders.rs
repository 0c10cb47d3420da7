//! Pictures to H.264, sound to AAC. Both work inside the call, on the caller's thread.

use super::{FRAME_RATE, FilmError, HEIGHT, SAMPLE_RATE, SOUND_FRAME, WIDTH, refused};
use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const OPENH264ENC: (&str, &str) = ("openh264enc", "gstreamer1.0-plugins-bad");
pub(super) const VOAACENC: (&str, &str) = ("voaacenc", "gstreamer1.0-plugins-bad");

/// Whoever seeks is never farther from a key frame than this, in pictures: 2 s, so that a part
/// begins with one.
const KEY_FRAME_EVERY: u32 = 2 * FRAME_RATE as u32;
/// Most of the picture stands still.
const PICTURE_BPS: u32 = 700_000;
const SOUND_BPS: i32 = 64_000;

/// So many samples of sound are put in before they come out again (measured: the encoder's window
/// and what it looks ahead).
const SOUND_DELAY: i64 = 1_600;
/// What the encoder says first depends on what came before: so many frames are thrown away, and
/// sound begins so much earlier. So parts fit together.
const WARM_FRAMES: i64 = 4;

/// An encoder element between two pads of our own.
struct Encoder {
    element: gst::Element,
    input: gst::Pad,
    output: gst::Pad,
    encoded: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Encoder {
    fn new(element: gst::Element, caps: &gst::Caps, wanted: gst::Caps) -> Result<Self, FilmError> {
        let encoded = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&encoded);
        let output = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
                collected.push(bytes.to_vec());
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .query_function(move |pad, parent, query| match query.view_mut() {
                // What the encoder may make.
                gst::QueryViewMut::Caps(caps) => {
                    caps.set_result(&wanted);
                    true
                }
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let encoder = Self {
            element,
            input,
            output,
            encoded,
        };
        encoder.start(caps)?;
        Ok(encoder)
    }

    fn start(&self, caps: &gst::Caps) -> Result<(), FilmError> {
        let pad = |name| {
            let pad = self.element.static_pad(name);
            pad.ok_or_else(|| refused("an encoder has no pads"))
        };
        self.input.link(&pad("sink")?).map_err(refused)?;
        pad("src")?.link(&self.output).map_err(refused)?;
        self.output.set_active(true).map_err(refused)?;
        self.input.set_active(true).map_err(refused)?;
        self.element
            .set_state(gst::State::Playing)
            .map_err(refused)?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let accepted = self.input.push_event(gst::event::StreamStart::new("film"))
            && self.input.push_event(gst::event::Caps::new(caps))
            && self.input.push_event(gst::event::Segment::new(&segment));
        match accepted {
            true => Ok(()),
            false => Err(refused(format!("an encoder does not accept {caps}"))),
        }
    }

    fn push(&self, buffer: gst::Buffer) -> Result<(), FilmError> {
        self.input.push(buffer).map(|_| ()).map_err(refused)
    }

    fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.encoded.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // The way back to Null cannot fail, and there is nobody left to tell.
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

/// One picture, as MP4 keeps it.
pub(super) struct EncodedPicture {
    pub(super) data: Vec<u8>,
    pub(super) key: bool,
}

/// Pictures, from one on.
pub(super) struct PictureEncoder {
    encoder: Encoder,
    next: u64,
    /// Sequence and picture parameter set.
    parameters: (Vec<u8>, Vec<u8>),
}

impl PictureEncoder {
    pub(super) fn new() -> Result<Self, FilmError> {
        let element = gst::ElementFactory::make(OPENH264ENC.0)
            .property("bitrate", PICTURE_BPS)
            .property("gop-size", KEY_FRAME_EVERY)
            .property("multi-thread", 1_u32)
            .property("scene-change-detection", false)
            .property_from_str("rate-control", "bitrate")
            .property_from_str("complexity", "low")
            .build()
            .map_err(refused)?;
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", WIDTH as i32)
            .field("height", HEIGHT as i32)
            .field("framerate", gst::Fraction::new(FRAME_RATE as i32, 1))
            .build();
        let wanted = gst::Caps::builder("video/x-h264")
            .field("stream-format", "byte-stream")
            .field("alignment", "au")
            .field("profile", "constrained-baseline")
            .build();
        Ok(Self {
            encoder: Encoder::new(element, &caps, wanted)?,
            next: 0,
            parameters: Default::default(),
        })
    }

    /// Encodes the next picture.
    pub(super) fn push(&mut self, mut picture: gst::Buffer) -> Result<EncodedPicture, FilmError> {
        let at = |number: u64| gst::ClockTime::from_nseconds(number * 1_000_000_000 / FRAME_RATE);
        let buffer = picture.make_mut();
        buffer.set_pts(at(self.next));
        buffer.set_duration(at(self.next + 1) - at(self.next));
        self.next += 1;
        self.encoder.push(picture)?;
        let stream = self.encoder.take().concat();
        if stream.is_empty() {
            return Err(refused("a picture was not encoded"));
        }
        let mut encoded = EncodedPicture {
            data: Vec::with_capacity(stream.len()),
            key: false,
        };
        for unit in units(&stream) {
            // NAL unit types (ITU-T H.264, table 7-1).
            match unit.first().map_or(0, |octet| octet & 0x1f) {
                7 => self.parameters.0 = unit.to_vec(),
                8 => self.parameters.1 = unit.to_vec(),
                kind => {
                    encoded.key |= kind == 5;
                    encoded.data.extend((unit.len() as u32).to_be_bytes());
                    encoded.data.extend(unit);
                }
            }
        }
        Ok(encoded)
    }

    pub(super) fn parameters(&self) -> &(Vec<u8>, Vec<u8>) {
        &self.parameters
    }
}

/// The NAL units of a byte stream (ITU-T H.264, annex B).
fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    const START: [u8; 3] = [0, 0, 1];
    let starts = stream.windows(START.len()).enumerate();
    let starts: Vec<usize> = starts
        .filter_map(|(at, three)| (three == START).then_some(at + START.len()))
        .collect();
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .map(|next| next - START.len())
        .chain([stream.len()])
        .collect();
    starts.into_iter().zip(ends).map(|(from, to)| {
        let unit = stream.get(from..to).unwrap_or_default();
        // A unit ends in a one-bit: noughts behind it belong to the next start code.
        let trailing = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - trailing]
    })
}

/// Sound from a sample of the film on.
pub(super) struct SoundEncoder {
    encoder: Encoder,
    /// Which sample of the film is wanted next; negative ones are before it.
    next: i64,
    to_drop: usize,
}

impl SoundEncoder {
    /// Frames are to begin with this sample of the film, a whole number of frames.
    pub(super) fn new(first: u64) -> Result<Self, FilmError> {
        let element = gst::ElementFactory::make(VOAACENC.0)
            .property("bitrate", SOUND_BPS)
            .build()
            .map_err(refused)?;
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", SAMPLE_RATE as i32)
            .field("channels", 1)
            .build();
        let wanted = gst::Caps::builder("audio/mpeg")
            .field("mpegversion", 4)
            .field("stream-format", "raw")
            .build();
        Ok(Self {
            encoder: Encoder::new(element, &caps, wanted)?,
            next: first as i64 - WARM_FRAMES * SOUND_FRAME as i64 + SOUND_DELAY,
            to_drop: WARM_FRAMES as usize,
        })
    }

    /// Which sample of the film [`Self::push`] wants to begin with.
    pub(super) fn wants(&self) -> i64 {
        self.next
    }

    /// Takes the next samples, and gives the frames that they end.
    pub(super) fn push(&mut self, samples: &[i16]) -> Result<Vec<Vec<u8>>, FilmError> {
        let bytes: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        self.next += samples.len() as i64;
        self.encoder.push(gst::Buffer::from_mut_slice(bytes))?;
        let mut frames = self.encoder.take();
        let dropped = self.to_drop.min(frames.len());
        self.to_drop -= dropped;
        frames.drain(..dropped);
        Ok(frames)
    }
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn units_end_where_the_next_one_begins() {
        let stream = [
            0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 0, 4,
        ];
        let found: Vec<_> = units(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 4]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
    }
}
