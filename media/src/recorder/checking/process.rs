//! The checking process: nothing but GStreamer's decoders behind a socket.

use super::messages::{Answer, Sample, SampleCodec};
use super::{H264, OPUS, VP8};
use crate::recorder::blocks::blocks;
use crate::recorder::driven::{Driven, ElementError, refused};
use crate::recorder::{h264, opus, program, wire};
use gstreamer as gst;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

/// Answers about the samples that the server sends, until it closes the socket.
///
/// # Errors
/// The server is gone, or says what no server says.
pub(in crate::recorder) fn serve(socket: UnixStream) -> io::Result<()> {
    program::answer(socket, |bytes, output| {
        let Some((sample, length)) = wire::read::<Sample<'_>>(bytes)? else {
            return Ok(None);
        };
        let answer = check(&sample).unwrap_or_else(|error| Answer::Unable(error.to_string()));
        wire::write(&answer, output)?;
        Ok(Some(length))
    })
}

fn check(sample: &Sample<'_>) -> Result<Answer, ElementError> {
    match sample.codec {
        SampleCodec::Opus => Ok(Answer::Heard {
            peak: peak(sample.chunk)?,
        }),
        SampleCodec::Vp8 => look(sample.chunk, vp8_decodes),
        SampleCodec::H264 => look(sample.chunk, h264_decodes),
    }
}

/// Looks at the last picture of a chunk that stands by itself.
fn look(
    chunk: &[u8],
    decodes: impl FnOnce(&[u8]) -> Result<bool, ElementError>,
) -> Result<Answer, ElementError> {
    match blocks(chunk).filter(|block| block.key).last() {
        Some(picture) => Ok(Answer::Seen {
            decoded: decodes(picture.data)?,
        }),
        None => Ok(Answer::Unable("no picture stands by itself".to_owned())),
    }
}

/// The loudest sample of a chunk of Opus packets, from 0 to 1.
fn peak(chunk: &[u8]) -> Result<f32, ElementError> {
    let (factory, _) = OPUS;
    let decoder = gst::ElementFactory::make(factory)
        // A damaged packet is a gap, never the end.
        .property("max-errors", -1_i32)
        .build()
        .map_err(refused("cannot be made"))?;
    let caps = gst::Caps::builder("audio/x-opus")
        .field("channel-mapping-family", 0i32)
        .field("channels", 2i32)
        .field("rate", 48_000i32)
        .build();
    let loudest = Arc::new(AtomicU16::new(0));
    let heard = Arc::clone(&loudest);
    let decoder = Driven::new(decoder, "sink", &caps, move |bytes| {
        let samples = bytes
            .as_chunks()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair));
        let peak = samples.map(i16::unsigned_abs).max().unwrap_or_default();
        heard.fetch_max(peak, Ordering::Relaxed);
    })?;
    let mut at = Duration::ZERO;
    for packet in blocks(chunk) {
        let Some(length) = opus::packet_duration(packet.data) else {
            continue;
        };
        decoder.push(buffer(packet.data.to_vec(), at))?;
        at += length;
    }
    decoder.finish();
    let peak = loudest.load(Ordering::Relaxed);
    Ok(f32::from(peak) / f32::from(i16::MIN.unsigned_abs()))
}

fn vp8_decodes(picture: &[u8]) -> Result<bool, ElementError> {
    let (factory, _) = VP8;
    let decoder = gst::ElementFactory::make(factory)
        // The sandbox lets it have no other.
        .property("threads", 1_u32)
        .build()
        .map_err(refused("cannot be made"))?;
    let caps = gst::Caps::builder("video/x-vp8").build();
    gives_a_picture(decoder, &caps, picture.to_vec())
}

fn h264_decodes(picture: &[u8]) -> Result<bool, ElementError> {
    let (factory, _) = H264;
    let decoder = gst::ElementFactory::make(factory)
        .build()
        .map_err(refused("cannot be made"))?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "byte-stream")
        .field("alignment", "au")
        .field("profile", "constrained-baseline")
        // It asks for them, and goes by the parameter sets.
        .field("width", 16)
        .field("height", 16)
        .field("framerate", gst::Fraction::new(0, 1))
        .build();
    gives_a_picture(decoder, &caps, h264::byte_stream(picture))
}

fn gives_a_picture(
    decoder: gst::Element,
    caps: &gst::Caps,
    data: Vec<u8>,
) -> Result<bool, ElementError> {
    let pictures = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&pictures);
    let decoder = Driven::new(decoder, "sink", caps, move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    })?;
    // What it refuses does not decode.
    let taken = decoder.push(buffer(data, Duration::ZERO)).is_ok();
    decoder.finish();
    Ok(taken && pictures.load(Ordering::Relaxed) > 0)
}

fn buffer(data: Vec<u8>, at: Duration) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(data);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(at.as_nanos() as u64));
    }
    buffer
}
