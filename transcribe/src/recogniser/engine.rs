//! whisper itself: an utterance in, a line out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use whisper_rs::{FullParams, SamplingStrategy, WhisperState};

use super::feed::FeedProfile;
use super::guards::{self, Doubt, Verdict};
use super::loaded::{LoadedModels, ModelId};
use super::names::{Asked, Names};
use super::words::{self, Token, Word};
use super::{FeedId, Language, Line};
use crate::language_choice::LanguageChoice;
use crate::segments::{LONGEST_SAMPLES, SAMPLE_RATE_HZ, Segment};

/// With the four that whisper adds they stay under the 32 from which on ggml unpacks every weight of the
/// decoder for OpenBLAS: 150 MB more for base, and half a second.
const MAX_PROMPT_TOKENS: usize = 27;
/// A token has at least one byte, most have six; a name at least one token and a comma.
const MAX_PROMPT_BYTES: usize = 512;
const MAX_PROMPT_NAMES: usize = MAX_PROMPT_TOKENS / 2;

/// Of the encoder (Radford et al. 2022, section 2.2).
const POSITIONS_PER_SECOND: usize = 50;
/// What the encoder needs of its window, in positions: no utterance is longer.
pub(super) const LARGEST_WINDOW: usize = audio_context(LONGEST_SAMPLES);

/// whisper refuses less than 100 ms and is erratic under a second.
const SHORTEST_SAMPLES: usize = SAMPLE_RATE_HZ as usize * 11 / 10;

/// What a worker drives. A trait, so that the worker's own behaviour is tested without
/// whisper.
pub(super) trait Engine: Send {
    /// What an utterance says. Fails where it is to stop.
    fn recognise(
        &mut self,
        feed: FeedId,
        profile: &FeedProfile,
        segment: &Segment,
        asked: &Asked,
        stop: Option<Stop>,
    ) -> Result<Recognised, String>;

    /// The words of an utterance that is still being spoken, roughly and soon; none where nobody
    /// may have said anything. Fails where it is to stop.
    fn guess(
        &mut self,
        profile: &FeedProfile,
        segment: &Segment,
        asked: &mut Asked,
        stop: Stop,
    ) -> Result<Vec<Word>, String>;
}

/// What an utterance says.
#[derive(Debug)]
pub(super) struct Recognised {
    /// Nothing where nobody said anything.
    pub(super) line: Option<Line>,
    /// What the utterance makes of the language that its speaker speaks.
    pub(super) choice: LanguageChoice,
}

/// Whether what is under way should end: there is something better to do.
pub(super) type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// One worker's whisper: a state for each model, made when first needed (about 150 MB each
/// for base).
pub(super) struct Whisper {
    models: Arc<LoadedModels>,
    states: HashMap<ModelId, WhisperState>,
    /// Parameters for each language and kind of pass. whisper-rs leaks the language's name
    /// and what ends a pass each time they are set, so they are set once.
    params: HashMap<(Language, Pass), FullParams<'static, 'static>>,
    /// Width of the search.
    beam: u8,
    /// When the passes under way are to end early, if at all.
    stop: Arc<Mutex<Option<Stop>>>,
}

/// What a pass of whisper is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    Line,
    /// The likeliest word each time.
    Guess,
    /// No words: how it sounds is all.
    Sound,
}

impl Whisper {
    pub(super) fn new(models: Arc<LoadedModels>, beam: u8) -> Self {
        Self {
            models,
            states: HashMap::new(),
            params: HashMap::new(),
            beam,
            stop: Arc::default(),
        }
    }

