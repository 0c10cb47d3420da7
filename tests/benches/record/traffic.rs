//! Packets of voices and pictures at the real time.

use crate::Outcome;
use bytes::Bytes;
use otyrys_media::recorder::{FeedId, FeedInfo, RecorderHandle, SenderClock};
use otyrys_media::{Codec, RecordedPacket, SessionId, Source, TrackKey};
use std::time::{Duration, Instant};

/// Of a voice (50) and of a picture (25 frames of 4 packets), on average.
pub(crate) const PACKETS_A_SECOND: f64 = 75.0;

const STEP: Duration = Duration::from_millis(20);
/// A picture comes with every second step.
const FRAME_STEPS: u64 = 2;
const FRAME_PACKETS: u64 = 4;
const VOICE_BYTES: usize = 80;
const PICTURE_BYTES: usize = 1_100;
/// A key frame each 4 s.
const KEY_FRAMES: u64 = 100;

/// What sends the packets of all tracks.
pub(crate) struct Traffic {
    recorder: RecorderHandle,
    tracks: u64,
    began: Instant,
    step: u64,
    refused: u64,
    voice: Bytes,
    /// The packets of a key frame, and of another one.
    frames: [Vec<Bytes>; 2],
}

impl Traffic {
    /// Starts a feed for each track; every second one is a picture.
    pub(crate) fn start(recorder: RecorderHandle, tracks: u64) -> Outcome<Self> {
        let began = Instant::now();
        for track in 0..tracks {
            let info = FeedInfo {
                codec: codec(track),
                epoch: began,
                clock: SenderClock::default(),
            };
            recorder.start(FeedId(track), info)?;
        }
        let mut voice = vec![0xA5; VOICE_BYTES];
        // CELT, 20 ms (RFC 6716, section 3.1).
        voice[0] = 0x78;
        Ok(Self {
            recorder,
            tracks,
            began,
            step: 0,
            refused: 0,
            voice: voice.into(),
            frames: [frame(true), frame(false)],
        })
    }

    /// Sends for so long.
    pub(crate) fn run(mut self, length: Duration) -> Outcome<Self> {
        let steps = (length.as_millis() / STEP.as_millis()) as u64;
        for _ in 0..steps {
            let due = self.began + STEP * u32::try_from(self.step)?;
            let early = due.saturating_duration_since(Instant::now());
            std::thread::park_timeout(early);
            for track in 0..self.tracks {
                self.send(track, due);
            }
            self.step += 1;
        }
        Ok(self)
    }

    /// Packets that the recorder did not take.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn stop(self) -> Outcome<()> {
        for track in 0..self.tracks {
            self.recorder.stop(FeedId(track))?;
        }
        Ok(())
    }

    fn send(&mut self, track: u64, arrival: Instant) {
        let codec = codec(track);
        if codec == Codec::Opus {
            self.give(track, self.step, self.step * 960, false, 0, arrival);
            return;
        }
        // Not all of them in the same step, as people's cameras are not in step.
        let turn = self.step + track / 2;
        if turn.is_multiple_of(FRAME_STEPS) {
            let frame = self.step / FRAME_STEPS;
            let is_key = (frame + track).is_multiple_of(KEY_FRAMES) || frame == 0;
            for part in 0..FRAME_PACKETS {
                let seq = frame * FRAME_PACKETS + part;
                self.give(track, seq, frame * 3_600, is_key, part, arrival);
            }
        }
    }

    fn give(&mut self, track: u64, seq: u64, ticks: u64, key: bool, part: u64, arrival: Instant) {
        let codec = codec(track);
        let payload = match codec {
            Codec::Opus => self.voice.clone(),
            _ => self.frames[usize::from(!key)][part as usize].clone(),
        };
        let packet = RecordedPacket {
            track: TrackKey {
                session: SessionId(track),
                source: match codec {
                    Codec::Opus => Source::Microphone,
                    _ => Source::Camera,
                },
            },
            kind: codec.kind(),
            codec,
            stream: 1,
            seq: 1_000 + seq,
            timestamp: 100_000 + ticks,
            clock_rate_hz: codec.clock_rate_hz(),
            arrival,
            marker: part + 1 == FRAME_PACKETS,
            level: None,
            payload,
            sender_report: None,
        };
        if self.recorder.packet(FeedId(track), packet).is_err() {
            self.refused += 1;
        }
    }
}

fn codec(track: u64) -> Codec {
    if track.is_multiple_of(2) {
        Codec::Opus
    } else {
        Codec::Vp8
    }
}

/// The packets of a VP8 frame (RFC 7741, section 4).
fn frame(key: bool) -> Vec<Bytes> {
    (0..FRAME_PACKETS)
        .map(|part| {
            let mut payload = vec![0xA5; PICTURE_BYTES];
            payload[0] = if part == 0 { 0x10 } else { 0 };
            if part == 0 {
                // The frame's tag, and behind it start code and size of a key frame (RFC 6386,
                // section 9.1).
                payload[1] = if key { 0x10 } else { 0x11 };
                payload[4..11].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]);
            }
            payload.into()
        })
        .collect()
}
