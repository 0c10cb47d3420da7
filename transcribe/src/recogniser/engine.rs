//! whisper itself: an utterance in, a line out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use whisper_rs::{FullParams, SamplingStrategy, WhisperState};

use super::feed::FeedProfile;
use super::guards::{self, Doubt, Verdict};
use super::loaded::{LoadedModels, ModelId};
use super::names::Names;
use super::queue::Queue;
use super::words::{self, Token, Word};
use super::{FeedId, Language, Line};
use crate::segments::{SAMPLE_RATE_HZ, Segment};

/// whisper keeps one of its 224 prompt tokens for itself.
const MAX_PROMPT_TOKENS: usize = 223;
/// A prompt longer than this cannot matter: a token has at least one byte, most have six.
const MAX_PROMPT_BYTES: usize = 8 * 1024;

/// whisper refuses less than 100 ms and is erratic under a second.
const SHORTEST_SAMPLES: usize = SAMPLE_RATE_HZ as usize * 11 / 10;

/// What a worker drives. A trait, so that the worker's own behaviour is tested without
/// whisper.
pub(super) trait Engine: Send {
    /// The line of an utterance; `None` where nobody said anything.
    fn recognise(
        &mut self,
        feed: FeedId,
        profile: &FeedProfile,
        segment: &Segment,
    ) -> Result<Option<Line>, String>;

    /// The words of an utterance that is still being spoken, roughly and soon; none where nobody
    /// may have said anything.
    fn guess(&mut self, profile: &FeedProfile, segment: &Segment) -> Result<Vec<Word>, String>;
}

/// One worker's whisper: a state for each model, made when first needed (about 100 MB each
/// for base).
pub(super) struct Whisper {
    models: Arc<LoadedModels>,
    states: HashMap<ModelId, WhisperState>,
    /// Parameters for each language and kind of pass. whisper-rs leaks the language's name
    /// and what ends a pass each time they are set, so they are set once.
    params: HashMap<(Language, Pass), FullParams<'static, 'static>>,
    /// Width of the search.
    beam: u8,
    queue: Arc<Queue>,
}

/// What a pass of whisper is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    Line,
    /// The likeliest word each time, and it gives way to lines.
    Guess,
    /// No words: how it sounds is all.
    Sound,
}

impl Whisper {
    /// A guess that is under way when there is more to do on `queue` ends without words.
    pub(super) fn new(models: Arc<LoadedModels>, beam: u8, queue: Arc<Queue>) -> Self {
        Self {
            models,
            states: HashMap::new(),
            params: HashMap::new(),
            beam,
            queue,
        }
    }

    /// One pass of a model over the samples.
    fn pass(
        &mut self,
        id: ModelId,
        language: Language,
        samples: &[f32],
        prompt: &[i32],
        of: Pass,
    ) -> Result<Vec<Token>, String> {
        let model = &self.models.get(id).context;
        let state = match self.states.entry(id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(model.create_state().map_err(|e| e.to_string())?)
            }
        };
        let base = self.params.entry((language, of)).or_insert_with(|| {
            let code = language.code();
            match of {
                Pass::Line => parameters(code, self.beam),
                Pass::Guess => giving_way(parameters(code, 1), Arc::clone(&self.queue)),
                Pass::Sound => parameters(code, 1),
            }
        });
        let mut params: FullParams<'_, '_> = base.clone();
        params.set_tokens(prompt);
        params.set_audio_ctx(audio_context(samples.len(), model.n_audio_ctx()));
        params.set_max_tokens(match of {
            Pass::Line | Pass::Guess => most_tokens(samples.len()),
            Pass::Sound => 1,
        });
        state.full(params, samples).map_err(|e| e.to_string())?;

