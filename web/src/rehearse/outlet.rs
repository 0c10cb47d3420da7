//! Where an encoder's packets go: onto whatever connection there is at the moment.

use super::voice;
use bytes::Bytes;
use rtc::{rtp, shared::marshal::Unmarshal};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU8, Ordering},
};
use tokio::sync::mpsc;
use webrtc::media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP};

/// A sending section of a live connection.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    /// Header extensions (RFC 8285) to write: the section's name (RFC 8843).
    pub(super) mid: Option<(u8, Bytes)>,
    /// Identifier of the audio level extension (RFC 6464), where the server takes it.
    pub(super) level: Option<u8>,
}

/// One source's way out. Encoders outlive connections: after a lost line the packets of the same
/// encoder continue on the next connection.
#[derive(Clone, Default)]
pub(super) struct Outlet {
    wire: Arc<Mutex<Option<Wire>>>,
}

impl Outlet {
    /// Sends on `wire` from now on, or nowhere.
    pub(super) fn connect(&self, wire: Option<Wire>) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = wire;
    }

    fn wire(&self) -> Option<Wire> {
        self.wire
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forwards packets until the encoder stops. `level` is the loudness of the sound going out.
    pub(super) async fn run(
        self,
        mut packets: mpsc::Receiver<Bytes>,
        level: Option<Arc<AtomicU8>>,
    ) {
        while let Some(mut octets) = packets.recv().await {
            let Some(wire) = self.wire() else { continue };
            let Ok(mut packet) = rtp::Packet::unmarshal(&mut octets) else {
                continue;
            };
            packet.header.ssrc = wire.ssrc;
            let extensions = [
                wire.mid.clone(),
                wire.level.zip(level.as_ref()).map(|(id, level)| {
                    let level = level.load(Ordering::Relaxed);
                    let voiced = if level < voice::VOICED { 0x80 } else { 0 };
                    (id, Bytes::copy_from_slice(&[voiced | level]))
                }),
            ];
            for (id, value) in extensions.into_iter().flatten() {
                // An extension that does not fit is left out; the packet goes all the same.
                let _ = packet.header.set_extension(id, value);
            }
            // A connection that is going down is replaced by the participant's own task.
            let _ = wire.track.write_rtp(packet).await;
        }
    }
}
