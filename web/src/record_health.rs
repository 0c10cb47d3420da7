//! Whether what is written for a track is what was said and shown: found faults, and the samples
//! of the record that they are found by.

use crate::recording::Recording;
use otyrys_media::{
    Codec, ShardHandle, TrackKey,
    recorder::{CheckError, Checker, FeedId, Heard, Seen},
};
use otyrys_signaling::RecordFault;
use otyrys_storage::{RecordSpool, SegmentFacts, StorageError, Tail};
use std::time::{Duration, Instant};
use tokio::{sync::mpsc, task::JoinError, time};
use tokio_util::sync::CancellationToken;

/// Chunks of sound that wait to be listened to, of all hearings; more are left out.
pub(crate) const SAMPLES: usize = 256;
/// A chunk of one track that is longer is left out.
const LONGEST_CHUNK: u64 = 4 << 20;

/// So much speech by the levels that the sender wrote, recorded as silence, is a fault: with chunks
/// of 0.6 s never one alone. With what is written late and the time until it is looked at the bench
/// knows within 3 s.
const UNHEARD: Duration = Duration::from_millis(800);
/// Sound that is never louder than this is digital silence: -74 dB of full scale. What counts as
/// speech is louder than -50 dB; a decoder makes less than -85 of silence.
const SILENCE: f32 = 0.000_2;

/// A track's time in the record is where its packets arrive, but for the network's delay.
const APART: Duration = Duration::from_secs(2);
/// For so long it may be elsewhere: the recorder itself mends a clock that jumps within 3 s.
const APART_FOR: Duration = Duration::from_secs(5);
/// So much time that came and has no room in the record is a fault: the clock stands still. With
/// chunks of 0.6 s never one alone.
const CROWDED: Duration = Duration::from_secs(1);
/// Of what comes so small a part may have no room: the recorder moves the time of a track that runs
/// fast by a thousandth.
const MARGIN: u32 = 20;

/// What is no picture must come again within so long to be more than a mistake ...
const MALFORMED_AGAIN: Duration = Duration::from_millis(1_500);
/// ... and go on for so long: the recorder tells it each second.
const MALFORMED_FOR: Duration = Duration::from_millis(800);

/// One picture of all that are recorded is looked at, or its sender asked for one, in so long.
const LOOK: Duration = Duration::from_secs(1);
/// After so long without a key frame the sender is asked for one: others come only to somebody who
/// joins or has lost something, and only of the layer that they get.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// So many key frames in a row that do not decode are a fault: one may be the sender's mistake.
const UNSEEN: u32 = 2;

/// How what is written for a track is. Time comes in with each call.
#[derive(Debug, Default)]
pub(crate) struct TrackHealth {
    /// Since when packets have come of which nothing was written.
    unwritten_since: Option<Instant>,
    /// Speech that is silence in the record, since something was heard.
    unheard: Duration,
    /// Since when its time in the record is elsewhere than its packets, and how long by now.
    apart: Option<(Instant, Duration)>,
    /// Where the newest chunk ended in the record, and when its newest packet came.
    newest: Option<(Instant, Instant)>,
    /// Time that came and has no room in the record.
    crowded: Duration,
    /// Since when what came is no picture, and when it last did.
    malformed: Option<(Instant, Instant)>,
    /// Where the newest picture lies that nobody has looked at.
    unseen: Option<Chunk>,
    /// When a picture was looked at, or asked for.
    turn: Option<Instant>,
    /// Something was written since.
    grows: bool,
    /// Key frames that did not decode, since one did.
    undecoded: u32,
}

/// A chunk of a file of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) facts: SegmentFacts,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// What is to be done next about the recorded pictures.
#[derive(Debug)]
pub(crate) enum Turn {
    Look(Sample),
    /// The sender is to be asked for a picture that stands by itself.
    Ask(TrackKey),
}

/// A chunk that is to be listened to or looked at.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) feed: FeedId,
    pub(crate) codec: Codec,
    pub(crate) chunk: Chunk,
    /// How much of it is speech.
    pub(crate) speech: Duration,
}

impl TrackHealth {
    /// A packet came.
    pub(crate) fn came(&mut self, at: Instant) {
        self.unwritten_since.get_or_insert(at);
    }

