//! Whether everything that ought to be written is being written.

use otyrys_media::SessionId;
use otyrys_signaling::{Graph, RecordFault, Sink, TrackRef};
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
    /// The track whose fault it is, until its sender did something about it.
    stands: Option<TrackRef>,
    /// Who speaks by the levels of their packets, of the loudest.
    speaking: BTreeSet<ParticipantId>,
    /// Until when those spoke who do not now.
    spoke: HashMap<ParticipantId, Instant>,
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
            self.interrupted(track);
        }
    }

    /// A session ended.
    pub(super) fn session_ended(&mut self, session: SessionId) {
        let (ended, flowing) = self.flowing.drain().partition(|(of, _)| *of == session);
        self.flowing = flowing;
        let ended: HashSet<_> = ended;
        for (_, track) in ended {
            self.interrupted(track);
        }
    }

    /// A track is not what it was: its sender switched it off, left, or began anew.
    pub(super) fn interrupted(&mut self, track: TrackRef) {
        self.stands = self.stands.filter(|faulty| *faulty != track);
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
    pub(super) fn speak(&mut self, speaking: BTreeSet<ParticipantId>, now: Instant) {
        let before = std::mem::replace(&mut self.speaking, speaking);
        self.spoke
            .extend(before.into_iter().map(|person| (person, now)));
    }

    /// The session left the record because of a fault, perhaps of one track.
    pub(super) fn faulted(&mut self, track: Option<TrackRef>, now: Instant) {
        self.unwritten.clear();
        self.fault_since = Some(now);
        self.stands = track;
    }

    /// Whether a fault has been shown long enough to be mended, and what was found in a track is
    /// over: its sender did something about it, or for silence, was not heard for as long.
    pub(super) fn may_mend(&self, fault: RecordFault, now: Instant) -> bool {
        let long_ago = |since: &Instant| now.duration_since(*since) >= SHOWN;
        let over = match (fault, self.stands) {
            (RecordFault::Silence, Some(TrackRef { participant, .. })) => {
                !self.speaking.contains(&participant)
                    && self.spoke.get(&participant).is_none_or(long_ago)
            }
            (RecordFault::Clock | RecordFault::Picture, Some(_)) => false,
            _ => true,
        };
        over && self.fault_since.as_ref().is_none_or(long_ago)
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

    #[tokio::test(start_paused = true)]
    async fn what_was_found_in_a_track_stands_until_its_sender_did_something_about_it() {
        let (mut watch, track, other) = (RecordWatch::default(), voice(), voice());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        watch.flows(SessionId(1), track, true);
        watch.flows(SessionId(2), other, true);
        for fault in [RecordFault::Clock, RecordFault::Picture] {
            watch.faulted(Some(track), start);
            watch.session_ended(SessionId(2));
            assert!(!watch.may_mend(fault, after(60)), "{fault:?}");
        }
        watch.session_ended(SessionId(1));
        assert!(
            !watch.may_mend(RecordFault::Clock, after(4)),
            "not seen yet"
        );
        assert!(watch.may_mend(RecordFault::Clock, after(5)));
        watch.faulted(None, start);
        assert!(watch.may_mend(RecordFault::Disk, after(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn speech_that_is_silence_stands_until_it_was_not_heard_for_as_long_as_a_fault_is_shown()
    {
        let (mut watch, track) = (RecordWatch::default(), voice());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        watch.speak([track.participant].into(), start);
        watch.faulted(Some(track), start);
        assert!(!watch.may_mend(RecordFault::Silence, after(60)), "speaks");
        // Between two sentences.
        watch.speak(BTreeSet::new(), after(60));
        assert!(!watch.may_mend(RecordFault::Silence, after(64)));
        assert!(watch.may_mend(RecordFault::Silence, after(65)));
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
