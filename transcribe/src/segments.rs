//! Cuts a track's sound into utterances for the recogniser.
//!
//! Pure: samples in, [`Segment`]s out; no clock, no file. The figures are those measured on
//! Russian read speech and telephone prompts before the first line was written.

use std::collections::VecDeque;

use earshot::{DefaultPredictor, Detector};

/// The rate of all sound in this crate, in samples a second.
pub const SAMPLE_RATE_HZ: u64 = 16_000;

const SAMPLES_PER_MS: u64 = SAMPLE_RATE_HZ / 1_000;

/// The detector's frame: 16 ms.
const FRAME: usize = 256;

/// Speech begins at this score or above...
const ON: f32 = 0.5;
/// ...and goes on until the score falls under this one.
const OFF: f32 = 0.35;

/// Frames in `ms`, rounded up.
const fn frames(ms: usize) -> usize {
    (ms * SAMPLES_PER_MS as usize).div_ceil(FRAME)
}

/// This much silence closes a segment: shorter cuts sentences at commas, longer makes the
/// reader wait.
const CLOSING_SILENCE: usize = frames(600);
/// A segment as long as this takes seconds to recognise, which the reader waits for...
pub(crate) const LONG_MS: u64 = 12_000;
const LONG: usize = frames(LONG_MS as usize);
/// ...so that it is closed where less silence is. At 12 s that was measured to cost no words (15.6 %
/// of Russian words wrong, 15.7 % without), at 8 s it did (16.5 %).
const CLOSING_SILENCE_WHEN_LONG: usize = frames(300);
/// From here on a breath will do...
const TOO_LONG: usize = frames(13_000);
const CLOSING_SILENCE_WHEN_TOO_LONG: usize = frames(150);
/// Less speech than this is a knock or a cough.
const MIN_SPEECH: usize = frames(200);
/// Sound kept before and after the speech: soft consonants score low.
const PAD: usize = frames(200);
/// ...and this is the longest segment: with its margin it fills an encoder's window of 832 positions.
/// whisper takes 30 s, and memory with the square of the length: 60 MB more for 25 s than for 16 s.
const LONGEST: usize = frames(14_080);
pub(crate) const LONGEST_SAMPLES: usize = LONGEST * FRAME;
/// A segment that grows too long is cut at its least likely frame after this.
const EARLIEST_CUT: usize = frames(12_000);

/// The silence that closes a segment of so many frames.
const fn closing_silence(length: usize) -> usize {
    match length {
        ..LONG => CLOSING_SILENCE,
        LONG..TOO_LONG => CLOSING_SILENCE_WHEN_LONG,
        TOO_LONG.. => CLOSING_SILENCE_WHEN_TOO_LONG,
    }
}

/// One utterance. Times are in milliseconds on the record clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Time of the first sample.
    pub start_ms: u64,
    /// Time just after the last sample.
    pub end_ms: u64,
    /// Where speech begins: after the padding before it.
    pub speech_start_ms: u64,
    /// Where speech ends: before the padding after it.
    pub speech_end_ms: u64,
    /// 16 kHz mono, at most 14.1 s (`225_280` samples).
    pub samples: Vec<f32>,
}

impl Segment {
    /// Length of the sound in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.end_ms - self.start_ms
    }
}

/// Detects speech in one track and cuts it. One per track; cheap (0.1 % of a core for a track).
pub struct Segmenter {
    detector: Box<Detector<DefaultPredictor>>,
    cutter: Cutter,
    /// Samples short of a whole frame.
    partial: Vec<f32>,
}

impl Segmenter {
    /// For a track whose file begins at `starts_ms` on the record clock.
    pub fn new(starts_ms: u64) -> Self {
        Self {
            detector: Detector::default_boxed(),
            cutter: Cutter::new(starts_ms),
            partial: Vec::with_capacity(FRAME),
        }
    }

    /// Takes the samples that stand at position `at` of the file (in samples, 16 kHz mono).
    ///
    /// Where `at` lies after the end of the last call, the time between was silent: nothing was
    /// sent. What overlaps earlier samples is ignored. Values outside -1..=1 are clipped.
    pub fn push(&mut self, at: u64, samples: &[f32]) -> Vec<Segment> {
        let mut cut = Vec::new();
        let here = self.position();
        self.silence_until(at, &mut cut);
        let known = usize::try_from(here.saturating_sub(at)).unwrap_or(usize::MAX);
        for &sample in samples.iter().skip(known) {
            self.push_sample(sample, &mut cut);
        }
        cut
    }

