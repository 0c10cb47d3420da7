//! What a visitor sends: packets with the shape and rhythm of sound and picture, which say when
//! they were sent.

use super::super::{outlet::Wire, picture, voice};
use bytes::{BufMut, Bytes, BytesMut};
use otyrys_signaling::TrackSource;
use rtc::rtp;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval},
};
use webrtc::media_stream::track_local::TrackLocal;

/// What each payload of a line test has near its beginning.
const MAGIC: u64 = 0x4f74_7972_7973_4c54;
/// Octets of a [`Tag`] on the wire.
const TAG: usize = 34;
/// Octets of VP8's payload descriptor with a 15-bit picture id (RFC 7741, section 4.2).
const DESCRIPTOR: usize = 4;
/// Octets of a VP8 key frame's header (RFC 6386, section 9.1).
const FRAME_HEADER: usize = 10;
/// Most octets of a payload: with SRTP, UDP and IPv6 around it below 1,280.
const LARGEST: usize = 1_150;
/// One Opus frame; every second tick is a picture, 25 a second.
const TICK: Duration = Duration::from_millis(20);
/// Octets of 20 ms of sound at 32 kbit/s.
const SOUND: usize = 80;
/// What is sent beside the picture, in bits a second.
pub(super) const SOUND_BPS: u64 = (SOUND as u64) * 8 * 50;
/// A key frame is so much larger than a usual one.
const KEY_FRAME: usize = 4;
/// Least time between two key frames.
const KEY_FRAME_PAUSE: Duration = Duration::from_millis(300);
/// Loudness that is said of the sound (RFC 6464, -dBov): speech.
const LEVEL: u8 = 0x80 | 30;

/// What a packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) sender: u32,
    pub(super) picture: bool,
    pub(super) key: bool,
    /// Which packet of its picture, and how many that has.
    pub(super) index: u16,
    pub(super) packets: u16,
    /// Counts the packets of the track.
    pub(super) number: u32,
    /// Counts the pictures.
    pub(super) frame: u32,
    /// Microseconds of this process's clock.
    pub(super) sent_us: u64,
}

impl Tag {
    fn put(&self, to: &mut BytesMut) {
        to.put_u64(MAGIC);
        to.put_u32(self.sender);
        to.put_u8(u8::from(self.picture) | u8::from(self.key) << 1);
        to.put_u8(0);
        to.put_u16(self.index);
        to.put_u16(self.packets);
        to.put_u32(self.number);
        to.put_u32(self.frame);
        to.put_u64(self.sent_us);
    }

    /// The tag of a payload; nothing in other people's.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let magic = MAGIC.to_be_bytes();
        let at = payload
            .windows(magic.len())
            .take(DESCRIPTOR + FRAME_HEADER + 4)
            .position(|octets| octets == magic)?;
        let tag = payload.get(at + 8..at + TAG)?;
        let u16_at = |at: usize| Some(u16::from_be_bytes(tag.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_be_bytes(tag.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            sender: u32_at(0)?,
            picture: tag[4] & 1 != 0,
            key: tag[4] & 2 != 0,
            index: u16_at(6)?,
            packets: u16_at(8)?,
            number: u32_at(10)?,
            frame: u32_at(14)?,
            sent_us: u64::from_be_bytes(tag.get(18..26)?.try_into().ok()?),
        })
    }
}

/// Microseconds since this process first asked.
pub(super) fn clock_us() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

/// One visitor's sound and picture.
pub(super) struct Traffic {
    pub(super) sender: u32,
    /// Bits a second of the picture, now and later; 0 is none.
    pub(super) picture_bps: watch::Receiver<u64>,
    /// The server wants a key frame.
    pub(super) key_frame: Arc<Notify>,
}

impl Traffic {
    /// Sends until it is dropped.
    pub(super) async fn run(self, wires: Vec<(TrackSource, Wire)>) {
        let wire = |wanted| {
            let found = wires.iter().find(|(source, _)| *source == wanted);
            found.map(|(_, wire)| wire.clone())
        };
        let (microphone, camera) = (wire(TrackSource::Microphone), wire(TrackSource::Camera));
        let mut sound = Track::new(self.sender, voice::PAYLOAD_TYPE);
        let mut pictures = Track::new(self.sender, picture::PAYLOAD_TYPE);
        let mut pace = interval(TICK);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let started = Instant::now();
        let mut last_key: Option<Instant> = None;
        let mut key_wanted = true;
        let mut frame = 0;
        for tick in 0_u64.. {
            tokio::select! {
                biased;
                () = self.key_frame.notified() => key_wanted = true,
                _ = pace.tick() => {}
            }
            let elapsed_us = started.elapsed().as_micros() as u64;
            if let Some(wire) = &microphone {
                let timestamp = (elapsed_us * 48 / 1_000) as u32;
                sound.sound(wire, timestamp).await;
            }
            let picture_bps = *self.picture_bps.borrow();
            let Some(wire) = camera.as_ref().filter(|_| tick.is_multiple_of(2)) else {
                continue;
            };
            if picture_bps == 0 {
                // Whoever looks on is to get a whole picture first, when there is one again.
                key_wanted = true;
                continue;
            }
            let key = key_wanted && last_key.is_none_or(|at| at.elapsed() >= KEY_FRAME_PAUSE);
            if key {
                (last_key, key_wanted) = (Some(Instant::now()), false);
            }
            frame += 1;
            let usual = (picture_bps / 25 / 8) as usize;
            let bytes = if key { usual * KEY_FRAME } else { usual };
            let timestamp = (elapsed_us * 90 / 1_000) as u32;
            pictures.picture(wire, timestamp, frame, bytes, key).await;
        }
    }
}

