//! Names that are likely to be said: what whisper is prompted with.

use super::Language;

/// The names of a case, as far as they are written in one language's letters, in the form in which
/// they were measured to help: with nothing but commas between them. Base then missed 20 % of the
/// names in read Russian instead of 47 %; the roles of the people beside their names, or terms of
/// law before them, made other words worse (`docs/benchmarks.md`). Empty if there are none.
pub(super) fn prompt(names: &[String], language: Language) -> String {
    let fitting: Vec<_> = names
        .iter()
        .map(|name| name.trim())
        .filter(|name| is_written_in(name, language))
        .collect();
    match fitting.is_empty() {
        true => String::new(),
        false => format!("{}.", fitting.join(", ")),
    }
}

/// Whether a name has letters, and all of them those of the language. A prompt in other letters makes
/// whisper answer in the other language.
fn is_written_in(name: &str, language: Language) -> bool {
    let cyrillic = [Language::KAZAKH, Language::RUSSIAN].contains(&language);
    let mut letters = name.chars().filter(|c| c.is_alphabetic()).peekable();
    letters.peek().is_some()
        && letters.all(|letter| ('\u{400}'..='\u{52f}').contains(&letter) == cyrillic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_prompted_with_the_names_in_its_own_letters() {
        let names = [
            "Ким А. В.",
            " John Smith ",
            "ТОО «Qazaq»",
            "",
            "Әлия Нұрқызы",
            "12",
        ];
        let names = names.map(str::to_owned);
        assert_eq!(
            prompt(&names, Language::RUSSIAN),
            "Ким А. В., Әлия Нұрқызы."
        );
        assert_eq!(prompt(&names, Language::KAZAKH), "Ким А. В., Әлия Нұрқызы.");
        assert_eq!(prompt(&names, Language::ENGLISH), "John Smith.");
        assert_eq!(prompt(&[], Language::RUSSIAN), "");
    }
}