    /// Nothing can be written yet, and it is the sender who keeps the recorder waiting, perhaps with
    /// what is no picture.
    pub(crate) fn waits(&mut self, malformed: bool, now: Instant) {
        self.unwritten_since = None;
        if malformed {
            let run = self
                .malformed
                .filter(|(_, last)| now < *last + MALFORMED_AGAIN);
            self.malformed = Some((run.map_or(now, |(since, _)| since), now));
        }
    }

    /// A chunk was written whose newest packet came at `arrived`; it ends at a moment of the record,
    /// and was to fill so much time.
    pub(crate) fn written(&mut self, ends: Instant, arrived: Instant, fills: Duration) {
        self.unwritten_since = None;
        self.grows = true;
        if let Some((last_end, last_arrival)) = self.newest.replace((ends, arrived)) {
            // What the network held back comes in less time than it plays.
            let came = fills.min(arrived.saturating_duration_since(last_arrival));
            let room = ends.saturating_duration_since(last_end) + came / MARGIN;
            self.crowded = (self.crowded + came).saturating_sub(room);
        }
        let apart = ends
            .saturating_duration_since(arrived)
            .max(arrived.saturating_duration_since(ends));
        self.apart = (apart > APART).then(|| {
            let since = self.apart.map_or(arrived, |(since, _)| since);
            (since, arrived.saturating_duration_since(since))
        });
    }

    /// A chunk has a picture that stands by itself.
    pub(crate) fn shows(&mut self, chunk: Chunk) {
        self.unseen = Some(chunk);
    }

    /// Whether it is this picture's turn, and how urgently: the least first.
    pub(crate) fn is_due(&self, now: Instant) -> Option<(bool, Option<Instant>)> {
        let doubted = self.undecoded > 0;
        let after = if doubted { LOOK } else { LOOK_AGAIN };
        let waits = self
            .turn
            .is_some_and(|at| now.saturating_duration_since(at) >= after);
        (self.unseen.is_some() || (waits && self.grows)).then_some((!doubted, self.turn))
    }

    /// It is this picture's turn. Nothing: there is none to look at, and one is asked for.
    pub(crate) fn take_turn(&mut self, now: Instant) -> Option<Chunk> {
        self.turn = Some(now);
        self.grows = false;
        self.unseen.take()
    }

    /// A chunk was listened to in which there is so much speech.
    pub(crate) fn heard(&mut self, speech: Duration, heard: Heard) {
        if heard.peak > SILENCE {
            self.unheard = Duration::ZERO;
        } else {
            self.unheard += speech;
        }
    }

    /// A picture was looked at.
    pub(crate) fn saw(&mut self, seen: Seen) {
        match seen {
            Seen::Picture => self.undecoded = 0,
            Seen::Nothing => self.undecoded += 1,
            Seen::Unknown => {}
        }
    }

    /// What is wrong, if anything. Packets may come for so long as is `allowed` without being
    /// written.
    pub(crate) fn fault(&self, now: Instant, allowed: Duration) -> Option<RecordFault> {
        let (unwritten, apart) = (self.unwritten_since, self.apart);
        let malformed = self
            .malformed
            .filter(|(_, last)| now < *last + MALFORMED_AGAIN);
        if unwritten.is_some_and(|since| now.saturating_duration_since(since) > allowed) {
            Some(RecordFault::TrackNotWritten)
        } else if self.unheard >= UNHEARD {
            Some(RecordFault::Silence)
        } else if self.crowded >= CROWDED || apart.is_some_and(|(_, long)| long >= APART_FOR) {
            Some(RecordFault::Clock)
        } else if self.undecoded >= UNSEEN
            || malformed.is_some_and(|(since, last)| last >= since + MALFORMED_FOR)
        {
            Some(RecordFault::Picture)
        } else {
            None
        }
    }
}

/// Why a sample says nothing.
#[derive(Debug, thiserror::Error)]
enum SampleError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("what was written a moment ago is damaged on the disk")]
    Damaged,
    #[error("a reader of the record ended: {0}")]
    Reader(#[from] JoinError),
}

/// Listens to and looks at what is recorded, until told to stop. One sample at a time: however much
/// is recorded, no more than one core decodes it.
pub(crate) async fn watch(
    recording: Recording,
    spool: RecordSpool,
    shard: ShardHandle,
    mut checker: Checker,
    mut samples: mpsc::Receiver<Sample>,
    stop: CancellationToken,
) {
    let mut look = time::interval(LOOK);
    look.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        let sample = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            sample = samples.recv() => match sample {
                Some(sample) => sample,
                None => return,
            },
            _ = look.tick() => match recording.next_picture(Instant::now()) {
                Some(Turn::Look(sample)) => sample,
                Some(Turn::Ask(key)) => {
                    // Asked again when its turn comes.
                    let _busy = shard.request_keyframe(key);
                    continue;
                }
                None => continue,
            },
        };
        let hearing = sample.chunk.facts.hearing;
        if let Err(error) = take(&recording, &spool, &shard, &mut checker, sample).await {
            tracing::error!(hearing.id = %hearing, %error, "what is recorded is not being checked");
        }
    }
}

