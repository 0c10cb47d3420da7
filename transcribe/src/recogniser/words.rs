//! Puts whisper's tokens together to words with times.

/// One token as whisper gives it: bytes, for a character can be split over tokens.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) bytes: Vec<u8>,
    /// Times in milliseconds from the start of the segment's sound.
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// Probability, 0 to 1.
    pub(super) probability: f32,
}

/// A word of a [`super::Line`].
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The word as written, with the punctuation that touches it.
    pub text: String,
    /// When it begins, in ms on the record clock.
    pub start_ms: u64,
    /// When it ends, in ms on the record clock.
    pub end_ms: u64,
    /// Mean probability of its tokens, 0 to 1.
    pub confidence: f32,
}

/// Joins tokens to words; a word begins with a space. Times are moved by `start_ms` and kept
/// in order and within `start_ms..=end_ms`, which whisper does not promise.
pub(super) fn join(tokens: &[Token], start_ms: u64, end_ms: u64) -> Vec<Word> {
    let mut groups: Vec<Vec<&Token>> = Vec::new();
    for token in tokens {
        match groups.last_mut() {
            Some(group) if !token.bytes.starts_with(b" ") => group.push(token),
            _ => groups.push(vec![token]),
        }
    }
    let mut words: Vec<Word> = Vec::with_capacity(groups.len());
    let mut earliest = start_ms;
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let bytes: Vec<u8> = group.iter().flat_map(|t| t.bytes.iter().copied()).collect();
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        // A dash between spaces is no word of its own.
        if !text.contains(char::is_alphanumeric)
            && let Some(previous) = words.last_mut()
        {
            previous.text.push(' ');
            previous.text.push_str(text);
            continue;
        }
        let begins = (start_ms + first.start_ms).clamp(earliest, end_ms);
        let ends = (start_ms + last.end_ms).clamp(begins, end_ms);
        earliest = begins;
        words.push(Word {
            text: text.to_owned(),
            start_ms: begins,
            end_ms: ends,
            confidence: group.iter().map(|t| t.probability).sum::<f32>() / group.len() as f32,
        });
    }
    words
}

/// The text of a line.
pub(super) fn text_of(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8], start_ms: u64, end_ms: u64, probability: f32) -> Token {
        Token {
            bytes: bytes.to_vec(),
            start_ms,
            end_ms,
            probability,
        }
    }

    #[test]
    fn a_letter_split_over_two_tokens_is_whole() {
        let zh = "ж".as_bytes();
        let words = join(
            &[
                token(b" ", 0, 10, 0.8),
                token(&zh[..1], 10, 20, 0.8),
                token(&zh[1..], 20, 30, 0.2),
                token(" да".as_bytes(), 30, 90, 1.0),
            ],
            1_000,
            2_000,
        );
        assert_eq!(text_of(&words), "ж да");
        assert_eq!((words[0].start_ms, words[0].end_ms), (1_000, 1_030));
        assert!((words[0].confidence - 0.6).abs() < 1e-6);
    }

    #[test]
    fn times_never_leave_the_segment_nor_go_back() {
        let words = join(
            &[
                token(b" a", 500, 400, 1.0),
                token(b" b", 100, 9_000, 1.0),
                token(b" -", 0, 0, 1.0),
            ],
            1_000,
            2_000,
        );
        assert_eq!(text_of(&words), "a b -");
        assert_eq!((words[0].start_ms, words[0].end_ms), (1_500, 1_500));
        assert_eq!((words[1].start_ms, words[1].end_ms), (1_500, 2_000));
    }
}
