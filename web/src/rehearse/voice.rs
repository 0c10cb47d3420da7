//! A participant's voice: silence, and recordings when they speak, as Opus in RTP.

use super::{
    RehearseError,
    clips::SAMPLE_RATE,
    encoder::{Encoder, MTU, PACKET_QUEUE},
};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Payload type of Opus: the one that every browser offers.
pub(super) const PAYLOAD_TYPE: u8 = 111;
/// One Opus frame.
const FRAME: Duration = Duration::from_millis(20);
/// Samples in it.
const FRAME_SAMPLES: usize = SAMPLE_RATE as usize / 50;
/// RFC 6464: level of digital silence, -dBov.
const SILENT: u8 = 127;
/// Louder than this is speech: the recordings' pauses are below -50 dBov, their words above -40.
pub(super) const VOICED: u8 = 45;
/// Recordings that may wait to be spoken.
const SPEECH_QUEUE: usize = 8;

/// A live microphone made of recordings.
pub(super) struct Voice {
    speech: mpsc::Sender<Speech>,
    level: Arc<AtomicU8>,
    _stop: DropGuard,
    _feeder: JoinHandle<()>,
}

struct Speech {
    samples: Vec<i16>,
    said: oneshot::Sender<()>,
}

impl Voice {
    /// Starts sending silence. Packets come out of the receiver at 50 a second.
    pub(super) fn start() -> Result<(Self, mpsc::Receiver<Bytes>), RehearseError> {
        let (packets, receiver) = mpsc::channel(PACKET_QUEUE);
        let encoder = Encoder::build(
            &format!(
                "appsrc name=samples is-live=true format=time block=false max-buffers=50 \
                 caps=audio/x-raw,format=S16LE,rate={SAMPLE_RATE},channels=1,layout=interleaved \
                 ! opusenc frame-size=20 audio-type=voice bitrate=32000 complexity=3 \
                 ! rtpopuspay pt={PAYLOAD_TYPE} mtu={MTU} ! appsink name=packets sync=false",
            ),
            packets,
        )?;
        let source = encoder
            .element("samples")?
            .downcast::<gst_app::AppSrc>()
            .map_err(|_| RehearseError::encoder("the first element is no appsrc"))?;
        encoder.play()?;
        let (speech, queue) = mpsc::channel(SPEECH_QUEUE);
        let level = Arc::new(AtomicU8::new(SILENT));
        let stop = CancellationToken::new();
        let feeder = Feeder {
            _encoder: encoder,
            source,
            queue,
            level: level.clone(),
        };
        let task = tokio::spawn(feeder.run(stop.clone()));
        Ok((
            Self {
                speech,
                level,
                _stop: stop.drop_guard(),
                _feeder: task,
            },
            receiver,
        ))
    }

    /// Speaks after whatever is being spoken; answers when the last frame has gone out.
    ///
    /// # Errors
    /// [`RehearseError::Encoder`] when the voice has stopped.
    pub(super) async fn speak(&self, samples: Vec<i16>) -> Result<(), RehearseError> {
        let (said, done) = oneshot::channel();
        let gone = |_| RehearseError::encoder("the voice has stopped");
        self.speech
            .send(Speech { samples, said })
            .await
            .map_err(|_| gone(()))?;
        done.await.map_err(|_| gone(()))
    }

    /// Loudness of the frame that is going out: RFC 6464 -dBov, 0 to 127.
    pub(super) fn level(&self) -> Arc<AtomicU8> {
        self.level.clone()
    }
}

/// Hands frames to the encoder at the pace of real time.
struct Feeder {
    _encoder: Encoder,
    source: gst_app::AppSrc,
    queue: mpsc::Receiver<Speech>,
    level: Arc<AtomicU8>,
}

impl Feeder {
    async fn run(mut self, stop: CancellationToken) {
        let mut pace = interval(FRAME);
        // After a stall of the machine the missing frames follow at once: real time is real time,
        // and a track that fell behind would drift against the others for ever.
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut speaking: Option<(VecDeque<i16>, oneshot::Sender<()>)> = None;
        for frame in 0_u64.. {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = pace.tick() => {}
            }
            if speaking.is_none() {
                match self.queue.try_recv() {
                    Ok(speech) => speaking = Some((speech.samples.into(), speech.said)),
                    Err(mpsc::error::TryRecvError::Empty) => {}
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                }
            }
            let mut samples = [0_i16; FRAME_SAMPLES];
            if let Some((mut left, said)) = speaking.take() {
                for (slot, sample) in samples.iter_mut().zip(left.iter()) {
                    *slot = *sample;
                }
                left.drain(..FRAME_SAMPLES.min(left.len()));
                if left.is_empty() {
                    // Nobody waits for the end when the speaker was interrupted.
                    let _ = said.send(());
                } else {
                    speaking = Some((left, said));
                }
            }
            self.level.store(level(&samples), Ordering::Relaxed);
            if self.source.push_buffer(buffer(&samples, frame)).is_err() {
                tracing::warn!("the encoder of a rehearsal voice stopped");
                return;
            }
        }
    }
}

fn buffer(samples: &[i16], frame: u64) -> gst::Buffer {
    let octets: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let mut buffer = gst::Buffer::from_mut_slice(octets);
    if let Some(buffer) = buffer.get_mut() {
        let length = gst::ClockTime::from_mseconds(FRAME.as_millis() as u64);
        buffer.set_pts(length * frame);
        buffer.set_duration(length);
    }
    buffer
}

/// RFC 6464, section 3: loudness relative to the loudest possible, -dBov.
fn level(samples: &[i16]) -> u8 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    let rms = (energy / samples.len().max(1) as f64).sqrt();
    if rms < 1.0 {
        return SILENT;
    }
    (-20.0 * (rms / 32_768.0).log10())
        .round()
        .clamp(0.0, f64::from(SILENT)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_full_scale_square_is_the_loudest_and_zeros_are_silence() {
        assert_eq!(level(&[i16::MAX, i16::MIN, i16::MAX, i16::MIN]), 0);
        assert_eq!(level(&[0; 320]), 127);
        assert_eq!(level(&[]), 127);
        assert_eq!(level(&[328, -328]), 40);
    }

    #[tokio::test]
    async fn frames_go_out_at_the_pace_of_real_time_and_speech_ends_when_it_was_said() {
        let (voice, mut packets) = Voice::start().unwrap();
        let counter = tokio::spawn(async move {
            let (mut count, mut last) = (0_u32, None::<u32>);
            while let Some(packet) = packets.recv().await {
                let time = u32::from_be_bytes(packet[4..8].try_into().unwrap());
                // The first frame is shorter by the encoder's pre-skip (RFC 7845, section 4.2).
                if let Some(last) = last.filter(|_| count > 1) {
                    assert_eq!(time.wrapping_sub(last), 960, "20 ms at 48 kHz");
                }
                assert_eq!(packet[1] & 0x7f, PAYLOAD_TYPE);
                (count, last) = (count + 1, Some(time));
            }
            count
        });
        let began = Instant::now();
        let loud: Vec<i16> = (0..SAMPLE_RATE as i32)
            .map(|n| ((n % 32 - 16) * 900) as i16)
            .collect();
        voice.speak(loud).await.unwrap();
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(950),
            "a second of sound took {took:?}"
        );
        assert!(
            took < Duration::from_millis(1600),
            "a second of sound took {took:?}"
        );
        drop(voice);
        let count = counter.await.unwrap();
        assert!((40..=90).contains(&count), "{count} packets in {took:?}");
    }
}
