//! One `webmmux`, or `matroskamux` for what WebM may not hold, driven by hand.
//!
//! The element's pads are linked to pads of our own and pushed to directly: the muxer works
//! inside the call, on the caller's thread. There is no `appsrc`, whose task would cost one
//! thread for each track, and no bus: what fails, fails in the call.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

use super::RecorderError;

/// The muxers' elements and where they come from.
pub(super) const WEBMMUX: (&str, &str) = ("webmmux", "gstreamer1.0-plugins-good");
pub(super) const MATROSKAMUX: (&str, &str) = ("matroskamux", "gstreamer1.0-plugins-good");

/// Clusters end after so much, so that a reader who seeks without an index, or who meets a
/// torn file, is never far from the next cluster.
const CLUSTER: Duration = Duration::from_secs(1);

/// What is muxed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Content {
    Opus {
        channels: u8,
    },
    Vp8 {
        width: u16,
        height: u16,
    },
    H264 {
        width: u16,
        height: u16,
        /// `AVCDecoderConfigurationRecord`.
        configuration: Vec<u8>,
    },
}

/// One packet or picture on its way into the file.
#[derive(Debug, Clone)]
pub(super) struct Block<D> {
    pub(super) data: D,
    /// Since the zero of the file.
    pub(super) at: Duration,
    /// Can be decoded without earlier blocks.
    pub(super) key: bool,
    /// Is heard or seen (a VP8 frame may be a reference only).
    pub(super) shown: bool,
}

/// The muxer refused; the text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct MuxerError(String);

#[derive(Debug)]
pub(super) struct Muxer {
    element: gst::Element,
    input: gst::Pad,
    output: gst::Pad,
    muxed: Arc<Mutex<Vec<u8>>>,
}

/// Starts GStreamer and looks whether an element is there.
///
/// # Errors
/// [`RecorderError::GStreamer`] or [`RecorderError::MissingElement`].
pub(super) fn require_element(
    (element, package): (&'static str, &'static str),
) -> Result<(), RecorderError> {
    gst::init()?;
    match gst::ElementFactory::find(element) {
        Some(_) => Ok(()),
        None => Err(RecorderError::MissingElement { element, package }),
    }
}

/// The file from which an element comes, when [`require_element`] has found it.
pub(super) fn plugin_path((element, package): (&str, &str)) -> io::Result<PathBuf> {
    let factory = gst::ElementFactory::find(element);
    let path = factory.and_then(|factory| factory.plugin()?.filename());
    path.ok_or_else(|| io::Error::other(format!("the plugin of {element} ({package}) is gone")))
}

