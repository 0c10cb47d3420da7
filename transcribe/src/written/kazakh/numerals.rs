//! Kazakh numerals with their suffixes.

use std::sync::LazyLock;

use super::suffixes::{cases, ends_in_vowel, harmonised, is_front, possessed_cases};
use crate::written::number::Part;
use crate::written::reading::{Numeral, Numerals};

/// Each numeral with its suffixes; [`Numeral::ending`] is the suffix as it is written after digits.
pub(super) static NUMERALS: LazyLock<Numerals> = LazyLock::new(|| {
    let mut numerals = Numerals::new();
    for (word, part) in WORDS {
        let possessed = possessed(word);
        let forms = cases(word).into_iter().chain(possessed_cases(&possessed));
        for form in forms.filter(|form| !OTHER_WORDS.contains(&form.as_str())) {
            // «жиырмасы» is «жиырма» and «-сы»; «қырқы» has lost a vowel of «қырық».
            let suffix = form
                .strip_prefix(word)
                .or_else(|| form.strip_prefix("қырқ"));
            let numeral = numeral(part, false, suffix.unwrap_or_default());
            numerals.insert(form, numeral);
        }
        numerals.insert(ordinal(word), numeral(part, true, ""));
    }
    numerals
});

const WORDS: [(&str, Part); 23] = [
    ("нөл", Part::Nought),
    ("бір", Part::add(1)),
    ("екі", Part::add(2)),
    ("үш", Part::add(3)),
    ("төрт", Part::add(4)),
    ("бес", Part::add(5)),
    ("алты", Part::add(6)),
    ("жеті", Part::add(7)),
    ("сегіз", Part::add(8)),
    ("тоғыз", Part::add(9)),
    ("он", Part::add(10)),
    ("жиырма", Part::add(20)),
    ("отыз", Part::add(30)),
    ("қырық", Part::add(40)),
    ("елу", Part::add(50)),
    ("алпыс", Part::add(60)),
    ("жетпіс", Part::add(70)),
    ("сексен", Part::add(80)),
    ("тоқсан", Part::add(90)),
    ("жүз", Part::Hundred),
    ("мың", Part::Scale(1_000)),
    ("миллион", Part::Scale(1_000_000)),
    ("миллиард", Part::Scale(1_000_000_000)),
];
/// Forms that are mostly another word: «онда» is "there", «оны» "him".
const OTHER_WORDS: [&str; 5] = ["онда", "оны", "оның", "онан", "оған"];

fn numeral(part: Part, ordinal: bool, suffix: &str) -> Numeral {
    Numeral {
        part,
        ordinal,
        ending: suffix.to_owned(),
        ends: ordinal || !suffix.is_empty(),
        counted: false,
    }
}

/// With the possessive suffix: «бесі», «жиырмасы», «қырқы».
fn possessed(word: &str) -> String {
    let front = is_front(word);
    match word {
        "қырық" => "қырқы".to_owned(),
        _ if ends_in_vowel(word) => format!("{word}{}", harmonised("сы", front)),
        _ => format!("{word}{}", harmonised("ы", front)),
    }
}

/// «бесінші», «алтыншы», «жиырмасыншы», «қырқыншы».
fn ordinal(word: &str) -> String {
    let front = is_front(word);
    match word {
        "қырық" => "қырқыншы".to_owned(),
        "жиырма" => "жиырмасыншы".to_owned(),
        _ if ends_in_vowel(word) => format!("{word}{}", harmonised("ншы", front)),
        _ => format!("{word}{}", harmonised("ыншы", front)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_made_as_the_language_has_them() {
        for (form, suffix) in [
            ("бестен", "тен"),
            ("жиырмаға", "ға"),
            ("оннан", "нан"),
            ("тоғызы", "ы"),
            ("жиырмасынан", "сынан"),
            ("төртінде", "інде"),
            ("қырыққа", "қа"),
            ("елуде", "де"),
        ] {
            assert_eq!(NUMERALS[form].ending, suffix, "{form}");
        }
        for form in [
            "бірінші",
            "екінші",
            "үшінші",
            "төртінші",
            "алтыншы",
            "жетінші",
            "сегізінші",
            "тоғызыншы",
            "оныншы",
            "жиырмасыншы",
            "отызыншы",
            "қырқыншы",
            "елуінші",
            "алпысыншы",
            "тоқсаныншы",
            "жүзінші",
            "мыңыншы",
        ] {
            assert!(NUMERALS[form].ordinal, "{form}");
        }
        for word in ["онда", "алтын", "бескүндік", "жүзік", "бастан"] {
            assert!(!NUMERALS.contains_key(word), "{word}");
        }
    }
}
