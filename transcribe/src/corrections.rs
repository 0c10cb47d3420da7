//! What a court writes in place of what a recogniser hears: names, places, terms of law.

use std::collections::HashMap;
use std::ops::Range;

use crate::recogniser::Language;
use crate::rewriting::Rewriting;

/// One entry of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// What the recogniser writes, one word or several with single spaces between them.
    pub heard: String,
    /// What is to be written in its place.
    pub written: String,
    /// In which language it is heard; none: in all.
    pub language: Option<Language>,
    /// Whether it has to be heard with these very capitals.
    pub case_sensitive: bool,
}

impl Correction {
    /// What is written in place of these words: where they begin a sentence, it does so too.
    fn in_place_of(&self, heard: &str) -> String {
        let begins = !self.case_sensitive && heard.starts_with(char::is_uppercase);
        let mut rest = self.written.chars();
        match rest.next().filter(|first| begins && first.is_lowercase()) {
            Some(first) => first.to_uppercase().chain(rest).collect(),
            None => self.written.clone(),
        }
    }
}

/// Why an entry cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorrectionError {
    /// Nothing is heard, or something that does not begin and end with a letter or a digit.
    #[error("{heard:?} cannot be corrected: it has to begin and end with a letter or a digit")]
    NoWords {
        /// As given.
        heard: String,
    },
    /// Nothing would be left in its place.
    #[error("{heard:?} cannot be corrected to nothing")]
    NothingWritten {
        /// As given.
        heard: String,
    },
    /// Two entries say how the same is written.
    #[error("{heard:?} is corrected in two ways")]
    Twice {
        /// As given.
        heard: String,
    },
}

/// The dictionary of a court.
///
/// Whole words are replaced, the longest entry first; what was written in their place is not
/// looked at again.
#[derive(Debug, Clone, Default)]
pub struct Corrections {
    /// By language and by what is heard, in small letters.
    entries: HashMap<(Option<Language>, String), Vec<Correction>>,
    /// Words of the longest entry.
    longest: usize,
}

impl Corrections {
    /// A dictionary of these entries.
    ///
    /// # Errors
    /// [`CorrectionError`] names the first entry that cannot be taken.
    pub fn new(entries: impl IntoIterator<Item = Correction>) -> Result<Self, CorrectionError> {
        let mut corrections = Self::default();
        for entry in entries {
            corrections.put(entry)?;
        }
        Ok(corrections)
    }

    fn put(&mut self, entry: Correction) -> Result<(), CorrectionError> {
        let words = words(&entry.heard);
        let heard = || entry.heard.clone();
        let whole = words
            .first()
            .zip(words.last())
            .is_some_and(|(first, last)| first.start == 0 && last.end == entry.heard.len());
        if !whole {
            return Err(CorrectionError::NoWords { heard: heard() });
        }
        if entry.written.trim().is_empty() {
            return Err(CorrectionError::NothingWritten { heard: heard() });
        }
        let key = (entry.language, entry.heard.to_lowercase());
        let same = self.entries.entry(key).or_default();
        let twice = same.iter().any(|other| {
            other.case_sensitive == entry.case_sensitive
                && (!entry.case_sensitive || other.heard == entry.heard)
        });
        if twice {
            return Err(CorrectionError::Twice { heard: heard() });
        }
        self.longest = self.longest.max(words.len());
        // Who insists on capitals is asked first.
        let place = if entry.case_sensitive { 0 } else { same.len() };
        same.insert(place, entry);
        Ok(())
    }

    /// A text with the entries of its language applied.
    pub fn applied(&self, language: Language, heard: &str) -> Rewriting {
        let words = words(heard);
        let mut replaced = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let longest = self.longest.min(words.len() - at);
            let found = (1..=longest).rev().find_map(|len| {
                let range = words[at].start..words[at + len - 1].end;
                let entry = self.entry(language, &heard[range.clone()])?;
                let written = entry.in_place_of(&heard[range.clone()]);
                Some((len, range, written))
            });
            match found {
                Some((len, range, written)) => {
                    replaced.push((range, written));
                    at += len;
                }
                None => at += 1,
            }
        }
        Rewriting::of(heard, replaced)
    }

    /// This dictionary and these entries, as far as it has none for the same words.
    #[must_use]
    pub fn and(&self, others: impl IntoIterator<Item = Correction>) -> Self {
        let mut all = self.clone();
        for entry in others {
            let key = entry.heard.to_lowercase();
            let languages = [entry.language, None];
            let is_there = languages
                .iter()
                .any(|language| all.entries.contains_key(&(*language, key.clone())));
            if !is_there {
                // What no dictionary takes is not in this one either.
                let _refused = all.put(entry);
            }
        }
        all
    }

    /// The entry for exactly these words; one of the language before one of all.
    fn entry(&self, language: Language, heard: &str) -> Option<&Correction> {
        let key = heard.to_lowercase();
        [Some(language), None].into_iter().find_map(|language| {
            self.entries
                .get(&(language, key.clone()))?
                .iter()
                .find(|entry| !entry.case_sensitive || entry.heard == heard)
        })
    }
}

