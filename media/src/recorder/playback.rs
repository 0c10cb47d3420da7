//! A recorded file made ready for a browser's player.

use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::driven::require_element;
use super::muxer::WEBMMUX;
use super::{RecorderError, opus};
use crate::Codec;

const MATROSKADEMUX: (&str, &str) = ("matroskademux", "gstreamer1.0-plugins-good");
const MP4MUX: (&str, &str) = ("mp4mux", "gstreamer1.0-plugins-good");

/// Remuxing copies hundreds of megabytes in a second; without a single block in so long it hangs.
const STALL: Duration = Duration::from_secs(15);

/// How often it is looked for a failure that nobody was told.
const LOOK: Duration = Duration::from_millis(200);

/// Bytes of the recorded file that are pushed at once.
const PIECE: usize = 64 << 10;

/// Pieces of the copy that wait to be written; then the muxer waits.
const QUEUE: usize = 16;

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
/// byte: what is whole is copied. Blocks until done, at the speed of reader and writer, which need
/// not be files: no byte is kept anywhere else. `output` is empty at first, and whole only when
/// this returns `Ok`.
///
/// # Errors
/// [`RecorderError::MissingElement`] and [`RecorderError::GStreamer`] if this machine cannot
/// do it, [`RecorderError::Io`] of `input` and `output`, [`RecorderError::Remux`] if `input` holds
/// no whole block, [`RecorderError::RemuxStalled`].
pub fn make_seekable(
    mut input: impl Read + Send,
    output: &mut (impl Write + Seek),
) -> Result<SeekableInfo, RecorderError> {
    for element in [MATROSKADEMUX, WEBMMUX, MP4MUX] {
        require_element(element)?;
    }
    let (made, makes) = sync_channel(QUEUE);
    let remux = Remux::new(&made).map_err(|error| RecorderError::Remux(error.to_string()))?;
    thread::scope(|scope| {
        let (feed, told) = (remux.input.clone(), made.clone());
        scope.spawn(move || {
            // Nobody listens any more: then nobody is told.
            let _ = told.send(Step::Fed(push(&mut input, &feed)));
        });
        let done = remux.write(&makes, output);
        // Whoever waits to be written, or pushes, is let go; the thread ends.
        drop(makes);
        remux.stop();
        done
    })
}

/// What the copy is made of, in order.
enum Step {
    /// What follows is written from this byte on.
    At(u64),
    Bytes(gst::Buffer),
    /// The recorded file was read to its end, or could not be.
    Fed(std::io::Result<()>),
    /// The copy is whole.
    End,
}

/// Pushes the recorded file into the demuxer, which works inside the call.
fn push(input: &mut impl Read, pad: &gst::Pad) -> std::io::Result<()> {
    pad.push_event(gst::event::StreamStart::new("record"));
    let segment = gst::FormattedSegment::<gst::format::Bytes>::new();
    pad.push_event(gst::event::Segment::new(&segment));
    loop {
        let mut piece = Vec::new();
        input.take(PIECE as u64).read_to_end(&mut piece)?;
        // Refused: why is told on the bus.
        if piece.is_empty() || pad.push(gst::Buffer::from_mut_slice(piece)).is_err() {
            pad.push_event(gst::event::Eos::new());
            return Ok(());
        }
    }
}

struct Remux {
    pipeline: gst::Pipeline,
    input: gst::Pad,
    output: gst::Pad,
    /// Nanoseconds.
    ends: Arc<AtomicU64>,
    blocks: Arc<AtomicU64>,
}

impl Remux {
    fn new(made: &SyncSender<Step>) -> Result<Self, gst::glib::BoolError> {
        let pipeline = gst::Pipeline::new();
        let demuxer = gst::ElementFactory::make(MATROSKADEMUX.0).build()?;
        pipeline.add(&demuxer)?;
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let output = output(made);
        let entry = demuxer
            .static_pad("sink")
            .ok_or_else(|| gst::glib::bool_error!("the demuxer has no input"))?;
        input
            .link(&entry)
            .map_err(|error| gst::glib::bool_error!("{error}"))?;
        let ends = Arc::new(AtomicU64::new(0));
        let blocks = Arc::new(AtomicU64::new(0));
        let (seen_ends, seen_blocks) = (Arc::clone(&ends), Arc::clone(&blocks));
        let (weak_pipeline, sink) = (pipeline.downgrade(), output.clone());
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
                muxer.static_pad("src")?.link(&sink).ok()?;
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
        output.set_active(true)?;
        input.set_active(true)?;
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|error| gst::glib::bool_error!("{error}"))?;
        Ok(Self {
            pipeline,
            input,
            output,
            ends,
            blocks,
        })
    }

    /// Writes the copy while it is made.
    fn write(
        &self,
        makes: &Receiver<Step>,
        output: &mut (impl Write + Seek),
    ) -> Result<SeekableInfo, RecorderError> {
        let mut progress = Instant::now();
        loop {
            let step = match makes.recv_timeout(LOOK) {
                Ok(step) => step,
                Err(RecvTimeoutError::Timeout) => {
                    self.check()?;
                    if progress.elapsed() >= STALL {
                        return Err(RecorderError::RemuxStalled(STALL));
                    }
                    continue;
                }
                // The pads hold its other end for as long as they live.
                Err(RecvTimeoutError::Disconnected) => break,
            };
            progress = Instant::now();
            match step {
                Step::At(byte) => {
                    output.seek(SeekFrom::Start(byte))?;
                }
                Step::Bytes(buffer) => {
                    let bytes = buffer.map_readable().map_err(failed)?;
                    output.write_all(&bytes)?;
                }
                Step::Fed(fed) => {
                    fed?;
                    self.check()?;
                }
                Step::End => break,
            }
        }
        self.check()?;
        if self.blocks.load(Ordering::Relaxed) == 0 {
            return Err(failed("the file holds no whole block"));
        }
        Ok(SeekableInfo {
            duration_ms: self.ends.load(Ordering::Relaxed) / 1_000_000,
        })
    }

    /// The failure that an element has told, if one has.
    fn check(&self) -> Result<(), RecorderError> {
        let bus = self.pipeline.bus();
        let told = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match told.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(failed(error.error())),
            _ => Ok(()),
        }
    }

    fn stop(&self) {
        // The way back to Null cannot fail, and there is nobody left to tell.
        let _ = self.output.set_active(false);
        let _ = self.pipeline.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
    }
}

/// What takes the muxer's bytes. A muxer goes back to fill in what it knows at the end only: it is
/// told that it may, and says where to.
fn output(made: &SyncSender<Step>) -> gst::Pad {
    let (bytes, events) = (made.clone(), made.clone());
    gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            bytes
                .send(Step::Bytes(buffer))
                .map(|()| gst::FlowSuccess::Ok)
                .map_err(|_| gst::FlowError::Flushing)
        })
        .event_function(move |_, _, event| {
            let step = match event.view() {
                gst::EventView::Segment(segment) => segment
                    .segment()
                    .downcast_ref::<gst::format::Bytes>()
                    .and_then(|segment| segment.start())
                    .map(|start| Step::At(*start)),
                gst::EventView::Eos(_) => Some(Step::End),
                _ => None,
            };
            step.is_none_or(|step| events.send(step).is_ok())
        })
        .query_function(|pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Seeking(seeking) if seeking.format() == gst::Format::Bytes => {
                seeking.set(true, gst::format::Bytes::ZERO, gst::format::Bytes::NONE);
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        })
        .build()
}

fn failed(error: impl std::fmt::Display) -> RecorderError {
    RecorderError::Remux(error.to_string())
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
