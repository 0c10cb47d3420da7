//! What holds for the written form in every language.

use super::written;
use crate::recogniser::Language;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// Words that a grammar knows from its cases, and some that it does not, in any order.
pub(super) fn speech(cases: &[(&'static str, &str)]) -> impl Strategy<Value = String> + use<> {
    let words: Vec<&str> = cases
        .iter()
        .flat_map(|(said, _)| said.split(' '))
        .filter(|word| !word.is_empty())
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..14).prop_map(|words| words.join(" "))
}

/// Doing it again changes nothing.
pub(super) fn stays(language: Language, said: &str) -> Result<(), TestCaseError> {
    let once = written(language, said);
    let twice = written(language, once.text());
    prop_assert_eq!(twice.text(), once.text());
    Ok(())
}

/// Changes are in order and whole letters.
pub(super) fn is_in_order(language: Language, text: &str) -> Result<(), TestCaseError> {
    let written = written(language, text);
    let mut end = 0;
    for change in written.changes() {
        prop_assert!(change.spoken.start >= end);
        prop_assert!(text.is_char_boundary(change.spoken.start));
        prop_assert!(written.text().is_char_boundary(change.written.end));
        end = change.spoken.end;
    }
    Ok(())
}
