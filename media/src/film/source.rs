//! A seekable copy of a file of the record, decoded.
//!
//! The demuxer pulls the bytes that it wants through a pad of our own, on its own thread; what is
//! decoded waits for whoever asks for it.

use super::{FilmInput, FilmSource, SAMPLE_RATE};
use crate::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What must be there to decode.
pub(super) const DECODING: &[(&str, &str)] = &[
    ("matroskademux", "gstreamer1.0-plugins-good"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("vp8dec", "gstreamer1.0-plugins-good"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("openh264dec", "gstreamer1.0-plugins-bad"),
    ("opusdec", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("capsfilter", "libgstreamer1.0-0"),
];

/// Decoding an hour up to a key frame takes less; whoever gives nothing for so long is broken.
const STALL: Duration = Duration::from_secs(30);
/// How often it is looked for a failure that nobody was told.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Decoded pictures or pieces of sound that wait.
const AHEAD: u32 = 4;
/// Whoever begins so far behind the beginning of a file seeks.
const SEEK_ABOVE_MS: u64 = 2_000;

/// Gives the bytes of the inputs, by their numbers.
pub(super) trait Bytes: Send + Sync {
    /// So many bytes, fewer at the end; none when they cannot be read.
    fn read(&self, input: usize, offset: u64, length: u32) -> Option<Vec<u8>>;
}

/// An input that is open.
pub(super) struct Source {
    pipeline: gst::Pipeline,
    input: gst::Pad,
    decoded: AppSink,
    starts_ns: u64,
}

/// A picture or a piece of sound.
pub(super) struct Decoded {
    /// On the record clock, in nanoseconds.
    pub(super) at_ns: u64,
    pub(super) sample: gst::Sample,
}

impl Source {
    /// Opens an input from about a moment of the record clock on, or a little earlier.
    ///
    /// # Errors
    /// In words: it cannot be decoded.
    pub(super) fn open(
        bytes: &Arc<dyn Bytes>,
        number: usize,
        input: &FilmInput,
        from_ms: u64,
    ) -> Result<Self, String> {
        let source = Self::new(bytes, number, input).map_err(|error| error.to_string())?;
        source.begin(from_ms.saturating_sub(input.starts_ms))?;
        Ok(source)
    }

    fn new(
        bytes: &Arc<dyn Bytes>,
        number: usize,
        input: &FilmInput,
    ) -> Result<Self, gst::glib::BoolError> {
        let (demuxer, decoding): (_, &[&str]) = match (input.source, input.codec) {
            (_, Codec::Opus) => (
                "matroskademux",
                &["opusdec", "audioconvert", "audioresample"],
            ),
            (_, Codec::Vp8) => ("matroskademux", &["vp8dec"]),
            (_, Codec::H264) => ("qtdemux", &["h264parse", "openh264dec"]),
        };
        let caps = match input.source {
            FilmSource::Microphone => gst::Caps::builder("audio/x-raw")
                .field("format", "S16LE")
                .field("layout", "interleaved")
                .field("rate", SAMPLE_RATE as i32)
                .field("channels", 1)
                .build(),
            FilmSource::Camera | FilmSource::Screen => gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .build(),
        };
        let pipeline = gst::Pipeline::new();
        let demuxer = gst::ElementFactory::make(demuxer).build()?;
        let mut chain = Vec::new();
        for element in decoding {
            chain.push(gst::ElementFactory::make(element).build()?);
        }
        let decoded = AppSink::builder()
            .caps(&caps)
            .sync(false)
            .max_buffers(AHEAD)
            .build();
        chain.push(decoded.clone().upcast());
        pipeline.add(&demuxer)?;
        pipeline.add_many(&chain)?;
        gst::Element::link_many(&chain)?;
        let entry = chain.first().and_then(|first| first.static_pad("sink"));
        demuxer.connect_pad_added(move |_, pad| {
            // Refused: the demuxer fails with `not-linked`, and the bus tells.
            let _ = entry.as_ref().map(|entry| pad.link(entry));
        });
        let from = pull_pad(Arc::clone(bytes), number, input.bytes);
        let sink = demuxer.static_pad("sink");
        let sink = sink.ok_or_else(|| gst::glib::bool_error!("the demuxer has no input"))?;
        from.link(&sink)
            .map_err(|error| gst::glib::bool_error!("{error}"))?;
        Ok(Self {
            pipeline,
            input: from,
            decoded,
            starts_ns: input.starts_ms * 1_000_000,
        })
    }

    /// Waits for the first picture or sound, and seeks to the key frame before `at_ms` of the file.
    fn begin(&self, at_ms: u64) -> Result<(), String> {
        let set = self.pipeline.set_state(gst::State::Playing);
        set.map_err(|error| error.to_string())?;
        if at_ms < SEEK_ABOVE_MS {
            return Ok(());
        }
        let began = Instant::now();
        while self.pipeline.state(LOOK).1 != gst::State::Playing {
            self.check(began)?;
        }
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT | gst::SeekFlags::SNAP_BEFORE;
        let place = gst::ClockTime::from_mseconds(at_ms);
        let sought = self.pipeline.seek_simple(flags, place);
        sought.map_err(|error| error.to_string())
    }

    /// The next picture or piece of sound; none at the end.
    ///
    /// # Errors
    /// In words: the rest cannot be decoded.
    pub(super) fn next(&self) -> Result<Option<Decoded>, String> {
        let began = Instant::now();
        loop {
            if let Some(sample) = self.decoded.try_pull_sample(LOOK) {
                let at = sample.buffer().and_then(gst::BufferRef::pts);
                let Some(at) = at else { continue };
                let at_ns = self.starts_ns + at.nseconds();
                return Ok(Some(Decoded { at_ns, sample }));
            }
            if self.decoded.is_eos() {
                return Ok(None);
            }
            self.check(began)?;
        }
    }

    fn check(&self, began: Instant) -> Result<(), String> {
        let bus = self.pipeline.bus();
        let told = bus.and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match told.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => Err(error.error().to_string()),
            _ if began.elapsed() >= STALL => Err(format!("nothing came for {STALL:?}")),
            _ => Ok(()),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The way back to Null cannot fail, and there is nobody left to tell.
        let _ = self.pipeline.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
    }
}

/// What the demuxer pulls from.
fn pull_pad(bytes: Arc<dyn Bytes>, number: usize, size: u64) -> gst::Pad {
    gst::Pad::builder(gst::PadDirection::Src)
        .getrange_function(move |_, _, offset, _, length| {
            let length = u64::from(length).min(size.saturating_sub(offset)) as u32;
            if length == 0 {
                return Err(gst::FlowError::Eos);
            }
            let read = bytes.read(number, offset, length);
            let read = read.ok_or(gst::FlowError::Error)?;
            let buffer = gst::Buffer::from_mut_slice(read);
            Ok(gst::PadGetRangeSuccess::NewBuffer(buffer))
        })
        .query_function(move |pad, parent, query| match query.view_mut() {
            gst::QueryViewMut::Scheduling(scheduling) => {
                scheduling.set(gst::SchedulingFlags::SEEKABLE, 1, -1, 0);
                scheduling.add_scheduling_modes([gst::PadMode::Pull]);
                true
            }
            gst::QueryViewMut::Duration(duration) if duration.format() == gst::Format::Bytes => {
                duration.set(gst::format::Bytes::from_u64(size));
                true
            }
            _ => gst::Pad::query_default(pad, parent, query),
        })
        .build()
}