/// Where the words of a text are. A hyphen or an apostrophe within a word is part of it.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, letter) in text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
        let end = at + letter.len_utf8();
        match words.last_mut() {
            Some(word) if matches!(&text[word.end..at], "" | "-" | "'" | "’") => word.end = end,
            _ => words.push(at..end),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(heard: &str, written: &str) -> Correction {
        Correction {
            heard: heard.to_owned(),
            written: written.to_owned(),
            language: None,
            case_sensitive: false,
        }
    }

    fn applied(entries: &[Correction], heard: &str) -> String {
        Corrections::new(entries.iter().cloned())
            .unwrap()
            .applied(Language::RUSSIAN, heard)
            .text()
            .to_owned()
    }

    #[test]
    fn whole_words_are_corrected() {
        let entries = [
            entry("карагандинский", "Карагандинский"),
            entry("у к", "УК"),
            entry("ахметов", "Ахметов"),
        ];
        assert_eq!(
            applied(&entries, "в карагандинский суд, по У К; ахметова и Ахметов"),
            "в Карагандинский суд, по УК; ахметова и Ахметов"
        );
        assert_eq!(applied(&entries, "ахметов-младший"), "ахметов-младший");
    }

    #[test]
    fn the_longest_entry_wins_and_nothing_is_corrected_twice() {
        let entries = [
            entry("суд", "Суд"),
            entry("верховный суд", "Верховный Суд"),
            entry("а", "б"),
            entry("б", "в"),
        ];
        assert_eq!(
            applied(&entries, "верховный суд и суд"),
            "Верховный Суд и Суд"
        );
        assert_eq!(applied(&entries, "а б"), "б в");
    }

    #[test]
    fn capitals_and_languages_are_kept_apart() {
        let entries = [
            Correction {
                case_sensitive: true,
                ..entry("Роза", "роза")
            },
            Correction {
                language: Some(Language::KAZAKH),
                ..entry("сот", "Сот")
            },
            Correction {
                language: Some(Language::RUSSIAN),
                ..entry("дом", "Дом")
            },
        ];
        assert_eq!(
            applied(&entries, "Роза роза РОЗА сот дом"),
            "роза роза РОЗА сот Дом"
        );
    }

    #[test]
    fn an_entry_that_cannot_be_meant_is_refused() {
        for (entries, error) in [
            (vec![entry("", "x")], "\"\" cannot be corrected"),
            (vec![entry(" суд", "x")], "\" суд\" cannot be corrected"),
            (
                vec![entry("суд", " ")],
                "\"суд\" cannot be corrected to nothing",
            ),
            (
                vec![entry("суд", "а"), entry("Суд", "б")],
                "\"Суд\" is corrected in two ways",
            ),
        ] {
            let refused = Corrections::new(entries).unwrap_err().to_string();
            assert!(refused.starts_with(error), "{refused}");
        }
    }

    fn dictionary() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec(("[аб]{1,2}( [аб]{1,2}){0,2}", "[А-Г]{1,3}"), 0..6)
    }

    proptest! {
        #[test]
        fn every_correction_is_one_of_the_dictionary(
            pairs in dictionary(),
            heard in "[аб в,]{0,30}",
        ) {
            let mut pairs = pairs;
            pairs.sort();
            pairs.dedup_by(|a, b| a.0 == b.0);
            let corrections =
                Corrections::new(pairs.iter().map(|(heard, written)| entry(heard, written))).unwrap();
            let rewriting = corrections.applied(Language::RUSSIAN, &heard);
            let mut end = 0;
            for change in rewriting.changes() {
                let pair = (
                    heard[change.spoken.clone()].to_owned(),
                    rewriting.text()[change.written.clone()].to_owned(),
                );
                prop_assert!(pairs.contains(&pair), "{pair:?}");
                prop_assert!(change.spoken.start >= end);
                end = change.spoken.end;
            }
        }

        #[test]
        fn any_text_can_be_corrected(heard in any::<String>(), pairs in dictionary()) {
            let entries: Vec<_> =
                pairs.iter().map(|(heard, written)| entry(heard, written)).collect();
            if let Ok(corrections) = Corrections::new(entries) {
                let rewriting = corrections.applied(Language::RUSSIAN, &heard);
                let changed: usize = rewriting.changes().iter().map(|c| c.spoken.len()).sum();
                prop_assert!(changed <= heard.len());
            }
        }
    }
}
