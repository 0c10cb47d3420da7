//! Which of a hearing's languages a speaker speaks.

use std::time::Duration;

use crate::recogniser::Language;

/// Shorter speech says too little about its language.
const SHORTEST: Duration = Duration::from_secs(5);
/// A new language has to be so much more probable than the one so far, each time.
const MARGIN: f32 = 0.2;
/// So many utterances in a row have to speak for it: a quotation changes nothing.
const UTTERANCES: u32 = 2;
/// One utterance is enough when it leaves so little room for the language so far.
const RULED_OUT: f32 = 0.05;

/// Decides for one speaker, utterance by utterance. It goes on with the language so far until
/// another one is clearly spoken, so that a foreign name or a quotation does not change it.
#[derive(Debug, Clone)]
pub struct LanguageChoice {
    /// The hearing's, at least one.
    languages: Vec<Language>,
    current: Language,
    /// What the last utterances spoke for, and how many they were.
    candidate: Option<(Language, u32)>,
}

impl LanguageChoice {
    /// Begins with the speaker's language, or the hearing's; only `languages` are ever chosen,
    /// and it.
    pub fn new(begin: Language, languages: impl IntoIterator<Item = Language>) -> Self {
        let mut languages: Vec<_> = languages.into_iter().chain([begin]).collect();
        languages.sort_unstable();
        languages.dedup();
        Self {
            languages,
            current: begin,
            candidate: None,
        }
    }

    /// What there is to choose from.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Whether an utterance of this length can change anything.
    pub fn listens_to(&self, duration: Duration) -> bool {
        self.languages.len() > 1 && duration >= SHORTEST
    }

    /// The language to assume.
    pub fn current(&self) -> Language {
        self.current
    }

    /// Takes how probable each language is in the next utterance, 0 to 1, and says which one is to
    /// be assumed for it. What other languages got is left out of account.
    pub fn hear(&mut self, duration: Duration, probabilities: &[(Language, f32)]) -> Language {
        if !self.listens_to(duration) {
            return self.current;
        }
        let shares: Vec<(Language, f32)> = probabilities
            .iter()
            .filter(|(language, share)| self.languages.contains(language) && *share > 0.0)
            .copied()
            .collect();
        let total: f32 = shares.iter().map(|(_, share)| share).sum();
        let Some((best, share)) = shares.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)) else {
            return self.current;
        };
        let now = shares
            .iter()
            .find(|(language, _)| *language == self.current)
            .map_or(0.0, |(_, share)| *share);
        if best == self.current || (share - now) / total < MARGIN {
            self.candidate = None;
            return self.current;
        }
        let times = match self.candidate {
            Some((language, times)) if language == best => times + 1,
            _ => 1,
        };
        if times >= UTTERANCES || now / total < RULED_OUT {
            (self.current, self.candidate) = (best, None);
        } else {
            self.candidate = Some((best, times));
        }
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONG: Duration = Duration::from_secs(8);

    fn choice() -> LanguageChoice {
        LanguageChoice::new(Language::RUSSIAN, [Language::KAZAKH])
    }

    fn kazakh(share: f32) -> [(Language, f32); 2] {
        [(Language::RUSSIAN, 1.0 - share), (Language::KAZAKH, share)]
    }

    #[test]
    fn a_quotation_does_not_change_the_language() {
        let mut choice = choice();
        assert_eq!(choice.hear(LONG, &kazakh(0.8)), Language::RUSSIAN);
        assert_eq!(choice.hear(LONG, &kazakh(0.1)), Language::RUSSIAN);
        assert_eq!(choice.hear(LONG, &kazakh(0.8)), Language::RUSSIAN);
        assert_eq!(choice.hear(LONG, &kazakh(0.8)), Language::KAZAKH);
        assert_eq!(choice.hear(LONG, &kazakh(0.3)), Language::KAZAKH);
    }

    #[test]
    fn what_leaves_no_doubt_changes_it_at_once() {
        assert_eq!(choice().hear(LONG, &kazakh(0.99)), Language::KAZAKH);
    }

    #[test]
    fn a_close_call_changes_nothing_however_often_it_comes() {
        let mut choice = choice();
        for _ in 0..20 {
            assert_eq!(choice.hear(LONG, &kazakh(0.58)), Language::RUSSIAN);
        }
    }

    #[test]
    fn short_speech_and_languages_of_nobody_do_not_count() {
        let mut choice = choice();
        let short = Duration::from_millis(4_999);
        assert_eq!(choice.hear(short, &kazakh(1.0)), Language::RUSSIAN);
        let english = [(Language::ENGLISH, 0.9), (Language::RUSSIAN, 0.1)];
        assert_eq!(choice.hear(LONG, &english), Language::RUSSIAN);
        assert_eq!(choice.hear(LONG, &[]), Language::RUSSIAN);
    }

    proptest! {
        #[test]
        fn only_languages_of_the_hearing_are_chosen(
            heard in prop::collection::vec((any::<f32>(), any::<f32>(), any::<f32>()), 0..20),
        ) {
            let mut choice = choice();
            for (ru, kk, en) in heard {
                let shares =
                    [(Language::RUSSIAN, ru), (Language::KAZAKH, kk), (Language::ENGLISH, en)];
                prop_assert!(choice.hear(LONG, &shares) != Language::ENGLISH);
            }
        }
    }
}