    /// The track has ended: gives what is still open.
    pub fn finish(&mut self) -> Option<Segment> {
        let mut cut = Vec::new();
        while !self.partial.is_empty() {
            self.push_sample(0.0, &mut cut);
        }
        cut.pop().or_else(|| self.cutter.close())
    }

    /// How long the utterance is that is being spoken, and when it began, both in ms: on the record
    /// clock, where its speech begins. Nothing while nobody speaks.
    pub fn growing(&self) -> Option<(u64, u64)> {
        let open = self.cutter.open.as_ref().filter(|open| open.is_speech())?;
        let speech = open.start + (open.lead * FRAME) as u64;
        let length = open.samples.len() as u64 / SAMPLES_PER_MS;
        Some((self.cutter.starts_ms + speech / SAMPLES_PER_MS, length))
    }

    /// A copy of that utterance as it would be if it ended now.
    pub fn so_far(&self) -> Option<Segment> {
        let open = self.cutter.open.as_ref().filter(|open| open.is_speech())?;
        let samples = open.samples[..open.kept() * FRAME].to_vec();
        let pad_after = open.silence.min(PAD);
        Some(
            self.cutter
                .segment(open.start, samples, open.lead, pad_after),
        )
    }

    /// Whether that utterance may be over: if no more speech comes, [`Self::so_far`] is all of it.
    pub fn pauses(&self) -> bool {
        let open = self.cutter.open.as_ref();
        open.is_some_and(|open| open.is_speech() && open.silence >= PAD)
    }

    /// Position of the next sample in the file.
    fn position(&self) -> u64 {
        self.cutter.position + self.partial.len() as u64
    }

    fn silence_until(&mut self, at: u64, cut: &mut Vec<Segment>) {
        // Enough silence to end any utterance; the rest of a long gap is stepped over.
        let ending = ((CLOSING_SILENCE + 4) * FRAME) as u64;
        let here = self.position();
        for _ in here..at.min(here + ending) {
            self.push_sample(0.0, cut);
        }
        if at > self.position() {
            while !self.partial.is_empty() && at > self.position() {
                self.push_sample(0.0, cut);
            }
            cut.extend(self.cutter.close());
            self.cutter.jump(at - self.partial.len() as u64);
            self.detector.reset();
        }
    }

    fn push_sample(&mut self, sample: f32, cut: &mut Vec<Segment>) {
        let sample = if sample.is_finite() { sample } else { 0.0 };
        self.partial.push(sample.clamp(-1.0, 1.0));
        if self.partial.len() == FRAME {
            let score = self.detector.predict_f32(&self.partial);
            cut.extend(self.cutter.push(&self.partial, score));
            self.partial.clear();
        }
    }
}

/// The decisions, apart from the detector: frames with scores in, segments out.
struct Cutter {
    starts_ms: u64,
    /// Position of the next frame in the file, in samples.
    position: u64,
    /// The last frames before speech.
    before: VecDeque<f32>,
    open: Option<Open>,
}

/// A segment that still grows.
struct Open {
    /// Position of its first sample.
    start: u64,
    samples: Vec<f32>,
    scores: Vec<f32>,
    /// Frames of padding before the speech.
    lead: usize,
    /// Frames since speech was last heard.
    silence: usize,
    /// Least number of frames with speech that makes it worth keeping: a segment that
    /// continues another is never thrown away.
    least: usize,
}

impl Open {
    fn voiced(&self) -> usize {
        self.scores.iter().filter(|&&score| score >= OFF).count()
    }

    /// Frames of it that would be kept if it ended now.
    fn kept(&self) -> usize {
        self.scores.len() - self.silence.saturating_sub(PAD)
    }

    /// Whether it would be kept if it ended now.
    fn is_speech(&self) -> bool {
        // What a cut left behind may be nothing but the silence after the speech.
        self.silence < self.scores.len() - self.lead && self.voiced() >= self.least
    }
}

impl Cutter {
    fn new(starts_ms: u64) -> Self {
        Self {
            starts_ms,
            position: 0,
            before: VecDeque::with_capacity(PAD * FRAME),
            open: None,
        }
    }

