//! What a participant receives, counted for each track.

use super::{peer::Listener, picture::begins_key_frame};
use otyrys_signaling::{TrackRef, TrackSource, wire::Slot};
use rtc::rtp;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// What has arrived of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackStats {
    /// RTP packets.
    pub packets: u64,
    /// Octets of their payloads.
    pub bytes: u64,
    /// Packets that begin a VP8 key frame.
    pub key_frames: u64,
    /// When the last packet arrived.
    pub last: Option<Instant>,
}

/// Counts packets by the section they arrive on, and names them by what the server said arrives
/// there.
#[derive(Debug, Default)]
pub(super) struct Reception {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Section names of the peer connection's transceivers.
    mids: HashMap<usize, String>,
    tracks: HashMap<String, TrackRef>,
    stats: BTreeMap<TrackRef, TrackStats>,
}

impl Reception {
    /// What arrives where. Replaces all earlier ones.
    pub(super) fn slots(&self, slots: Vec<Slot>) {
        self.state().tracks = slots
            .into_iter()
            .filter_map(|slot| Some((slot.mid, slot.track?)))
            .collect();
    }

    /// A packet arrived on a transceiver. What arrives where nothing is announced is the tail of
    /// a track that was just taken away: it belongs to nobody and is not counted.
    fn payload(&self, transceiver: usize, payload: &[u8]) {
        let mut state = self.state();
        let track = state
            .mids
            .get(&transceiver)
            .and_then(|mid| state.tracks.get(mid))
            .copied();
        let Some(track) = track else { return };
        let stats = state.stats.entry(track).or_default();
        stats.packets += 1;
        stats.bytes += payload.len() as u64;
        stats.last = Some(Instant::now());
        if track.source != TrackSource::Microphone && begins_key_frame(payload) {
            stats.key_frames += 1;
        }
    }

    /// Everything counted so far.
    pub(super) fn stats(&self) -> BTreeMap<TrackRef, TrackStats> {
        self.state().stats.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters stay meaningful whatever a panicking task did between two of them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Reception {
    fn sections(&self, mids: HashMap<usize, String>) {
        self.state().mids = mids;
    }

    fn packet(&self, transceiver: usize, packet: &rtp::Packet) -> bool {
        self.payload(transceiver, &packet.payload);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otyrys_storage::ids::ParticipantId;

    #[test]
    fn packets_are_counted_for_the_track_that_was_announced_on_their_section() {
        let judge = TrackRef {
            participant: ParticipantId::generate(),
            source: TrackSource::Camera,
        };
        let reception = Reception::default();
        reception.sections(HashMap::from([(3, "v0".to_owned()), (4, "v1".to_owned())]));
        reception.payload(3, &[0x10, 0x00]);
        assert!(reception.stats().is_empty(), "nothing was announced yet");
        reception.slots(vec![
            Slot {
                mid: "v0".into(),
                track: Some(judge),
            },
            Slot {
                mid: "v1".into(),
                track: None,
            },
        ]);
        reception.payload(3, &[0x10, 0x00]);
        reception.payload(3, &[0x10, 0x01, 0x02]);
        reception.payload(4, &[0x10, 0x00]);
        let stats = reception.stats();
        assert_eq!(stats.len(), 1);
        assert_eq!((stats[&judge].packets, stats[&judge].bytes), (2, 5));
        assert_eq!(stats[&judge].key_frames, 1);
    }
}
