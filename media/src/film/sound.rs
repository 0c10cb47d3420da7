//! All voices as one.

use super::source::{Bytes, Decoded, Source};
use super::{FilmInput, FilmPlan, FilmSource, SAMPLE_RATE};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// The voices of the record, mixed at their places on its clock.
pub(super) struct Voices {
    bytes: Arc<dyn Bytes>,
    inputs: Vec<(usize, FilmInput)>,
    open: Vec<Voice>,
    /// Inputs that were opened, or were over before.
    begun: usize,
}

struct Voice {
    input: usize,
    source: Option<Source>,
    /// Decoded, with the sample of the record clock with which it begins.
    waiting: VecDeque<(u64, Vec<i16>)>,
    ends: u64,
}

impl Voices {
    pub(super) fn new(plan: &FilmPlan, bytes: Arc<dyn Bytes>) -> Self {
        let inputs = plan.inputs.iter().cloned().enumerate();
        let mut inputs: Vec<_> = inputs
            .filter(|(_, input)| input.source == FilmSource::Microphone)
            .collect();
        inputs.sort_by_key(|(_, input)| input.starts_ms);
        Self {
            bytes,
            inputs,
            open: Vec::new(),
            begun: 0,
        }
    }

    /// What was heard in these samples of the record clock, and which inputs cannot be decoded,
    /// with the reason. To be asked in order of time.
    pub(super) fn mix(&mut self, range: Range<u64>) -> (Vec<i16>, Vec<(usize, String)>) {
        let mut broken = self.open_until(&range);
        let mut sum = vec![0_i32; (range.end - range.start) as usize];
        for voice in &mut self.open {
            if let Err(reason) = voice.add(&range, &mut sum) {
                voice.source = None;
                broken.push((voice.input, reason));
            }
        }
        self.open.retain(|voice| range.end < voice.ends);
        let limit = |sample: i32| sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        (sum.into_iter().map(limit).collect(), broken)
    }

    fn open_until(&mut self, range: &Range<u64>) -> Vec<(usize, String)> {
        const PER_MS: u64 = SAMPLE_RATE / 1_000;
        let mut broken = Vec::new();
        while let Some((number, input)) = self.inputs.get(self.begun) {
            if input.starts_ms * PER_MS >= range.end {
                break;
            }
            self.begun += 1;
            // The end is that of the last packet; what is behind it is silence.
            if input.ends_ms * PER_MS <= range.start {
                continue;
            }
            let from_ms = (range.start / PER_MS).saturating_sub(WARM_MS);
            match Source::open(&self.bytes, *number, input, from_ms) {
                Ok(source) => self.open.push(Voice {
                    input: *number,
                    source: Some(source),
                    waiting: VecDeque::new(),
                    ends: input.ends_ms * PER_MS,
                }),
                Err(reason) => broken.push((*number, reason)),
            }
        }
        broken
    }
}

/// An Opus decoder that begins in the middle is right after 80 ms (RFC 7845, section 4.6).
const WARM_MS: u64 = 80;

impl Voice {
    fn add(&mut self, range: &Range<u64>, sum: &mut [i32]) -> Result<(), String> {
        let until = |piece: &(u64, Vec<i16>)| piece.0 + piece.1.len() as u64;
        while let Some(source) = &self.source
            && self
                .waiting
                .back()
                .is_none_or(|last| until(last) < range.end)
        {
            match source.next()? {
                Some(decoded) => self.waiting.push_back(samples(&decoded)?),
                None => self.source = None,
            }
        }
        for (begins, samples) in &self.waiting {
            for (at, sample) in (*begins..).zip(samples) {
                let place = at.checked_sub(range.start).map(|at| at as usize);
                if let Some(sum) = place.and_then(|place| sum.get_mut(place)) {
                    *sum += i32::from(*sample);
                }
            }
        }
        while self
            .waiting
            .front()
            .is_some_and(|piece| until(piece) <= range.end)
        {
            self.waiting.pop_front();
        }
        Ok(())
    }
}

/// Where a piece of sound begins, in samples of the record clock, and its samples.
fn samples(decoded: &Decoded) -> Result<(u64, Vec<i16>), String> {
    let buffer = decoded.sample.buffer().ok_or("sound without samples")?;
    let bytes = buffer.map_readable().map_err(|error| error.to_string())?;
    let (pairs, _) = bytes.as_chunks::<2>();
    let begins = u128::from(decoded.at_ns) * u128::from(SAMPLE_RATE);
    let begins = (begins + 500_000_000) / 1_000_000_000;
    let samples = pairs.iter().map(|pair| i16::from_le_bytes(*pair));
    Ok((begins as u64, samples.collect()))
}
