//! Word error rate: how tests and benches judge recognised text.

/// Brings text to what is compared: lower case, ё as е, letters and digits only, and the words
/// apart. A hyphen parts words; an apostrophe does not.
pub fn normalised_words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('ё', "е")
        .replace(['\'', '’'], "")
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The fewest words that must be replaced, added or dropped to turn `heard` into `said`, over
/// the words of `said`, after [`normalised_words`]: 0.0 is perfect, and over 1.0 is possible.
/// Nothing said and nothing heard gives 0.0; nothing said and anything heard gives infinity.
pub fn wer(said: &str, heard: &str) -> f64 {
    let (said, heard) = (normalised_words(said), normalised_words(heard));
    let errors = edits(&said, &heard);
    if errors == 0 {
        0.0
    } else {
        errors as f64 / said.len() as f64
    }
}

/// What must be replaced, added or dropped at least to turn one into the other (Levenshtein), one row
/// at a time.
pub(crate) fn edits<T: PartialEq>(said: &[T], heard: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (index, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in heard.iter().enumerate() {
            let replaced = diagonal + usize::from(word != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[heard.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_that_is_not_heard_does_not_count() {
        assert_eq!(wer("Всё, что-то ещё — «да»!", "все что то еще да"), 0.0);
        assert_eq!(wer("don't", "dont"), 0.0);
    }

    #[test]
    fn each_kind_of_error_counts_once() {
        assert_eq!(wer("a b c d", "a x c d"), 0.25);
        assert_eq!(wer("a b c d", "a c d"), 0.25);
        assert_eq!(wer("a b c d", "a b b c d"), 0.25);
        assert_eq!(wer("a b", ""), 1.0);
        assert_eq!(wer("", ""), 0.0);
        assert_eq!(wer("", "a"), f64::INFINITY);
    }
}
