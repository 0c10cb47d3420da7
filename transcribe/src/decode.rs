//! Decodes an Opus-in-WebM file while it still grows.
//!
//! The file of a track is pushed in the chunks in which the recorder acknowledged it; sound
//! comes out as 16 kHz mono with its place in the file. GStreamer does the work on one thread
//! of its own for each file: `appsrc ! matroskademux ! opusdec ! audioconvert ! audioresample !
//! appsink`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc, AppSrcCallbacks, AppStreamType};

use crate::segments::SAMPLE_RATE_HZ;

/// What one file may have waiting, compressed: two hours of Opus at 32 kbit/s.
pub const MAX_WAITING_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of a millisecond of Opus at 32 kbit/s.
const BYTES_A_MS: u64 = 4;

/// Times in WebM are whole milliseconds, and a browser's Opus frames jitter by one frame
/// (20 ms). Only what differs by more is a true gap or overlap.
const TOLERANCE_SAMPLES: u64 = 40 * SAMPLE_RATE_HZ / 1_000;

/// Why a file cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// GStreamer, or one of its plugins, is not installed.
    #[error("GStreamer cannot decode WebM with Opus here: {0}")]
    Unavailable(String),
    /// The bytes are not a WebM file with Opus.
    #[error("the file cannot be decoded: {0}")]
    Damaged(String),
    /// [`MAX_WAITING_BYTES`] wait already; the chunk was not taken.
    #[error("{MAX_WAITING_BYTES} bytes of the file wait to be decoded already")]
    Full,
    /// The file was finished, or failed, before.
    #[error("the file has ended")]
    Ended,
}

/// Where decoded sound goes. Called on the decoder's thread; a call that blocks holds the
/// decoder back, and the file then waits compressed.
pub trait PcmSink: Send + 'static {
    /// Samples (16 kHz mono) that stand at position `at` of the file, in samples. Positions
    /// never overlap; where one lies after the last end, the time between was silent.
    fn samples(&mut self, at: u64, samples: &[f32]);

    /// All that was pushed is decoded; before the first push, too.
    fn caught_up(&mut self) {}

    /// The file has ended, or failed. Called once, after all samples.
    fn ended(&mut self, outcome: Result<(), DecodeError>);
}

/// Decodes one file. Dropping it stops at once.
#[derive(Debug)]
pub struct TailDecoder {
    pipeline: gst::Pipeline,
    source: AppSrc,
    pushed_bytes: AtomicU64,
    /// Where the sound ends that was given to the sink, in samples.
    position: Arc<AtomicU64>,
}