async fn take(
    recording: &Recording,
    spool: &RecordSpool,
    shard: &ShardHandle,
    checker: &mut Checker,
    sample: Sample,
) -> Result<(), SampleError> {
    let Sample {
        feed,
        codec,
        chunk,
        speech,
    } = sample;
    if chunk.len > LONGEST_CHUNK {
        return Ok(());
    }
    let spool = spool.clone();
    let read = tokio::task::spawn_blocking(move || {
        spool.read_from(&chunk.facts, chunk.offset, chunk.len as usize)
    });
    let Tail {
        bytes, damaged_to, ..
    } = read.await??;
    if damaged_to.is_some() {
        return Err(SampleError::Damaged);
    }
    if codec == Codec::Opus {
        let heard = checker.listen(&bytes).await?;
        recording.with_health(feed, |health| health.heard(speech, heard));
        return Ok(());
    }
    let seen = checker.look(codec, &bytes).await?;
    let key = recording.with_health(feed, |health| health.saw(seen));
    if let Some(key) = key.filter(|_| seen == Seen::Nothing) {
        // Whether the next one is broken too is known as soon as it comes.
        let _busy = shard.request_keyframe(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use otyrys_storage::ids::{HearingId, ParticipantId, SegmentId};
    use proptest::prelude::*;

    const ALLOWED: Duration = Duration::from_secs(3);
    /// As the recorder writes it.
    const CHUNK: Duration = Duration::from_millis(600);

    fn fault(health: &TrackHealth, now: Instant) -> Option<RecordFault> {
        health.fault(now, ALLOWED)
    }

    fn a_chunk() -> Chunk {
        let facts = SegmentFacts {
            segment: SegmentId::generate(),
            hearing: HearingId::generate(),
            participant: ParticipantId::generate(),
            source: "camera".to_owned(),
            codec: "vp8".to_owned(),
            starts_ms: 0,
        };
        Chunk {
            facts,
            offset: 0,
            len: 1,
        }
    }

    #[test]
    fn a_file_that_does_not_grow_while_packets_come_is_a_fault_after_the_allowed_time() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        health.came(now);
        health.came(now + ALLOWED);
        assert_eq!(fault(&health, now + ALLOWED), None);
        let later = now + ALLOWED + Duration::from_millis(1);
        assert_eq!(fault(&health, later), Some(RecordFault::TrackNotWritten));
        health.written(later, later, CHUNK);
        assert_eq!(fault(&health, later), None);
    }

    #[test]
    fn speech_that_is_recorded_as_silence_is_a_fault_and_one_word_of_it_is_not() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        let silence = Heard { peak: 0.0 };
        health.heard(CHUNK, silence);
        assert_eq!(fault(&health, now), None);
        health.heard(CHUNK, Heard { peak: 0.003 });
        health.heard(CHUNK, silence);
        assert_eq!(fault(&health, now), None);
        health.heard(CHUNK, silence);
        assert_eq!(fault(&health, now), Some(RecordFault::Silence));
    }

    #[test]
    fn time_that_is_elsewhere_in_the_record_is_a_fault_and_packets_held_back_are_none() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        let after = |ms| now + Duration::from_millis(ms);
        for ms in (0..30_000).step_by(600) {
            // For 3 s all comes 2.5 s late.
            let late = if (10_000..13_000).contains(&ms) {
                2_500
            } else {
                50
            };
            health.written(after(ms), after(ms + late), CHUNK);
            assert_eq!(fault(&health, after(ms)), None);
        }
        for ms in (30_000..35_000).step_by(600) {
            health.written(after(ms + 2_100), after(ms), CHUNK);
            assert_eq!(fault(&health, after(ms)), None);
        }
        health.written(after(37_200), after(35_100), CHUNK);
        assert_eq!(fault(&health, after(35_100)), Some(RecordFault::Clock));
    }

    #[test]
    fn a_clock_that_stands_still_is_a_fault_within_3_s_and_one_that_is_moved_slowly_is_none() {
        let (mut health, mut now) = (TrackHealth::default(), Instant::now());
        let mut ends = now;
        for _ in 0..10_000 {
            (now, ends) = (now + CHUNK, ends + CHUNK - CHUNK / 1_000);
            // As if the place followed at last: it is the pace that is looked at here.
            health.written(ends, now, CHUNK);
            health.apart = None;
            assert_eq!(fault(&health, now), None);
        }
        health.written(ends, now + CHUNK, CHUNK);
        assert_eq!(fault(&health, now + CHUNK), None);
        health.written(ends, now + 2 * CHUNK, CHUNK);
        let fault = fault(&health, now + 2 * CHUNK);
        assert_eq!(fault, Some(RecordFault::Clock));
    }

    #[test]
    fn what_is_no_picture_is_a_fault_when_it_goes_on_and_over_when_it_does_not() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        let after = |ms| now + Duration::from_millis(ms);
        for ms in [0, 10_000] {
            health.waits(true, after(ms));
            assert_eq!(fault(&health, after(ms + 1_400)), None, "a single mistake");
        }
        for ms in [20_000, 20_500] {
            health.waits(true, after(ms));
            health.written(after(ms), after(ms), Duration::ZERO);
            assert_eq!(fault(&health, after(ms)), None);
        }
        health.waits(true, after(21_000));
        let fault_at = |ms| fault(&health, after(ms));
        assert_eq!(fault_at(22_000), Some(RecordFault::Picture));
        assert_eq!(fault_at(22_500), None, "whole again, or nothing comes");
    }

    proptest! {
        #[test]
        fn what_a_network_holds_back_for_less_than_2_s_has_room(
            delays_ms in prop::collection::vec(0u64..1_900, 1..200),
        ) {
            let (mut health, begin) = (TrackHealth::default(), Instant::now());
            let mut arrived = begin;
            for (number, delay) in delays_ms.into_iter().enumerate() {
                let ends = begin + CHUNK * number as u32;
                arrived = arrived.max(ends + Duration::from_millis(delay));
                health.written(ends, arrived, CHUNK);
                prop_assert_eq!(fault(&health, arrived), None);
            }
        }
    }

    #[test]
    fn a_picture_without_key_frames_is_asked_for_one_as_long_as_it_comes() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let (chunk, again) = (a_chunk(), LOOK_AGAIN.as_secs());
        let written = |health: &mut TrackHealth, at| health.written(at, at, Duration::ZERO);
        written(&mut health, now);
        assert_eq!(health.is_due(after(60)), None, "it begins with one");
        health.shows(chunk.clone());
        assert!(health.is_due(now).is_some());
        assert_eq!(health.take_turn(now), Some(chunk));
        health.saw(Seen::Picture);
        assert_eq!(health.is_due(after(60)), None, "the camera is off");
        written(&mut health, after(1));
        assert_eq!(health.is_due(after(again - 1)), None);
        assert!(health.is_due(after(again)).is_some());
        assert_eq!(health.take_turn(after(again)), None);
        written(&mut health, after(again));
        assert_eq!(health.is_due(after(again + 1)), None, "asked a moment ago");
    }

    #[test]
    fn a_picture_that_did_not_decode_comes_before_all_others() {
        let (mut doubted, mut other, now) = (
            TrackHealth::default(),
            TrackHealth::default(),
            Instant::now(),
        );
        let after = |seconds| now + Duration::from_secs(seconds);
        for health in [&mut doubted, &mut other] {
            health.shows(a_chunk());
            health.take_turn(now);
        }
        doubted.saw(Seen::Nothing);
        doubted.take_turn(after(1));
        doubted.written(after(1), after(1), Duration::ZERO);
        other.shows(a_chunk());
        assert!(
            doubted.is_due(after(2)).expect("asked again") < other.is_due(after(2)).expect("due")
        );
    }

    #[test]
    fn a_key_frame_that_does_not_decode_twice_in_a_row_is_a_fault() {
        let (mut health, now) = (TrackHealth::default(), Instant::now());
        health.saw(Seen::Nothing);
        assert_eq!(fault(&health, now), None);
        health.saw(Seen::Picture);
        health.saw(Seen::Nothing);
        health.saw(Seen::Unknown);
        assert_eq!(fault(&health, now), None);
        health.saw(Seen::Nothing);
        assert_eq!(fault(&health, now), Some(RecordFault::Picture));
    }
}