        let end_of_text = model.token_eot();
        let mut tokens = Vec::new();
        for segment in state.as_iter() {
            for index in 0..segment.n_tokens() {
                let Some(token) = segment.get_token(index) else {
                    continue;
                };
                // Language, task and time tokens come after the text's.
                if token.token_id() >= end_of_text {
                    continue;
                }
                let data = token.token_data();
                // whisper counts in hundredths of a second; -1 is unknown.
                let ms = |time: i64| u64::try_from(time).unwrap_or(0) * 10;
                tokens.push(Token {
                    bytes: token.to_bytes().map_err(|e| e.to_string())?.to_vec(),
                    start_ms: ms(data.t0),
                    end_ms: ms(data.t1),
                    probability: data.p,
                });
            }
        }
        Ok(tokens)
    }

    fn prompt_tokens(&self, id: ModelId, prompt: &str) -> Vec<i32> {
        let prompt = prompt.replace('\0', " ");
        let end = prompt.floor_char_boundary(MAX_PROMPT_BYTES);
        let prompt = prompt[..end].trim();
        if prompt.is_empty() {
            return Vec::new();
        }
        // Room for a token a byte: whisper-rs misreads whisper's answer to too little room.
        let mut tokens = self
            .models
            .get(id)
            .context
            .tokenize(&format!(" {prompt}"), MAX_PROMPT_BYTES + 2)
            .unwrap_or_default();
        tokens.truncate(MAX_PROMPT_TOKENS);
        tokens
    }

    /// What an utterance says, in this language.
    fn hear(
        &mut self,
        language: Language,
        names: &Names,
        segment: &Segment,
        samples: &[f32],
    ) -> Result<Heard, String> {
        let id = self.models.of(language);
        let heard = self.pass(id, language, samples, &[], Pass::Line)?;
        let heard = Heard::from(heard, segment, None);
        if !names.may_be_in(&heard.words) {
            return Ok(heard);
        }
        let prompt = self.prompt_tokens(id, names.prompt());
        let again = self.pass(id, language, samples, &prompt, Pass::Line)?;
        let again = Heard::from(again, segment, Some(names.prompt()));
        let is_better = again.verdict == Verdict::Keep
            && names.said_in(&again.words) > names.said_in(&heard.words);
        Ok(if is_better { again } else { heard })
    }

    /// How probable each of the languages is in the utterance that was heard last, in this one.
    ///
    /// The encoder has worked already, so that this costs one step of the decoder: what follows its
    /// start token is the language (Radford et al. 2022, section 2.3).
    fn languages(
        &mut self,
        heard_in: Language,
        samples: &[f32],
        languages: &[Language],
    ) -> Result<Vec<(Language, f32)>, String> {
        if self.models.of(heard_in) != ModelId::DEFAULT {
            self.pass(ModelId::DEFAULT, heard_in, samples, &[], Pass::Sound)?;
        }
        let model = &self.models.get(ModelId::DEFAULT).context;
        let Some(state) = self.states.get_mut(&ModelId::DEFAULT) else {
            return Ok(Vec::new());
        };
        state
            .decode(&[model.token_sot()], 0, 1)
            .map_err(|e| e.to_string())?;
        let logits = state.get_logits().map_err(|e| e.to_string())?;
        let of = |language: &Language| {
            let token = model.token_lang(whisper_rs::get_lang_id(language.code())?);
            Some((*language, *logits.get(usize::try_from(token).ok()?)?))
        };
        let mut shares: Vec<_> = languages.iter().filter_map(of).collect();
        let most = shares
            .iter()
            .map(|(_, share)| *share)
            .fold(f32::MIN, f32::max);
        for (_, share) in &mut shares {
            *share = (*share - most).exp();
        }
        Ok(shares)
    }
}

impl Engine for Whisper {
    fn recognise(
        &mut self,
        feed: FeedId,
        profile: &FeedProfile,
        segment: &Segment,
    ) -> Result<Option<Line>, String> {
        let samples = long_enough(&segment.samples);
        let mut choice = profile.choice();
        let assumed = choice.current();
        let mut spoken = assumed;
        let mut heard = self.hear(assumed, &profile.names(assumed), segment, &samples)?;
        let duration = Duration::from_millis(segment.duration_ms());
        if choice.listens_to(duration) && self.models.tells_languages() {
            let shares = self.languages(assumed, &samples, choice.languages())?;
            spoken = choice.hear(duration, &shares);
            if spoken != assumed {
                heard = self.hear(spoken, &profile.names(spoken), segment, &samples)?;
            }
        }
        let doubt = match heard.verdict {
            Verdict::Invented => {
                tracing::debug!(feed.id = feed.0, "speech without words");
                return Ok(None);
            }
            Verdict::Keep => None,
            Verdict::Doubt(doubt) => Some(doubt),
        };
        // Only what somebody said tells what they speak.
        profile.chose(choice);
        let weak = self.models.is_weak(spoken);
        Ok(Some(heard.line(feed, spoken, weak, segment, doubt)))
    }

    fn guess(&mut self, profile: &FeedProfile, segment: &Segment) -> Result<Vec<Word>, String> {
        let samples = long_enough(&segment.samples);
        let language = profile.spoken();
        let id = self.models.of(language);
        let heard = self.pass(id, language, &samples, &[], Pass::Guess)?;
        let heard = Heard::from(heard, segment, None);
        Ok(match heard.verdict {
            Verdict::Keep => heard.words,
            Verdict::Doubt(_) | Verdict::Invented => Vec::new(),
        })
    }
}

/// As much as whisper takes.
fn long_enough(samples: &[f32]) -> Cow<'_, [f32]> {
    let mut samples = Cow::Borrowed(samples);
    if samples.len() < SHORTEST_SAMPLES {
        samples.to_mut().resize(SHORTEST_SAMPLES, 0.0);
    }
    samples
}

/// What one pass gave.
struct Heard {
    words: Vec<Word>,
    mean_logprob: f32,
    verdict: Verdict,
}