    /// When all passes from now on end early.
    fn ends_at(&self, stop: Option<Stop>) {
        *lock(&self.stop) = stop;
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
            let beam = match of {
                Pass::Line => self.beam,
                Pass::Guess | Pass::Sound => 1,
            };
            ended_by(&self.stop, parameters(language.code(), beam))
        });
        let mut params: FullParams<'_, '_> = base.clone();
        params.set_tokens(prompt);
        let window = model.n_audio_ctx();
        let fitted = i32::try_from(audio_context(samples.len())).unwrap_or(window);
        params.set_audio_ctx(fitted.min(window));
        // The first word begins within the first second. whisper.cpp takes the whole window for 30 s,
        // which it is no more where the model is cropped.
        params.set_max_initial_ts(30.0 * POSITIONS_PER_SECOND as f32 / window as f32);
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

    /// As much of the names as fits, as a prompt and its tokens. With nothing but commas between them:
    /// with the roles of the people beside their names, or terms of law before them, other words got
    /// worse.
    fn prompt(&self, id: ModelId, names: &[&str]) -> Option<(String, Vec<i32>)> {
        let model = &self.models.get(id).context;
        let tokens = |names: &[&str]| {
            let prompt = format!(" {}.", names.join(", ").replace('\0', " "));
            // Room for a token a byte: whisper-rs misreads whisper's answer to too little room.
            let fits = prompt.len() <= MAX_PROMPT_BYTES;
            let tokens = fits.then(|| model.tokenize(&prompt, MAX_PROMPT_BYTES).ok())??;
            (tokens.len() <= MAX_PROMPT_TOKENS).then_some((prompt, tokens))
        };
        let mut given = Vec::new();
        for name in names.iter().take(MAX_PROMPT_NAMES) {
            // Of a long one the first words: the patronymic comes last.
            let beginnings = iter::successors(Some(*name), |name| Some(name.rsplit_once(' ')?.0));
            let mut fitting = beginnings.map(|name| [&given[..], &[name]].concat());
            if let Some(more) = fitting.find(|names| tokens(names).is_some()) {
                given = more;
            }
        }
        let given = (!given.is_empty()).then_some(given)?;
        tokens(&given)
    }

    /// What an utterance says, in this language, heard with some names.
    fn heard(
        &mut self,
        language: Language,
        segment: &Segment,
        names: &[&str],
        of: Pass,
    ) -> Result<Heard, String> {
        let id = self.models.of(language);
        let (prompt, tokens) = self.prompt(id, names).unzip();
        let samples = long_enough(&segment.samples);
        let tokens = self.pass(id, language, &samples, &tokens.unwrap_or_default(), of)?;
        Ok(Heard::from(tokens, segment, prompt.as_deref()))
    }

    /// What an utterance says, in this language, with names where that gives more of them.
    fn hear(
        &mut self,
        language: Language,
        segment: &Segment,
        names: &Names,
        asked: &Asked,
    ) -> Result<Heard, String> {
        let found = names.maybe_in(&asked.found, &Asked::default());
        if !found.is_empty() {
            // Names were found while it was being spoken: once is enough.
            let with = self.heard(language, segment, &found, Pass::Line)?;
            if with.says_more(names, &asked.found) {
                return Ok(with);
            }
        }
        let without = self.heard(language, segment, &[], Pass::Line)?;
        let maybe = names.maybe_in(&without.words, asked);
        if maybe.is_empty() {
            return Ok(without);
        }
        let with = self.heard(language, segment, &maybe, Pass::Line)?;
        Ok(if with.says_more(names, &without.words) {
            with
        } else {
            without
        })
    }

    /// How probable each of the languages is in the utterance that was heard last, in this one.
    ///
    /// The encoder has worked already, so that this costs one step of the decoder: what follows its
    /// start token is the language (Radford et al. 2022, section 2.3).
    fn languages(
        &mut self,
        heard_in: Language,
        segment: &Segment,
        languages: &[Language],
    ) -> Result<Vec<(Language, f32)>, String> {
        if self.models.of(heard_in) != ModelId::DEFAULT {
            let samples = long_enough(&segment.samples);
            self.pass(ModelId::DEFAULT, heard_in, &samples, &[], Pass::Sound)?;
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
        asked: &Asked,
        stop: Option<Stop>,
    ) -> Result<Recognised, String> {
        self.ends_at(stop);
        let mut choice = profile.choice();
        let assumed = choice.current();
        let mut spoken = assumed;
        let mut heard = self.hear(assumed, segment, &profile.names(assumed), asked)?;
        let duration = Duration::from_millis(segment.duration_ms());
        if choice.listens_to(duration) && self.models.tells_languages() {
            let shares = self.languages(assumed, segment, choice.languages())?;
            spoken = choice.hear(duration, &shares);
            if spoken != assumed {
                let names = profile.names(spoken);
                heard = self.hear(spoken, segment, &names, &Asked::default())?;
            }
        }
        let doubt = match heard.verdict {
            Verdict::Invented => {
                tracing::debug!(feed.id = feed.0, "speech without words");
                return Ok(Recognised { line: None, choice });
            }
            Verdict::Keep => None,
            Verdict::Doubt(doubt) => Some(doubt),
        };
        let weak = self.models.is_weak(spoken);
        let line = Some(heard.line(feed, spoken, weak, segment, doubt));
        Ok(Recognised { line, choice })
    }

    fn guess(
        &mut self,
        profile: &FeedProfile,
        segment: &Segment,
        asked: &mut Asked,
        stop: Stop,
    ) -> Result<Vec<Word>, String> {
        self.ends_at(Some(stop));
        let language = profile.spoken();
        let names = profile.names(language);
        let found = names.maybe_in(&asked.found, &Asked::default());
        let heard = self.heard(language, segment, &found, Pass::Guess)?;
        if heard.verdict != Verdict::Keep {
            return Ok(Vec::new());
        }
        // What was said last may be half a word.
        let whole = &heard.words[..heard.words.len().saturating_sub(2)];
        let maybe = names.maybe_in(whole, asked);
        if !found.is_empty() || maybe.is_empty() {
            return Ok(heard.words);
        }
        // Asked now, so that the line need not wait for the answer.
        match self.heard(language, segment, &maybe, Pass::Guess) {
            Ok(with) if with.says_more(&names, &heard.words) => {
                asked.found = heard.words;
                Ok(with.words)
            }
            Ok(_) => {
                asked.in_vain.extend(names.unnamed(whole));
                Ok(heard.words)
            }
            // There is something better to do.
            Err(_) => Ok(heard.words),
        }
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

    /// Whether it can be believed and has more names in it than these words.
    fn says_more(&self, names: &Names, words: &[Word]) -> bool {
        self.verdict == Verdict::Keep && names.said_in(&self.words) > names.said_in(words)
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

/// Ends a pass as soon as it is to stop.
fn ended_by<'a, 'b>(
    stop: &Arc<Mutex<Option<Stop>>>,
    mut params: FullParams<'a, 'b>,
) -> FullParams<'a, 'b> {
    let stop = Arc::clone(stop);
    // Boxed twice on purpose: whisper-rs 0.16 calls what it is given as if it were the box that it
    // has made of it, which holds for a box alone.
    let is_over: Box<dyn FnMut() -> bool> =
        Box::new(move || lock(&stop).as_ref().is_some_and(|stop| stop()));
    params.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(is_over);
    params
}

fn lock(stop: &Mutex<Option<Stop>>) -> MutexGuard<'_, Option<Stop>> {
    stop.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More tokens than anybody speaks in so many samples: 20 characters a second, and in Kazakh no
/// fewer than 1.5 characters in a token. Over a noise whisper can repeat one sound to the end of
/// its window, which takes a hundred times as long and keeps everybody else's words waiting.
fn most_tokens(samples: usize) -> i32 {
    let seconds = samples / SAMPLE_RATE_HZ as usize + 1;
    i32::try_from(24 + 16 * seconds).unwrap_or(i32::MAX)
}

/// The encoder's window in positions, fitted to the sound, with 128 for safety: a two-second utterance
/// takes 0.5 s instead of 5.75 s.
const fn audio_context(samples: usize) -> usize {
    let sound = (samples * POSITIONS_PER_SECOND).div_ceil(SAMPLE_RATE_HZ as usize);
    (sound + 128).next_multiple_of(64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ModelName, fetched};

    #[test]
    fn the_window_fits_the_sound() {
        assert_eq!(audio_context(2 * 16_000), 256);
        assert_eq!(audio_context(225_280), 832, "the longest segment");
        assert_eq!(LARGEST_WINDOW, 832);
    }

    #[test]
    fn what_is_not_final_gives_way() {
        let models = LoadedModels::load(fetched(ModelName::Base), Default::default()).unwrap();
        let mut whisper = Whisper::new(Arc::new(models), 5);
        let profile = FeedProfile::new(Language::RUSSIAN, Vec::new(), []);
        let segment = Segment {
            start_ms: 0,
            end_ms: 2_000,
            speech_start_ms: 0,
            speech_end_ms: 2_000,
            samples: vec![0.0; 32_000],
        };
        let mut asked = Asked::default();
        let [never, at_once]: [Stop; 2] = [Arc::new(|| false), Arc::new(|| true)];
        assert!(
            whisper
                .guess(&profile, &segment, &mut asked, never.clone())
                .is_ok()
        );
        assert!(
            whisper
                .guess(&profile, &segment, &mut asked, at_once.clone())
                .is_err()
        );
        let mut recognise = |stop| whisper.recognise(FeedId(1), &profile, &segment, &asked, stop);
        assert!(recognise(Some(at_once)).is_err());
        assert!(recognise(Some(never)).is_ok());
        let line = recognise(None);
        assert!(line.is_ok(), "a line gives way to nothing: {line:?}");
    }
}
