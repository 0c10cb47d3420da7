//! A recorded file made ready for a browser's player.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::muxer::{WEBMMUX, require_element};
use super::{RecorderError, opus};
use crate::Codec;

const FILESRC: (&str, &str) = ("filesrc", "libgstreamer1.0-0");
const FILESINK: (&str, &str) = ("filesink", "libgstreamer1.0-0");
const MATROSKADEMUX: (&str, &str) = ("matroskademux", "gstreamer1.0-plugins-good");
const MP4MUX: (&str, &str) = ("mp4mux", "gstreamer1.0-plugins-good");

/// Remuxing copies hundreds of megabytes in a second; without a single block in so long it hangs.
const STALL: Duration = Duration::from_secs(15);

/// Seek points are so far apart at least: one for each 20 ms of sound would be a tenth of
/// the file.
const CUES: Duration = Duration::from_secs(1);

/// How long the last picture of an MP4 stands: without a length players leave it out. Each of the
/// others stands until the next one.
const LAST_PICTURE: Duration = Duration::from_millis(40);

/// What is known of a seekable copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeekableInfo {
    /// End of the last block in milliseconds; its beginning in WebM where the codec does not tell
    /// how long it lasts (a picture).
    pub duration_ms: u64,
}

/// Copies the blocks of a recorded file into a new one with its duration and an index, so that
/// a browser can seek in it over HTTP ranges: WebM, or MP4 for H.264, which not all
/// browsers play out of Matroska. The recorded file may be torn at any
/// byte: what is whole is copied. Blocks until done, at disk speed; `output` appears only when it
/// is complete.
///
/// # Errors
/// [`RecorderError::MissingElement`] and [`RecorderError::GStreamer`] if this machine cannot
/// do it, [`RecorderError::Io`] for the files, [`RecorderError::Remux`] if `input` holds no
/// whole block, [`RecorderError::RemuxStalled`].
pub fn make_seekable(input: &Path, output: &Path) -> Result<SeekableInfo, RecorderError> {
    for element in [FILESRC, FILESINK, MATROSKADEMUX, WEBMMUX, MP4MUX] {
        require_element(element)?;
    }
    std::fs::File::open(input)?;
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = output.with_file_name(name);
    let info = Remux::new(input, &part)
        .map_err(|error| RecorderError::Remux(error.to_string()))
        .and_then(|remux| remux.run());
    match info {
        Ok(info) => {
            std::fs::rename(&part, output)?;
            Ok(info)
        }
        Err(error) => {
            // It may never have been created.
            let _ = std::fs::remove_file(&part);
            Err(error)
        }
    }
}

struct Remux {
    pipeline: gst::Pipeline,
    /// Nanoseconds; also tells that there is progress.
    ends: Arc<AtomicU64>,
    blocks: Arc<AtomicU64>,
}