impl Muxer {
    pub(super) fn new(content: Content) -> Result<Self, MuxerError> {
        let (factory, _) = match content {
            Content::Opus { .. } | Content::Vp8 { .. } => WEBMMUX,
            Content::H264 { .. } => MATROSKAMUX,
        };
        let element = gst::ElementFactory::make(factory)
            .property("streamable", true)
            .property("writing-app", "otyrys")
            .property("min-cluster-duration", CLUSTER.as_nanos() as i64)
            .property("max-cluster-duration", CLUSTER.as_nanos() as i64)
            .build()
            .map_err(refused("cannot be made"))?;
        let (pad_name, caps) = match content {
            Content::Opus { channels } => (
                "audio_%u",
                gst::Caps::builder("audio/x-opus")
                    .field("channel-mapping-family", 0i32)
                    .field("channels", i32::from(channels))
                    .field("rate", 48_000i32)
                    .build(),
            ),
            Content::Vp8 { width, height } => (
                "video_%u",
                gst::Caps::builder("video/x-vp8")
                    .field("width", i32::from(width))
                    .field("height", i32::from(height))
                    .field("framerate", gst::Fraction::new(0, 1))
                    .build(),
            ),
            Content::H264 {
                width,
                height,
                configuration,
            } => (
                "video_%u",
                gst::Caps::builder("video/x-h264")
                    .field("stream-format", "avc3")
                    .field("alignment", "au")
                    .field("codec_data", gst::Buffer::from_slice(configuration))
                    .field("width", i32::from(width))
                    .field("height", i32::from(height))
                    .field("framerate", gst::Fraction::new(0, 1))
                    .build(),
            ),
        };
        let muxed = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&muxed);
        let output = gst::Pad::builder(gst::PadDirection::Sink)
            .chain_function(move |_, _, buffer| {
                let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                collected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&bytes);
                Ok(gst::FlowSuccess::Ok)
            })
            .event_function(|_, _, _| true)
            .build();
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let muxer = Self {
            element,
            input,
            output,
            muxed,
        };
        muxer.connect(pad_name, &caps)?;
        Ok(muxer)
    }

    fn connect(&self, pad_name: &str, caps: &gst::Caps) -> Result<(), MuxerError> {
        let sink = self
            .element
            .request_pad_simple(pad_name)
            .ok_or_else(|| MuxerError("the muxer gives no input".to_owned()))?;
        let source = self
            .element
            .static_pad("src")
            .ok_or_else(|| MuxerError("the muxer has no output".to_owned()))?;
        source
            .link(&self.output)
            .map_err(refused("output cannot be linked"))?;
        self.input
            .link(&sink)
            .map_err(refused("input cannot be linked"))?;
        self.output
            .set_active(true)
            .map_err(refused("output cannot be activated"))?;
        self.input
            .set_active(true)
            .map_err(refused("input cannot be activated"))?;
        self.element
            .set_state(gst::State::Playing)
            .map_err(refused("does not start"))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let accepted = self.input.push_event(gst::event::StreamStart::new("track"))
            && self.input.push_event(gst::event::Caps::new(caps))
            && self.input.push_event(gst::event::Segment::new(&segment));
        if accepted {
            Ok(())
        } else {
            Err(MuxerError(format!("the muxer does not accept {caps}")))
        }
    }

    /// Takes the next block; the bytes it becomes wait in [`Self::take_into`].
    pub(super) fn push<D>(&mut self, block: Block<D>) -> Result<(), MuxerError>
    where
        D: AsRef<[u8]> + Send + 'static,
    {
        let mut buffer = gst::Buffer::from_slice(block.data);
        if let Some(buffer) = buffer.get_mut() {
            let at = gst::ClockTime::from_nseconds(block.at.as_nanos() as u64);
            buffer.set_pts(at);
            buffer.set_dts(at);
            if !block.key {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
            if !block.shown {
                buffer.set_flags(gst::BufferFlags::DECODE_ONLY);
            }
        }
        self.input.push(buffer).map_err(refused("failed"))?;
        Ok(())
    }

    /// Moves the bytes muxed so far to the end of `bytes`.
    pub(super) fn take_into(&mut self, bytes: &mut Vec<u8>) {
        bytes.append(&mut self.muxed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets the muxer write what it may still hold.
    pub(super) fn finish(&mut self) {
        // A streamable file needs no ending: whether the element liked the event is no matter.
        self.input.push_event(gst::event::Eos::new());
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // The way back to Null cannot fail, and there is nobody left to tell.
        let _ = self.element.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

fn refused<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> MuxerError {
    move |error| MuxerError(format!("the muxer {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_element_is_named_with_its_package() {
        let error = require_element(("nosuchmux", "gstreamer1.0-plugins-good")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "GStreamer element `nosuchmux` is missing: install the package \
             gstreamer1.0-plugins-good"
        );
    }

    #[test]
    fn the_first_block_brings_the_header_and_no_thread_is_started() {
        require_element(WEBMMUX).unwrap();
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let mut muxers: Vec<_> = (0..50)
            .map(|_| Muxer::new(Content::Opus { channels: 1 }).unwrap())
            .collect();
        for muxer in &mut muxers {
            muxer
                .push(Block {
                    data: vec![0x78, 1, 2, 3],
                    at: Duration::ZERO,
                    key: true,
                    shown: true,
                })
                .unwrap();
            let mut bytes = Vec::new();
            muxer.take_into(&mut bytes);
            assert_eq!(bytes[..4], [0x1a, 0x45, 0xdf, 0xa3]);
            assert!(bytes.ends_with(&[0x78, 1, 2, 3]));
        }
        assert!(threads() < before + 10);
    }
}
