//! Whether everything that ought to be written is being written.

use otyrys_media::SessionId;
use otyrys_signaling::{Graph, Sink, TrackRef};
use otyrys_storage::ids::{ParticipantId, SegmentId};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};
use tokio::time::Instant;

/// A fault is shown for at least so long: the bench must see why it left the record, also when the
/// disk takes bytes again at once.
const SHOWN: Duration = Duration::from_secs(5);

/// What is known of one hearing's record at this moment.
#[derive(Debug, Default)]
pub(super) struct RecordWatch {
    /// Tracks whose packets arrive now.
    flowing: HashSet<(SessionId, TrackRef)>,
    /// Tracks that arrive and ought to be written but are not, and since when.
    unwritten: HashMap<TrackRef, Instant>,
    open: HashMap<TrackRef, OpenSegment>,
    fault_since: Option<Instant>,
    /// Who speaks by the levels of their packets, of the loudest.
    speaking: BTreeSet<ParticipantId>,
}

/// A file of the record that is being written.
#[derive(Debug, Clone, Copy)]
struct OpenSegment {
    segment: SegmentId,
    starts_ms: u64,
}

impl RecordWatch {
    /// Packets of a track began to come, or ceased to.
    pub(super) fn flows(&mut self, session: SessionId, track: TrackRef, flowing: bool) {
        if flowing {
            self.flowing.insert((session, track));
        } else {
            self.flowing.remove(&(session, track));
        }
    }

    /// A session ended.
    pub(super) fn session_ended(&mut self, session: SessionId) {
        self.flowing.retain(|(of, _)| *of != session);
    }

    /// A file was begun.
    pub(super) fn opened(&mut self, track: TrackRef, segment: SegmentId, starts_ms: u64) {
        self.open.insert(track, OpenSegment { segment, starts_ms });
    }

    /// A file was ended or is lost; says where on the record it began.
    pub(super) fn closed(&mut self, track: TrackRef, segment: SegmentId) -> Option<u64> {
        // A newer file of the same track may be open already.
        if self.open.get(&track)?.segment != segment {
            return None;
        }
        self.open.remove(&track).map(|open| open.starts_ms)
    }

    /// The people whose tracks are being written.
    pub(super) fn recorded(&self) -> BTreeSet<ParticipantId> {
        self.open.keys().map(|track| track.participant).collect()
    }

    /// A track that has arrived for longer than `allowed` without being written, although the
    /// graph has it recorded.
    pub(super) fn missed(
        &mut self,
        graph: &Graph,
        now: Instant,
        allowed: Duration,
    ) -> Option<TrackRef> {
        let missing: HashSet<TrackRef> = self
            .flowing
            .iter()
            .map(|(_, track)| *track)
            .filter(|track| !self.open.contains_key(track))
            .filter(|track| {
                graph
                    .get(track)
                    .is_some_and(|sinks| sinks.contains(&Sink::Recorder))
            })
            .collect();
        self.unwritten.retain(|track, _| missing.contains(track));
        for track in missing {
            self.unwritten.entry(track).or_insert(now);
        }
        let mut all = self.unwritten.iter();
        all.find(|(_, since)| now.duration_since(**since) > allowed)
            .map(|(track, _)| *track)
    }

    /// Who speaks is known anew.
    pub(super) fn speak(&mut self, speaking: BTreeSet<ParticipantId>) {
        self.speaking = speaking;
    }

    /// Whether a person speaks by the levels of their packets.
    pub(super) fn speaks(&self, participant: ParticipantId) -> bool {
        self.speaking.contains(&participant)
    }

    /// The session left the record because of a fault.
    pub(super) fn faulted(&mut self, now: Instant) {
        self.unwritten.clear();
        self.fault_since = Some(now);
    }

    /// Whether a fault has been shown long enough to be mended.
    pub(super) fn may_mend(&self, now: Instant) -> bool {
        self.fault_since
            .is_none_or(|since| now.duration_since(since) >= SHOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otyrys_signaling::TrackSource;

    fn voice() -> TrackRef {
        TrackRef {
            participant: ParticipantId::generate(),
            source: TrackSource::Microphone,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_track_that_arrives_unwritten_is_missed_after_the_allowed_time_and_not_before() {
        let (mut watch, track, allowed) = (RecordWatch::default(), voice(), Duration::from_secs(3));
        let graph = Graph::from([(track, [Sink::Recorder].into())]);
        watch.flows(SessionId(1), track, true);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(watch.missed(&graph, start, allowed), None);
        assert_eq!(watch.missed(&graph, after(3), allowed), None);
        assert_eq!(watch.missed(&graph, after(4), allowed), Some(track));
        watch.opened(track, SegmentId::generate(), 0);
        assert_eq!(watch.missed(&graph, after(5), allowed), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_to_be_recorded_is_not_missed() {
        let (mut watch, track) = (RecordWatch::default(), voice());
        watch.flows(SessionId(1), track, true);
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(watch.missed(&Graph::new(), later, Duration::ZERO), None);
    }

    #[test]
    fn an_older_file_that_ends_late_does_not_end_the_newer_one() {
        let (mut watch, track) = (RecordWatch::default(), voice());
        let (older, newer) = (SegmentId::generate(), SegmentId::generate());
        watch.opened(track, older, 0);
        watch.opened(track, newer, 5_000);
        assert_eq!(watch.closed(track, older), None);
        assert_eq!(watch.closed(track, newer), Some(5_000));
    }
}
