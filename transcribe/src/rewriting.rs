//! Text that is written otherwise than it was spoken, with what was spoken in each place.

use std::ops::Range;

/// A place where the written text is not the spoken one. Both ranges are in bytes and lie on
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is in the spoken text.
    pub spoken: Range<usize>,
    /// Where it is in the written text.
    pub written: Range<usize>,
}

/// A written text and where it differs from what was spoken.
///
/// Outside of [`Self::changes`] both texts are byte for byte the same, so that every change can
/// be shown and taken back.
#[derive(Clone, PartialEq, Eq)]
pub struct Rewriting {
    text: String,
    changes: Vec<Change>,
}

/// Whole words that are written otherwise than they were spoken.
#[derive(Clone, PartialEq, Eq)]
pub struct RewrittenWords {
    /// Index of the first of them.
    pub first: usize,
    /// How many they are.
    pub count: usize,
    /// What is written in their place.
    pub text: String,
}

impl std::fmt::Debug for RewrittenWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RewrittenWords")
            .field("first", &self.first)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Rewriting {
    // Spoken words are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriting")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

impl Rewriting {
    /// `spoken` with each range replaced by the text beside it. The ranges lie in it, on
    /// characters, in order, and do not overlap. What is replaced by itself is no change.
    pub(crate) fn of(spoken: &str, replaced: Vec<(Range<usize>, String)>) -> Self {
        let mut text = String::with_capacity(spoken.len());
        let mut changes = Vec::new();
        let mut done = 0;
        for (range, written) in replaced {
            if spoken[range.clone()] == written {
                continue;
            }
            text.push_str(&spoken[done..range.start]);
            let start = text.len();
            text.push_str(&written);
            done = range.end;
            changes.push(Change {
                spoken: range,
                written: start..text.len(),
            });
        }
        text.push_str(&spoken[done..]);
        Self { text, changes }
    }

    /// The written text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it is not the spoken one, in order and apart from each other.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The changes as whole words of the spoken text, which are these, with a space between one and
    /// the next. Changes within one word become one.
    pub fn in_words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Vec<RewrittenWords> {
        let words: Vec<Range<usize>> = words
            .into_iter()
            .scan(0, |at, word| {
                let start = *at;
                *at += word.len() + 1;
                Some(start..start + word.len())
            })
            .collect();
        let mut whole: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for Change { spoken, written } in &self.changes {
            let first = words.partition_point(|word| word.end <= spoken.start);
            let end = words.partition_point(|word| word.start < spoken.end);
            let Some(touched) = words.get(first..end).filter(|words| !words.is_empty()) else {
                continue;
            };
            let before = spoken.start - touched[0].start.min(spoken.start);
            let after = touched[touched.len() - 1].end.max(spoken.end) - spoken.end;
            let written = written.start - before..written.end + after;
            match whole.last_mut() {
                Some((words, text)) if first < words.end => {
                    words.end = end;
                    text.end = written.end;
                }
                _ => whole.push((first..end, written)),
            }
        }
        whole
            .into_iter()
            .map(|(words, text)| RewrittenWords {
                first: words.start,
                count: words.len(),
                text: self.text[text].to_owned(),
            })
            .collect()
    }

    /// What `next` makes of the written text, as changes of what was spoken. Changes of both that
    /// touch the same words become one.
    #[must_use]
    pub fn then(self, next: impl FnOnce(&str) -> Self) -> Self {
        let next = next(&self.text);
        let mut joined: Vec<Change> = Vec::new();
        let mut first = self.changes.iter().peekable();
        let mut second = next.changes.iter().peekable();
        // All three texts are walked at once: `moved` and `moved_on` are how far the middle text
        // is from the spoken one, and the last from the middle one.
        let (mut moved, mut moved_on) = (0isize, 0isize);
        loop {
            // The next group of changes that overlap in the middle text.
            let start = match (first.peek(), second.peek()) {
                (None, None) => break,
                (Some(a), None) => a.written.start,
                (None, Some(b)) => b.spoken.start,
                (Some(a), Some(b)) => a.written.start.min(b.spoken.start),
            };
            let (spoken_start, written_start) = (shifted(start, -moved), shifted(start, moved_on));
            let mut end = start;
            loop {
                if let Some(a) = first.next_if(|a| a.written.start < end.max(start + 1)) {
                    end = end.max(a.written.end);
                    moved += length_gained(&a.spoken, &a.written);
                } else if let Some(b) = second.next_if(|b| b.spoken.start < end.max(start + 1)) {
                    end = end.max(b.spoken.end);
                    moved_on += length_gained(&b.spoken, &b.written);
                } else {
                    break;
                }
            }
            joined.push(Change {
                spoken: spoken_start..shifted(end, -moved),
                written: written_start..shifted(end, moved_on),
            });
        }
        Self {
            text: next.text,
            changes: joined,
        }
    }
}

fn length_gained(before: &Range<usize>, after: &Range<usize>) -> isize {
    after.len().cast_signed() - before.len().cast_signed()
}

fn shifted(at: usize, by: isize) -> usize {
    at.saturating_add_signed(by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Replaces each word that `wanted` chooses by another of another length.
    fn replace(text: &str, wanted: u32) -> Rewriting {
        let replaced = text.split(' ').enumerate().scan(0, |at, (index, word)| {
            let start = *at;
            *at += word.len() + 1;
            Some((index, start..start + word.len(), word))
        });
        Rewriting::of(
            text,
            replaced
                .filter(|(index, _, _)| wanted & (1 << (index % 32)) != 0)
                .map(|(index, range, word)| (range, word.repeat(index % 3) + "ә"))
                .collect(),
        )
    }

    /// The spoken text again, from the written one and the changes.
    fn taken_back(rewriting: &Rewriting, spoken: &str) -> String {
        let mut text = String::new();
        let mut done = 0;
        for change in rewriting.changes() {
            text.push_str(&rewriting.text()[done..change.written.start]);
            text.push_str(&spoken[change.spoken.clone()]);
            done = change.written.end;
        }
        text + &rewriting.text()[done..]
    }

    #[test]
    fn punctuation_stays_with_its_words() {
        let spoken = "«пять, шесть» семь-восемь";
        let rewriting = Rewriting::of(
            spoken,
            ["пять", "шесть", "семь", "восемь"]
                .iter()
                .map(|word| {
                    let start = spoken.find(word).unwrap();
                    (start..start + word.len(), word.len().to_string())
                })
                .collect(),
        );
        let words: Vec<_> = rewriting
            .in_words(spoken.split(' '))
            .into_iter()
            .map(|words| (words.first, words.count, words.text))
            .collect();
        assert_eq!(
            words,
            [
                (0, 1, "«8,".to_owned()),
                (1, 1, "10»".to_owned()),
                (2, 1, "8-12".to_owned())
            ]
        );
    }

    proptest! {
        #[test]
        fn whole_words_make_up_the_written_text(
            words in prop::collection::vec("[а-яa-z]{1,4}", 1..12),
            (one, two) in any::<(u32, u32)>(),
        ) {
            let spoken = words.join(" ");
            let rewriting = replace(&spoken, one).then(|text| replace(text, two));
            let mut left = words.clone();
            for change in rewriting.in_words(words.iter().map(String::as_str)).into_iter().rev() {
                left.splice(change.first..change.first + change.count, [change.text]);
            }
            prop_assert_eq!(left.join(" "), rewriting.text());
        }

        #[test]
        fn every_change_can_be_taken_back(
            words in prop::collection::vec("[а-яa-z]{1,4}", 1..12),
            (one, two) in any::<(u32, u32)>(),
        ) {
            let spoken = words.join(" ");
            let once = replace(&spoken, one);
            prop_assert_eq!(taken_back(&once, &spoken), spoken.clone());
            let twice = once.clone().then(|text| replace(text, two));
            prop_assert_eq!(taken_back(&twice, &spoken), spoken.clone());
            let last = replace(once.text(), two);
            prop_assert_eq!(twice.text(), last.text());
        }
    }
}