impl TailDecoder {
    /// Starts a decoder for a new file.
    ///
    /// # Errors
    /// [`DecodeError::Unavailable`] names the part of GStreamer that is missing.
    pub fn start(sink: impl PcmSink) -> Result<Self, DecodeError> {
        let unavailable =
            |error: &dyn std::fmt::Display| DecodeError::Unavailable(error.to_string());
        gst::init().map_err(|e| unavailable(&e))?;
        let make = |name: &str| {
            gst::ElementFactory::make(name)
                .build()
                .map_err(|e| unavailable(&e))
        };
        let source = AppSrc::builder()
            .stream_type(AppStreamType::Stream)
            .format(gst::Format::Bytes)
            // `push` sets the limit; appsrc's own would not refuse a chunk.
            .max_bytes(0)
            .block(false)
            .build();
        let demuxer = make("matroskademux")?;
        let decoder = make("opusdec")?;
        // A damaged packet is a gap, never the end of the file.
        decoder.set_property("max-errors", -1_i32);
        let convert = make("audioconvert")?;
        let resample = make("audioresample")?;
        let target = AppSink::builder()
            .sync(false)
            .caps(
                &gst::Caps::builder("audio/x-raw")
                    .field("format", "F32LE")
                    .field("layout", "interleaved")
                    .field("rate", SAMPLE_RATE_HZ as i32)
                    .field("channels", 1_i32)
                    .build(),
            )
            .build();

        let pipeline = gst::Pipeline::new();
        let chain = [&decoder, &convert, &resample, target.upcast_ref()];
        pipeline
            .add_many([source.upcast_ref(), &demuxer])
            .and_then(|()| pipeline.add_many(chain))
            .and_then(|()| source.link(&demuxer))
            .and_then(|()| gst::Element::link_many(chain))
            .map_err(|e| unavailable(&e))?;
        let entry = decoder
            .static_pad("sink")
            .ok_or_else(|| DecodeError::Unavailable("opusdec has no sink pad".to_owned()))?;
        demuxer.connect_pad_added(move |_, pad| {
            // The first Opus track; anything else in the file is left alone.
            if !entry.is_linked() && pad.query_caps(None).can_intersect(&entry.query_caps(None)) {
                let _ = pad.link(&entry);
            }
        });

        let position = Arc::new(AtomicU64::new(0));
        let output = Arc::new(Mutex::new(Output {
            sink: Some(Box::new(sink)),
            position: 0,
            told: Arc::clone(&position),
        }));
        // Between the source and the sink there is no queue: what the source has passed on is decoded when
        // it asks for more.
        source.set_callbacks(
            AppSrcCallbacks::builder()
                .need_data({
                    let output = Arc::clone(&output);
                    move |_, _| lock(&output).caught_up()
                })
                .build(),
        );
        target.set_callbacks(
            AppSinkCallbacks::builder()
                .new_sample({
                    let output = Arc::clone(&output);
                    move |target| {
                        let sample = target.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        lock(&output).take(&sample);
                        Ok(gst::FlowSuccess::Ok)
                    }
                })
                .eos({
                    let output = Arc::clone(&output);
                    move |_| lock(&output).end(Ok(()))
                })
                .build(),
        );
        let bus = pipeline
            .bus()
            .ok_or_else(|| DecodeError::Unavailable("a pipeline without a bus".to_owned()))?;
        bus.set_sync_handler(move |_, message| {
            match message.view() {
                gst::MessageView::Error(error) => {
                    lock(&output).end(Err(DecodeError::Damaged(error.error().to_string())));
                }
                // Also when the file ended before its first packet.
                gst::MessageView::Eos(_) => lock(&output).end(Ok(())),
                _ => {}
            }
            gst::BusSyncReply::Drop
        });
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|e| unavailable(&e))?;
        Ok(Self {
            pipeline,
            source,
            pushed_bytes: AtomicU64::new(0),
            position,
        })
    }

    /// What was pushed and no one has begun to decode.
    pub fn waiting_bytes(&self) -> u64 {
        self.source.current_level_bytes()
    }

    /// How much sound that is, in ms, by what was decoded before.
    pub fn waiting_ms(&self) -> u64 {
        let waiting = self.waiting_bytes();
        let decoded = self.pushed_bytes.load(Ordering::Relaxed);
        let decoded = decoded.saturating_sub(waiting);
        let decoded_ms = self.position.load(Ordering::Relaxed) * 1_000 / SAMPLE_RATE_HZ;
        match (waiting * decoded_ms).checked_div(decoded) {
            Some(ms) if ms > 0 => ms,
            _ => waiting / BYTES_A_MS,
        }
    }

    /// Takes the next chunk of the file. Never blocks.
    ///
    /// # Errors
    /// [`DecodeError::Full`] when [`MAX_WAITING_BYTES`] would be exceeded: the chunk was not
    /// taken, try again later. [`DecodeError::Ended`] after [`Self::finish`] or a failure.
    pub fn push(&self, chunk: Bytes) -> Result<(), DecodeError> {
        if self.waiting_bytes() + chunk.len() as u64 > MAX_WAITING_BYTES {
            return Err(DecodeError::Full);
        }
        let bytes = chunk.len() as u64;
        self.source
            .push_buffer(gst::Buffer::from_slice(chunk))
            .map_err(|_| DecodeError::Ended)?;
        self.pushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// No chunk follows. What was pushed is still decoded, then the sink hears the end.
    pub fn finish(&self) {
        // Refused only where the file has ended already.
        let _ = self.source.end_of_stream();
    }
}

impl Drop for TailDecoder {
    fn drop(&mut self) {
        // Joins the decoder's thread. Fails for no pipeline without hardware.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// What the callbacks share.
struct Output {
    sink: Option<Box<dyn PcmSink>>,
    /// Position after the last sample given to the sink.
    position: u64,
    /// The same for those who ask while the sink holds the decoder back.
    told: Arc<AtomicU64>,
}

impl Output {
    fn take(&mut self, sample: &gst::Sample) {
        let (Some(sink), Some(buffer)) = (&mut self.sink, sample.buffer()) else {
            return;
        };
        let Ok(map) = buffer.map_readable() else {
            return;
        };
        let mut samples: Vec<f32> = map
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let mut at = self.position;
        if let Some(pts) = buffer.pts() {
            let stamped = pts.mseconds() * SAMPLE_RATE_HZ / 1_000;
            if stamped.abs_diff(self.position) > TOLERANCE_SAMPLES {
                let known = usize::try_from(self.position.saturating_sub(stamped));
                samples.drain(..known.unwrap_or(usize::MAX).min(samples.len()));
                at = stamped.max(self.position);
            }
        }
        if !samples.is_empty() {
            self.position = at + samples.len() as u64;
            self.told.store(self.position, Ordering::Relaxed);
            sink.samples(at, &samples);
        }
    }

    fn caught_up(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.caught_up();
        }
    }

    fn end(&mut self, outcome: Result<(), DecodeError>) {
        if let Some(mut sink) = self.sink.take() {
            sink.ended(outcome);
        }
    }
}

fn lock(output: &Mutex<Output>) -> std::sync::MutexGuard<'_, Output> {
    // A sink that panicked leaves a position that is at worst old.
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
