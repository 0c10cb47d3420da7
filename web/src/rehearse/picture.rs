//! A participant's picture: a moving ball in the participant's own colours, as VP8 in RTP.

use super::{
    RehearseError,
    encoder::{Encoder, MTU, PACKET_QUEUE},
};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::mpsc;

/// Payload type of VP8: the one that the `webrtc` crate and Chromium use.
pub(super) const PAYLOAD_TYPE: u8 = 96;
/// Key frames at least so far apart, in frames: 4 s. More often on request.
const KEY_FRAME_EVERY: u32 = 60;
/// Frames a second: enough to see movement; eight encoders share two cores in a rehearsal.
const FRAMES: u32 = 15;
/// Target of the encoder, bits a second.
const BITRATE_BPS: u32 = 150_000;

/// A live camera made of a test picture. Stops when dropped.
pub(super) struct Picture {
    encoder: Encoder,
}

impl Picture {
    /// Starts sending. The colours follow from `name`; the name stands in the picture where
    /// GStreamer's pango plugin is installed.
    pub(super) fn start(name: &str) -> Result<(Self, mpsc::Receiver<Bytes>), RehearseError> {
        gst::init().map_err(RehearseError::encoder)?;
        let named = gst::ElementFactory::find("textoverlay").is_some();
        let label = if named {
            "! textoverlay name=label valignment=bottom font-desc=\"Sans 24\" "
        } else {
            ""
        };
        let (ball, ground) = colours(name);
        let (packets, receiver) = mpsc::channel(PACKET_QUEUE);
        let encoder = Encoder::build(
            &format!(
                "videotestsrc is-live=true pattern=ball motion=sweep \
                 foreground-color={ball} background-color={ground} \
                 ! video/x-raw,format=I420,width=320,height=180,framerate={FRAMES}/1 {label}\
                 ! vp8enc deadline=1 cpu-used=8 threads=1 lag-in-frames=0 end-usage=cbr \
                 keyframe-max-dist={KEY_FRAME_EVERY} target-bitrate={BITRATE_BPS} \
                 ! rtpvp8pay name=pay pt={PAYLOAD_TYPE} mtu={MTU} picture-id-mode=15-bit \
                 ! appsink name=packets sync=false",
            ),
            packets,
        )?;
        if named {
            encoder.element("label")?.set_property("text", name);
        }
        encoder.play()?;
        Ok((Self { encoder }, receiver))
    }

    /// Makes the next frame a key frame.
    pub(super) fn key_frame(&self) {
        // The event of GstVideo's `gst_video_event_new_upstream_force_key_unit`, without its
        // library: every encoder base class understands the structure.
        let event = gst::event::CustomUpstream::new(
            gst::Structure::builder("GstForceKeyUnit")
                .field("all-headers", true)
                .field("count", 0_u32)
                .build(),
        );
        if let Ok(pay) = self.encoder.element("pay") {
            pay.send_event(event);
        }
    }
}

/// Two opaque ARGB colours, light on dark, the same for the same name each time.
fn colours(name: &str) -> (u32, u32) {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let hash = hasher.finish() as u32;
    (
        0xff80_8080 | (hash & 0x7f_7f7f),
        0xff00_0000 | ((hash >> 8) & 0x5f_5f5f),
    )
}

/// Whether a VP8 RTP payload begins a key frame (RFC 7741, sections 4.2 and 4.3).
pub(super) fn begins_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else {
        return false;
    };
    let begins_frame = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let Some(&extensions) = payload.get(at) else {
            return false;
        };
        at += 1;
        if extensions & 0x80 != 0 {
            let Some(&picture_id) = payload.get(at) else {
                return false;
            };
            at += if picture_id & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extensions & 0x40 != 0) + usize::from(extensions & 0x30 != 0);
    }
    begins_frame && payload.get(at).is_some_and(|header| header & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    /// An RTP packet of the encoder has no extensions and no sources: 12 octets of header.
    const RTP_HEADER: usize = 12;

    #[tokio::test]
    async fn a_key_frame_comes_when_asked_for() {
        let (picture, mut packets) = Picture::start("Айгерім").unwrap();
        let first = timeout(Duration::from_secs(5), packets.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(
            begins_key_frame(&first[RTP_HEADER..]),
            "the first frame is a key frame"
        );
        let mut asked = false;
        let mut between = 0;
        for _ in 0..40 {
            let packet = timeout(Duration::from_secs(5), packets.recv())
                .await
                .unwrap()
                .unwrap();
            if begins_key_frame(&packet[RTP_HEADER..]) {
                assert!(asked, "unasked key frame after {between} packets");
                assert!(
                    between <= 4,
                    "it came {between} packets after it was asked for"
                );
                return;
            }
            between += 1;
            if !asked && between == 10 {
                (asked, between) = (true, 0);
                picture.key_frame();
            }
        }
        panic!("no key frame came");
    }

    #[test]
    fn key_frames_are_told_by_the_payload_descriptor_and_the_first_octet() {
        assert!(begins_key_frame(&[0x10, 0x00]));
        assert!(!begins_key_frame(&[0x10, 0x01]), "an inter frame");
        assert!(
            !begins_key_frame(&[0x00, 0x00]),
            "not the beginning of a frame"
        );
        assert!(
            begins_key_frame(&[0x90, 0x80, 0x81, 0x23, 0x00]),
            "with a 15-bit picture id"
        );
        assert!(
            begins_key_frame(&[0x90, 0xe0, 0x23, 0x01, 0x02, 0x00]),
            "with all extensions"
        );
        assert!(!begins_key_frame(&[0x90, 0x80, 0x81]), "cut off");
        assert!(!begins_key_frame(&[]));
    }

    #[test]
    fn a_name_has_the_same_readable_colours_each_time() {
        assert_eq!(colours("a"), colours("a"));
        let (ball, ground) = colours("a");
        assert_eq!((ball >> 24, ground >> 24), (0xff, 0xff));
        assert!(ball & 0x80_8080 == 0x80_8080 && ground & 0xa0_a0a0 == 0);
    }
}