    fn push(&mut self, frame: &[f32], score: f32) -> Option<Segment> {
        let start = self.position;
        self.position += FRAME as u64;
        let Some(open) = &mut self.open else {
            if score >= ON {
                let mut samples = Vec::with_capacity(EARLIEST_CUT * FRAME);
                samples.extend(self.before.drain(..));
                let lead = samples.len() / FRAME;
                samples.extend(frame);
                let mut scores = vec![0.0; lead];
                scores.push(score);
                self.open = Some(Open {
                    start: start - (lead * FRAME) as u64,
                    samples,
                    scores,
                    lead,
                    silence: 0,
                    least: MIN_SPEECH,
                });
            } else {
                self.remember(frame);
            }
            return None;
        };
        open.samples.extend(frame);
        open.scores.push(score);
        // Between the two limits what was goes on: speech speech, silence silence.
        let silent = score < OFF || (score < ON && open.silence > 0);
        open.silence = if silent { open.silence + 1 } else { 0 };
        if open.silence >= closing_silence(open.scores.len()) {
            self.close()
        } else if open.scores.len() >= LONGEST {
            self.cut_at_least_likely()
        } else {
            None
        }
    }

    /// Ends the open segment, if there is one with speech in it.
    fn close(&mut self) -> Option<Segment> {
        let mut open = self.open.take()?;
        let rest = open.samples.split_off(open.kept() * FRAME);
        self.remember(&rest);
        if !open.is_speech() {
            return None;
        }
        let pad_after = open.silence.min(PAD);
        Some(self.segment(open.start, open.samples, open.lead, pad_after))
    }

    /// The speech goes on and the segment is too long: gives its first part.
    fn cut_at_least_likely(&mut self) -> Option<Segment> {
        let open = self.open.as_mut()?;
        let quietest = open
            .scores
            .iter()
            .enumerate()
            .skip(EARLIEST_CUT)
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(EARLIEST_CUT, |(index, _)| index);
        let rest = open.samples.split_off(quietest * FRAME);
        let first = std::mem::replace(&mut open.samples, rest);
        open.scores.drain(..quietest);
        open.silence = open.silence.min(open.scores.len());
        let (start, lead) = (open.start, open.lead);
        open.start += (quietest * FRAME) as u64;
        open.lead = 0;
        open.least = 1;
        Some(self.segment(start, first, lead, 0))
    }

    fn segment(&self, start: u64, mut samples: Vec<f32>, lead: usize, pad_after: usize) -> Segment {
        // Many may wait, and most are much shorter than what there was room for.
        samples.shrink_to_fit();
        let ms = |position: u64| self.starts_ms + position / SAMPLES_PER_MS;
        let end = start + samples.len() as u64;
        Segment {
            start_ms: ms(start),
            end_ms: ms(end),
            speech_start_ms: ms(start + (lead * FRAME) as u64),
            speech_end_ms: ms(end - (pad_after * FRAME) as u64),
            samples,
        }
    }

    /// Continues at `position`, after a time in which nothing was sent.
    fn jump(&mut self, position: u64) {
        self.before.clear();
        self.position = position;
    }