impl Remux {
    fn new(input: &Path, output: &Path) -> Result<Self, gst::glib::BoolError> {
        let pipeline = gst::Pipeline::new();
        let source = gst::ElementFactory::make(FILESRC.0)
            .property("location", input)
            .build()?;
        let demuxer = gst::ElementFactory::make(MATROSKADEMUX.0).build()?;
        let sink = gst::ElementFactory::make(FILESINK.0)
            .property("location", output)
            .property("async", false)
            .build()?;
        pipeline.add_many([&source, &demuxer, &sink])?;
        source.link(&demuxer)?;
        let ends = Arc::new(AtomicU64::new(0));
        let blocks = Arc::new(AtomicU64::new(0));
        let (seen_ends, seen_blocks) = (Arc::clone(&ends), Arc::clone(&blocks));
        let weak_pipeline = pipeline.downgrade();
        demuxer.connect_pad_added(move |_, pad| {
            let caps = pad.current_caps();
            let kind = caps.as_ref().and_then(|caps| caps.structure(0));
            let (template, codec, muxer) = match kind.map(|kind| kind.name().as_str()) {
                Some("audio/x-opus") => ("audio_%u", Codec::Opus, webm()),
                Some("video/x-vp8") => ("video_%u", Codec::Vp8, webm()),
                Some("video/x-h264") => ("video_%u", Codec::H264, mp4()),
                // Nothing else is ever recorded; a pad left alone ends in `not-linked`.
                _ => return,
            };
            let linked = || {
                let muxer = muxer.ok()?;
                weak_pipeline.upgrade()?.add(&muxer).ok()?;
                muxer.link(&sink).ok()?;
                muxer.sync_state_with_parent().ok()?;
                muxer.request_pad_simple(template)
            };
            // As above: the demuxer then fails with `not-linked`.
            let Some(input) = linked() else {
                return;
            };
            let (ends, blocks) = (Arc::clone(&seen_ends), Arc::clone(&seen_blocks));
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer_mut() {
                    blocks.fetch_add(1, Ordering::Relaxed);
                    ends.fetch_max(complete(buffer, codec), Ordering::Relaxed);
                }
                gst::PadProbeReturn::Ok
            });
            // Refused: the demuxer fails with `not-linked`, and the bus tells.
            let _ = pad.link(&input);
        });
        Ok(Self {
            pipeline,
            ends,
            blocks,
        })
    }

    fn run(self) -> Result<SeekableInfo, RecorderError> {
        let failed = |text: String| RecorderError::Remux(text);
        let bus = self
            .pipeline
            .bus()
            .ok_or_else(|| failed("the pipeline has no bus".to_owned()))?;
        self.pipeline
            .set_state(gst::State::Playing)
            .map_err(|error| failed(error.to_string()))?;
        let mut progress = (0, Instant::now());
        loop {
            let message = bus.timed_pop_filtered(
                gst::ClockTime::from_mseconds(200),
                &[gst::MessageType::Eos, gst::MessageType::Error],
            );
            if let Some(message) = message {
                match message.view() {
                    gst::MessageView::Error(error) => {
                        return Err(failed(error.error().to_string()));
                    }
                    _ => break,
                }
            }
            let blocks = self.blocks.load(Ordering::Relaxed);
            if blocks != progress.0 {
                progress = (blocks, Instant::now());
            } else if progress.1.elapsed() >= STALL {
                return Err(RecorderError::RemuxStalled(STALL));
            }
        }
        if self.blocks.load(Ordering::Relaxed) == 0 {
            return Err(failed("the file holds no whole block".to_owned()));
        }
        Ok(SeekableInfo {
            duration_ms: self.ends.load(Ordering::Relaxed) / 1_000_000,
        })
    }
}

fn webm() -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make(WEBMMUX.0)
        .property("writing-app", "otyrys")
        .property("min-index-interval", CUES.as_nanos() as i64)
        .property("min-cluster-duration", CUES.as_nanos() as i64)
        .build()
}

fn mp4() -> Result<gst::Element, gst::glib::BoolError> {
    gst::ElementFactory::make(MP4MUX.0).build()
}

impl Drop for Remux {
    fn drop(&mut self) {
        // The way back to Null cannot fail; it also closes the files.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Gives a block its length, which the recorded file leaves to the packet or does not know, so
/// that the copy's duration covers it. Returns the block's end in nanoseconds.
fn complete(buffer: &mut gst::Buffer, codec: Codec) -> u64 {
    let length = match codec {
        Codec::Opus => buffer
            .map_readable()
            .ok()
            .and_then(|packet| opus::packet_duration(&packet))
            .unwrap_or_default(),
        Codec::Vp8 => Duration::ZERO,
        Codec::H264 => LAST_PICTURE,
    };
    let length = length.as_nanos() as u64;
    let at = buffer.pts();
    let block = buffer.make_mut();
    // Nothing that is recorded has pictures out of order, and MP4 wants to be told.
    block.set_dts(at);
    if length > 0 {
        block.set_duration(gst::ClockTime::from_nseconds(length));
    }
    at.map_or(0, gst::ClockTime::nseconds) + length
}