impl Heard {
    fn from(tokens: Vec<Token>, segment: &Segment, prompt: Option<&str>) -> Self {
        let sum: f32 = tokens.iter().map(|t| t.probability.max(1e-9).ln()).sum();
        let mean_logprob = sum / tokens.len().max(1) as f32;
        let mut words = words::join(&tokens, segment.start_ms, segment.end_ms);
        guards::strip_inventions(&mut words);
        let verdict = guards::judge(&words, mean_logprob, segment.duration_ms(), prompt);
        Self {
            words,
            mean_logprob,
            verdict,
        }
    }

    fn line(
        self,
        feed: FeedId,
        language: Language,
        weak: bool,
        segment: &Segment,
        doubt: Option<Doubt>,
    ) -> Line {
        Line {
            feed,
            start_ms: segment.speech_start_ms,
            end_ms: segment.speech_end_ms,
            text: words::text_of(&self.words),
            language,
            confidence: self.mean_logprob.exp(),
            weak,
            doubt,
            words: self.words,
        }
    }
}

fn parameters(language: &'static str, beam: u8) -> FullParams<'static, 'static> {
    let mut params = FullParams::new(match beam {
        0 | 1 => SamplingStrategy::Greedy { best_of: 1 },
        _ => SamplingStrategy::BeamSearch {
            beam_size: beam.into(),
            patience: -1.0,
        },
    });
    params.set_language(Some(language));
    params.set_translate(false);
    // Two ggml threads on two shared cores spin at barriers: 0.41 s a second became 1.70. With
    // one, ggml also sets OpenBLAS to one thread before each product.
    params.set_n_threads(1);
    params.set_no_context(true);
    // No second try at a higher temperature: slower, and it invents.
    params.set_temperature(0.0);
    params.set_temperature_inc(0.0);
    params.set_token_timestamps(true);
    // The segmenter has cut already; more passes repeat words at the end.
    params.set_single_segment(true);
    params.set_suppress_blank(true);
    params.set_suppress_nst(true);
    params.set_print_special(false);
    params.set_print_progress(false);
    params.set_print_realtime(false);
    params.set_print_timestamps(false);
    params
}

/// Ends a pass as soon as there is more to do.
fn giving_way<'a, 'b>(mut params: FullParams<'a, 'b>, queue: Arc<Queue>) -> FullParams<'a, 'b> {
    // Boxed twice on purpose: whisper-rs 0.16 calls what it is given as if it were the box that it
    // has made of it, which holds for a box alone.
    let is_pressed: Box<dyn FnMut() -> bool> = Box::new(move || queue.is_pressed());
    params.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(is_pressed);
    params
}

/// More tokens than anybody speaks in so many samples: 20 characters a second, and in Kazakh no
/// fewer than 1.5 characters in a token. Over a noise whisper can repeat one sound to the end of
/// its window, which takes a hundred times as long and keeps everybody else's words waiting.
fn most_tokens(samples: usize) -> i32 {
    let seconds = samples / SAMPLE_RATE_HZ as usize + 1;
    i32::try_from(24 + 16 * seconds).unwrap_or(i32::MAX)
}

/// The encoder's window, fitted to the sound (50 positions a second, and 128 for safety): a
/// two-second utterance takes 0.5 s instead of 5.75 s.
fn audio_context(samples: usize, largest: i32) -> i32 {
    let positions = (samples * 50).div_ceil(SAMPLE_RATE_HZ as usize) + 128;
    i32::try_from(positions.next_multiple_of(64)).map_or(largest, |fitted| fitted.min(largest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_window_fits_the_sound() {
        assert_eq!(audio_context(2 * 16_000, 1_500), 256);
        assert_eq!(audio_context(25 * 16_000, 1_500), 1_408);
        assert_eq!(audio_context(28 * 16_000, 1_500), 1_500);
    }

    #[test]
    fn a_guess_gives_way_to_what_is_final() {
        let cache = std::env::var_os("OTYRYS_CACHE").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| {
            let home = std::env::var_os("HOME").unwrap();
            PathBuf::from(home).join(".cache/otyrys")
        });
        let model = cache.join("models/ggml-base.bin");
        let models = LoadedModels::load(model, Default::default()).unwrap();
        let queue = Arc::new(Queue::default());
        let mut whisper = Whisper::new(Arc::new(models), 5, Arc::clone(&queue));
        let profile = FeedProfile::new(Language::RUSSIAN, Vec::new(), []);
        let segment = Segment {
            start_ms: 0,
            end_ms: 2_000,
            speech_start_ms: 0,
            speech_end_ms: 2_000,
            samples: vec![0.0; 32_000],
        };
        assert!(whisper.guess(&profile, &segment).is_ok());
        queue.push(super::super::queue::Job {
            feed: FeedId(1),
            work: super::super::queue::Work::End,
        });
        assert!(whisper.guess(&profile, &segment).is_err());
        let line = whisper.recognise(FeedId(1), &profile, &segment);
        assert!(line.is_ok(), "a line gives way to nothing: {line:?}");
    }
}
