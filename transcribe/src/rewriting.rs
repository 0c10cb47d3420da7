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

    proptest! {
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
