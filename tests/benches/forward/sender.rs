//! What a publisher sends: a picture of 30 frames a second and 50 packets of sound.

use crate::mark::{self, Mark};
use std::time::{Duration, Instant};
use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{ExtensionValues, Mid, Pt};
use str0m::rtp::RtpWrite;

/// 120 packets a second of 1,140 bytes: 1.2 Mbit/s on the wire, a good camera picture.
const FRAME_INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / 30);
const PACKETS_OF_A_FRAME: usize = 4;
const VIDEO_PAYLOAD_BYTES: usize = 1_140;
const SOUND_INTERVAL: Duration = Duration::from_millis(20);
/// 32 kbit/s.
const SOUND_PAYLOAD_BYTES: usize = 80;

/// The packets that a publisher sends in a second.
pub(crate) const PACKETS_A_SECOND: u64 = 30 * PACKETS_OF_A_FRAME as u64 + 50;

/// One publisher's sound and picture.
#[derive(Debug)]
pub(crate) struct Sender {
    publisher: u32,
    number: u64,
    sound: Track,
    picture: Track,
    picture_id: u16,
    keyframe_wanted: bool,
}

#[derive(Debug)]
struct Track {
    mid: Mid,
    seq: u64,
    timestamp: u32,
    next_at: Instant,
}

impl Sender {
    /// Starts at `now`.
    pub(crate) fn new(publisher: u32, sound: Mid, picture: Mid, now: Instant) -> Self {
        let track = |mid, next_at| Track {
            mid,
            // Below 2^16: the count of wraps (RFC 3711) is not told to the receiver.
            seq: 1_000,
            timestamp: 0,
            next_at,
        };
        Self {
            publisher,
            number: 0,
            sound: track(sound, now),
            picture: track(picture, now),
            picture_id: 0,
            keyframe_wanted: true,
        }
    }

    /// The number of the next packet.
    pub(crate) fn next_number(&self) -> u64 {
        self.number
    }

    pub(crate) fn next_at(&self) -> Instant {
        self.sound.next_at.min(self.picture.next_at)
    }

    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Forgets what should have been sent while the load process did something else.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        self.sound.next_at = self.sound.next_at.max(now);
        self.picture.next_at = self.picture.next_at.max(now);
    }

    /// Writes what is due to the stack, which must be given the time and drained next.
    pub(crate) fn write_due(&mut self, rtc: &mut Rtc, now: Instant) {
        while self.sound.next_at <= now {
            self.write_sound(rtc, now);
            self.sound.next_at += SOUND_INTERVAL;
            self.sound.timestamp = self.sound.timestamp.wrapping_add(960);
        }
        while self.picture.next_at <= now {
            self.write_frame(rtc, now);
            self.picture.next_at += FRAME_INTERVAL;
            self.picture.timestamp = self.picture.timestamp.wrapping_add(3_000);
        }
    }

    fn write_sound(&mut self, rtc: &mut Rtc, now: Instant) {
        let extensions = ExtensionValues {
            audio_level: Some(-30),
            voice_activity: Some(true),
            ..ExtensionValues::default()
        };
        // The first byte says: 20 ms of wideband speech, one frame (RFC 6716, section 3.1).
        let payload = vec![0x48];
        let mark = self.next_mark();
        let packet = Packet {
            codec: Codec::Opus,
            payload: filled(payload, SOUND_PAYLOAD_BYTES, mark),
            marker: false,
            extensions,
        };
        packet.write(&mut self.sound, rtc, now);
    }

    fn write_frame(&mut self, rtc: &mut Rtc, now: Instant) {
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        let [high, low] = self.picture_id.to_be_bytes();
        for part in 0..PACKETS_OF_A_FRAME {
            // RFC 7741, section 4.2: X, and S in the first packet; I, L and T; a picture id of 15
            // bits.
            let first = part == 0;
            let start = if first { 0x90 } else { 0x80 };
            let mut payload = vec![start, 0xE0, high | 0x80, low, low, 0x20];
            match (first, keyframe) {
                // RFC 6386, section 9.1: shown, start code, 640 x 360.
                (true, true) => {
                    payload.extend([0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01]);
                }
                (true, false) => payload.extend([0x11, 0, 0]),
                (false, _) => {}
            }
            let mark = self.next_mark();
            let packet = Packet {
                codec: Codec::Vp8,
                payload: filled(payload, VIDEO_PAYLOAD_BYTES, mark),
                marker: part + 1 == PACKETS_OF_A_FRAME,
                extensions: ExtensionValues::default(),
            };
            packet.write(&mut self.picture, rtc, now);
        }
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }

    fn next_mark(&mut self) -> Mark {
        self.number += 1;
        Mark {
            publisher: self.publisher,
            number: self.number - 1,
            sent: mark::now(),
        }
    }
}

struct Packet {
    codec: Codec,
    payload: Vec<u8>,
    marker: bool,
    extensions: ExtensionValues,
}

impl Packet {
    fn write(self, track: &mut Track, rtc: &mut Rtc, now: Instant) {
        let Some(payload_type) = payload_type(rtc, track.mid, self.codec) else {
            return;
        };
        if let Some(stream) = rtc.direct_api().stream_tx_by_mid(track.mid, None) {
            let packet = RtpWrite::new(
                payload_type,
                track.seq.into(),
                track.timestamp,
                now,
                self.payload,
            )
            .marker(self.marker)
            .ext_vals(self.extensions)
            .nackable(self.codec == Codec::Vp8);
            stream.write_rtp(packet);
            track.seq += 1;
        }
    }
}

fn payload_type(rtc: &Rtc, mid: Mid, codec: Codec) -> Option<Pt> {
    let agreed = rtc.media(mid)?.remote_pts();
    rtc.codec_config()
        .params()
        .iter()
        .find(|params| params.spec().codec == codec && agreed.contains(&params.pt()))
        .map(|params| params.pt())
}

fn filled(mut payload: Vec<u8>, bytes: usize, mark: Mark) -> Vec<u8> {
    let mut end = Vec::new();
    mark.write(&mut end);
    payload.resize(bytes - end.len(), 0xA5);
    payload.extend(end);
    payload
}
