//! One `webmmux`, or `matroskamux` for what WebM may not hold.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use serde::{Deserialize, Serialize};

use super::driven::{Driven, ElementError, refused};

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

#[derive(Debug)]
pub(super) struct Muxer {
    element: Driven,
    muxed: Arc<Mutex<Vec<u8>>>,
}

impl Muxer {
    pub(super) fn new(content: Content) -> Result<Self, ElementError> {
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
        let element = Driven::new(element, pad_name, &caps, move |bytes| {
            collected
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
        })?;
        Ok(Self { element, muxed })
    }

    /// Takes the next block; the bytes it becomes wait in [`Self::take_into`].
    pub(super) fn push<D>(&mut self, block: Block<D>) -> Result<(), ElementError>
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
        self.element.push(buffer)
    }

    /// Moves the bytes muxed so far to the end of `bytes`.
    pub(super) fn take_into(&mut self, bytes: &mut Vec<u8>) {
        bytes.append(&mut self.muxed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets the muxer write what it may still hold.
    pub(super) fn finish(&mut self) {
        self.element.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::driven::require_element;

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