/// The numbering of one track.
struct Track {
    sender: u32,
    payload_type: u8,
    number: u32,
}

impl Track {
    fn new(sender: u32, payload_type: u8) -> Self {
        Self {
            sender,
            payload_type,
            number: 0,
        }
    }

    async fn sound(&mut self, wire: &Wire, timestamp: u32) {
        let mut payload = BytesMut::with_capacity(SOUND);
        // TOC of Opus (RFC 6716, section 3.1): SILK wideband, 20 ms, mono, one frame.
        payload.put_u8(9 << 3);
        self.tag(false, false, 0, 1, 0).put(&mut payload);
        payload.resize(SOUND, 0);
        self.send(wire, timestamp, false, payload).await;
    }

    async fn picture(&mut self, wire: &Wire, timestamp: u32, frame: u32, bytes: usize, key: bool) {
        let room = LARGEST - DESCRIPTOR - FRAME_HEADER;
        let packets = bytes.div_ceil(room).clamp(1, 120);
        for index in 0..packets {
            let mut payload = BytesMut::with_capacity(LARGEST);
            let first = index == 0;
            payload.put_u8(if first { 0x90 } else { 0x80 });
            payload.put_u8(0x80);
            payload.put_u16(0x8000 | (frame & 0x7fff) as u16);
            if first {
                payload.put_slice(&frame_header(key));
            }
            let tag = self.tag(true, key, index as u16, packets as u16, frame);
            tag.put(&mut payload);
            let share = (bytes / packets).clamp(payload.len(), LARGEST);
            payload.resize(share, 0);
            let last = index + 1 == packets;
            self.send(wire, timestamp, last, payload).await;
        }
    }

    fn tag(&mut self, picture: bool, key: bool, index: u16, packets: u16, frame: u32) -> Tag {
        self.number += 1;
        Tag {
            sender: self.sender,
            picture,
            key,
            index,
            packets,
            number: self.number,
            frame,
            sent_us: clock_us(),
        }
    }

    async fn send(&self, wire: &Wire, timestamp: u32, marker: bool, payload: BytesMut) {
        let mut packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker,
                payload_type: self.payload_type,
                sequence_number: self.number as u16,
                timestamp,
                ssrc: wire.ssrc,
                ..rtp::Header::default()
            },
            payload: payload.freeze(),
        };
        let level = wire.level.map(|id| (id, Bytes::from_static(&[LEVEL])));
        for (id, value) in wire.mid.clone().into_iter().chain(level) {
            // An extension that does not fit is left out; the packet goes all the same.
            let _ = packet.header.set_extension(id, value);
        }
        // A connection that is going down ends the test, which its visitor sees.
        let _ = wire.track.write_rtp(packet).await;
    }
}

/// RFC 6386, section 9.1: shown, and for a key frame 640x360. Between key frames the same length
/// is zeros, which nobody decodes.
fn frame_header(key: bool) -> [u8; FRAME_HEADER] {
    if !key {
        return [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    }
    let ([w0, w1], [h0, h1]) = (640_u16.to_le_bytes(), 360_u16.to_le_bytes());
    [0x10, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_again_behind_what_the_server_may_rewrite() {
        let tag = Tag {
            sender: 7,
            picture: true,
            key: true,
            index: 2,
            packets: 3,
            number: 70_000,
            frame: 900,
            sent_us: 1 << 40,
        };
        for before in [0, 1, DESCRIPTOR, DESCRIPTOR + FRAME_HEADER] {
            let mut payload = BytesMut::new();
            payload.put_bytes(0x90, before);
            tag.put(&mut payload);
            assert_eq!(payload.len(), before + TAG);
            assert_eq!(Tag::read(&payload), Some(tag));
            assert_eq!(Tag::read(&payload[..before + TAG - 1]), None);
        }
        assert_eq!(Tag::read(&[0; 200]), None);
    }

    #[test]
    fn a_key_frame_looks_like_one() {
        let payload = |key| [&[0x90, 0x80, 0x80, 0x01][..], &frame_header(key)].concat();
        assert!(picture::begins_key_frame(&payload(true)));
        assert!(!picture::begins_key_frame(&payload(false)));
    }
}