    fn remember(&mut self, samples: &[f32]) {
        self.before.extend(samples);
        let surplus = self.before.len().saturating_sub(PAD * FRAME);
        self.before.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs the cutter over scores; every frame's samples carry the frame's own number.
    fn cut(scores: &[f32]) -> Vec<Segment> {
        let mut cutter = Cutter::new(10_000);
        let mut segments = Vec::new();
        for (index, &score) in scores.iter().enumerate() {
            segments.extend(cutter.push(&[index as f32; FRAME], score));
        }
        segments.extend(cutter.close());
        segments
    }

    fn run(of: &[(f32, usize)]) -> Vec<f32> {
        of.iter()
            .flat_map(|&(score, ms)| vec![score; frames(ms)])
            .collect()
    }

    #[test]
    fn an_utterance_has_its_times_and_its_padding() {
        let segments = cut(&run(&[(0.1, 1_000), (0.9, 2_000), (0.1, 1_000)]));
        assert_eq!(segments.len(), 1);
        let segment = &segments[0];
        // 1,000 ms are 63 frames = 1,008 ms; 200 ms of padding 13 frames = 208 ms.
        assert_eq!(segment.speech_start_ms, 11_008);
        assert_eq!(segment.speech_end_ms, 13_008);
        assert_eq!(segment.start_ms, 10_800);
        assert_eq!(segment.end_ms, 13_216);
    }

    #[test]
    fn a_comma_does_not_cut_and_a_full_stop_does() {
        let of = |pause| cut(&run(&[(0.9, 1_000), (0.1, pause), (0.9, 1_000)])).len();
        assert_eq!(of(400), 1);
        assert_eq!(of(700), 2);
    }

    #[test]
    fn a_comma_cuts_what_is_long() {
        let of = |speech, pause| cut(&run(&[(0.9, speech), (0.1, pause), (0.9, 500)])).len();
        assert_eq!(of(11_000, 400), 1);
        assert_eq!(of(12_000, 400), 2);
        assert_eq!(of(12_000, 200), 1);
        assert_eq!(of(13_000, 200), 2);
        assert_eq!(of(13_000, 100), 1);
    }

    #[test]
    fn a_knock_is_not_speech() {
        assert!(cut(&run(&[(0.1, 500), (0.9, 100), (0.1, 2_000)])).is_empty());
    }

    #[test]
    fn a_long_speech_is_cut_at_its_quietest_place() {
        let segments = cut(&run(&[(0.9, 13_008), (0.4, 32), (0.9, 12_000), (0.1, 800)]));
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].end_ms, 23_008);
        assert_eq!(segments[1].start_ms, 23_008);
    }

    #[test]
    fn what_is_being_spoken_can_be_heard_before_it_ends() {
        let mut segmenter = Segmenter::new(5_000);
        assert_eq!(segmenter.growing(), None);
        for score in run(&[(0.1, 400), (0.9, 3_200)]) {
            segmenter.cutter.push(&[score; FRAME], score);
        }
        // 400 ms are 25 frames, 200 ms of them stay as padding before 200 frames of speech.
        assert_eq!(segmenter.growing(), Some((5_400, 3_408)));
        let so_far = segmenter.so_far().unwrap();
        assert_eq!((so_far.speech_start_ms, so_far.end_ms), (5_400, 8_600));
        for score in run(&[(0.1, 700)]) {
            segmenter.cutter.push(&[score; FRAME], score);
        }
        assert_eq!(segmenter.growing(), None);
        assert_eq!(segmenter.so_far(), None);
    }

    #[test]
    fn an_utterance_is_all_there_as_soon_as_it_may_be_over() {
        let mut segmenter = Segmenter::new(5_000);
        let mut so_far = None;
        let mut cut = None;
        for score in run(&[(0.9, 3_200), (0.1, 700)]) {
            cut = cut.or(segmenter.cutter.push(&[score; FRAME], score));
            if so_far.is_none() && segmenter.pauses() {
                so_far = segmenter.so_far();
                assert_eq!(cut, None);
            }
        }
        assert_eq!(so_far, cut);
        assert!(cut.is_some() && !segmenter.pauses());
    }

    #[test]
    fn a_gap_in_the_file_ends_the_utterance_and_keeps_the_clock() {
        let mut segmenter = Segmenter::new(0);
        assert!(segmenter.push(0, &[0.0; 1_000]).is_empty());
        let hour = 3_600 * SAMPLE_RATE_HZ;
        assert!(segmenter.push(hour, &[0.0; 100]).is_empty());
        assert_eq!(segmenter.position(), hour + 100);
        // Sent twice: the second time is ignored.
        segmenter.push(hour, &[0.0; 150]);
        assert_eq!(segmenter.position(), hour + 150);
    }

    proptest! {
        #[test]
        fn any_scores_give_ordered_segments_of_the_very_sound(
            scores in prop::collection::vec(0.0_f32..1.0, 0..4_000),
            stretch in 1_usize..40,
        ) {
            let scores: Vec<f32> = scores
                .iter()
                .flat_map(|&score| vec![score; stretch])
                .take(6_000)
                .collect();
            let segments = cut(&scores);
            let mut last_end = 10_000;
            for segment in &segments {
                prop_assert!(segment.start_ms >= last_end);
                last_end = segment.end_ms;
                prop_assert!(segment.start_ms <= segment.speech_start_ms);
                prop_assert!(segment.speech_start_ms < segment.speech_end_ms);
                prop_assert!(segment.speech_end_ms <= segment.end_ms);
                prop_assert!(segment.duration_ms() <= 14_080);
                let samples = segment.samples.len() as u64;
                prop_assert_eq!(segment.duration_ms(), samples / SAMPLES_PER_MS);
                let first = (segment.start_ms - 10_000) * SAMPLES_PER_MS / FRAME as u64;
                prop_assert_eq!(segment.samples[0], first as f32);
            }
            // No frame with certain speech of 200 ms or more is lost.
            let mut at = 0;
            for group in scores.chunk_by(|a, b| (*a >= ON) == (*b >= ON)) {
                if group[0] >= ON && group.len() >= MIN_SPEECH {
                    let middle = 10_000 + ((at + group.len() / 2) * FRAME) as u64 / SAMPLES_PER_MS;
                    prop_assert!(segments.iter().any(|s| s.start_ms <= middle && middle < s.end_ms));
                }
                at += group.len();
            }
        }
    }
}
