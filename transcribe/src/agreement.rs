//! What stays of guesses at an utterance that is still being spoken.
//!
//! Each guess hears a little more than the one before, and its last words are the least sure. By
//! LocalAgreement-2 (Macháček, Dabre and Bojar, "Turning Whisper into Real-Time Transcription
//! System", 2023) a word stays when two guesses in succession agree on it and on all before it.

use std::cmp::Reverse;

use crate::recogniser::Word;

/// By so many words times waver at most; and so many words in a row are the same by no chance.
const WAVER: usize = 4;

/// The guesses at one utterance so far.
#[derive(Debug, Clone, Default)]
pub struct Agreement {
    agreed: Vec<Word>,
    rest: Vec<Word>,
}

impl Agreement {
    /// Takes the next guess. What was agreed on never changes: of the guess only the words after it
    /// are used.
    pub fn hear(&mut self, guess: Vec<Word>) {
        let known = self.known_of(&guess);
        let mut after = guess.into_iter().skip(known).peekable();
        for before in std::mem::take(&mut self.rest) {
            let Some(word) = after.next_if(|word| is_same(word, &before)) else {
                break;
            };
            self.agreed.push(word);
        }
        self.rest = after.collect();
    }

    /// How many of a guess's words were agreed on before. Times of words waver by more than a word
    /// from guess to guess; so it is where the words before are the same as those agreed on last,
    /// and by the times alone only where none are.
    fn known_of(&self, guess: &[Word]) -> usize {
        let from_ms = self.agreed.last().map_or(0, |word| word.end_ms);
        let by_time = guess
            .iter()
            .filter(|word| middle_ms(word) < from_ms)
            .count();
        let near = by_time.saturating_sub(WAVER)..=guess.len().min(by_time + WAVER);
        let fits = |known: &usize| {
            let before = guess[..*known].iter().rev().zip(self.agreed.iter().rev());
            let same = before.take_while(|(a, b)| is_same(a, b)).count();
            (same.min(WAVER), Reverse(known.abs_diff(by_time)))
        };
        near.max_by_key(fits).unwrap_or(by_time)
    }

    /// The words that stay.
    pub fn agreed(&self) -> &[Word] {
        &self.agreed
    }

    /// The words of the last guess after those; the next one may have others.
    pub fn rest(&self) -> &[Word] {
        &self.rest
    }
}

fn middle_ms(word: &Word) -> u64 {
    u64::midpoint(word.start_ms, word.end_ms)
}

/// Capitals and punctuation depend on how the sentence goes on.
fn is_same(a: &Word, b: &Word) -> bool {
    letters(&a.text).eq(letters(&b.text))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words of 300 ms, one after the other.
    fn guess(text: &str) -> Vec<Word> {
        (0..)
            .zip(text.split_whitespace())
            .map(|(index, text)| Word {
                text: text.to_owned(),
                start_ms: index * 300,
                end_ms: index * 300 + 300,
                confidence: 1.0,
            })
            .collect()
    }

    fn text_of(words: &[Word]) -> String {
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        texts.join(" ")
    }

    #[test]
    fn a_word_stays_when_two_guesses_agree() {
        let mut agreement = Agreement::default();
        agreement.hear(guess("Суд идёт"));
        assert!(agreement.agreed().is_empty());
        agreement.hear(guess("суд идет, прошу"));
        assert_eq!(text_of(agreement.agreed()), "суд");
        assert_eq!(text_of(agreement.rest()), "идет, прошу");
        agreement.hear(guess("Суд идет. Прошу встать"));
        assert_eq!(text_of(agreement.agreed()), "суд идет. Прошу");
        assert_eq!(text_of(agreement.rest()), "встать");
    }

    #[test]
    fn what_was_agreed_on_does_not_change_when_later_guesses_hear_otherwise() {
        let mut agreement = Agreement::default();
        agreement.hear(guess("прошу всех встать"));
        agreement.hear(guess("прошу всех встать"));
        agreement.hear(guess("просил весь встать суд"));
        assert_eq!(text_of(agreement.agreed()), "прошу всех встать");
        assert_eq!(text_of(agreement.rest()), "суд");
    }

    #[test]
    fn words_are_told_apart_although_their_times_waver() {
        let late = |text: &str, by_ms: u64| {
            let words = guess(text).into_iter();
            let moved = words.map(|word| Word {
                start_ms: word.start_ms + by_ms,
                end_ms: word.end_ms + by_ms,
                ..word
            });
            moved.collect::<Vec<_>>()
        };
        let mut agreement = Agreement::default();
        agreement.hear(guess("прошу всех встать суд"));
        agreement.hear(late("прошу всех встать суд идёт", 900));
        agreement.hear(guess("прошу всех встать суд идёт прошу"));
        assert_eq!(text_of(agreement.agreed()), "прошу всех встать суд идёт");
        assert_eq!(text_of(agreement.rest()), "прошу");
    }

    fn guesses() -> impl Strategy<Value = Vec<Vec<Word>>> {
        let word = (
            prop::sample::select(vec!["да", "Да,", "нет", "суд", "?"]),
            0_u64..400,
        );
        let guess = prop::collection::vec(word, 0..12).prop_map(|words| {
            let mut at_ms = 0;
            words
                .into_iter()
                .map(|(text, length_ms)| {
                    let start_ms = at_ms;
                    at_ms += length_ms;
                    Word {
                        text: text.to_owned(),
                        start_ms,
                        end_ms: at_ms,
                        confidence: 1.0,
                    }
                })
                .collect()
        });
        prop::collection::vec(guess, 0..12)
    }

    proptest! {
        #[test]
        fn words_stay_in_order_and_are_those_of_a_guess(guesses in guesses()) {
            let mut agreement = Agreement::default();
            for guess in guesses {
                let before = agreement.agreed().to_vec();
                let rest = agreement.rest().to_vec();
                agreement.hear(guess.clone());
                let agreed = agreement.agreed();
                prop_assert!(agreed.starts_with(&before));
                let new = &agreed[before.len()..];
                prop_assert!(new.len() <= rest.len());
                for (new, earlier) in new.iter().zip(&rest) {
                    prop_assert!(is_same(new, earlier));
                }
                let shown: Vec<_> = new.iter().chain(agreement.rest()).collect();
                let told: Vec<_> = guess.iter().collect();
                prop_assert!(told.ends_with(&shown));
            }
        }
    }
}
