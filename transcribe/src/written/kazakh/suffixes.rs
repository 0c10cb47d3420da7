//! Case suffixes of Kazakh. The last vowel decides between back and front ones, the last sound
//! between the voiced, the unvoiced and the nasal.

const FRONT: &str = "әөүіеэи";
const BACK: &str = "аоұыуя";
const UNVOICED: &str = "пфкқтсшщчцхбвгғд";

/// The case forms of a word: nominative, genitive, dative, accusative,
/// locative, ablative and instrumental.
pub(super) fn cases(word: &str) -> [String; 7] {
    let front = is_front(word);
    let last = word.chars().last().unwrap_or_default();
    let [of, to, what, at, from, with] = if ends_in_vowel(word) {
        ["ның", "ға", "ны", "да", "дан", "мен"]
    } else if UNVOICED.contains(last) {
        ["тың", "қа", "ты", "та", "тан", "пен"]
    } else if "мнң".contains(last) {
        ["ның", "ға", "ды", "да", "нан", "мен"]
    } else if "зж".contains(last) {
        ["дың", "ға", "ды", "да", "дан", "бен"]
    } else {
        ["дың", "ға", "ды", "да", "дан", "мен"]
    };
    let plain = |suffix: &str| format!("{word}{}", harmonised(suffix, front));
    // The instrumental does not follow the vowel.
    [
        word.to_owned(),
        plain(of),
        plain(to),
        plain(what),
        plain(at),
        plain(from),
        format!("{word}{with}"),
    ]
}

/// The case forms of a word that has the possessive suffix of the third person: «бөлігі», «бабы».
pub(super) fn possessed_cases(word: &str) -> [String; 7] {
    let front = is_front(word);
    ["", "ның", "на", "н", "нда", "нан", "мен"].map(|suffix| match suffix {
        "мен" => format!("{word}мен"),
        _ => format!("{word}{}", harmonised(suffix, front)),
    })
}

/// A suffix that is written with back vowels, with those that suit the word.
pub(super) fn harmonised(suffix: &str, front: bool) -> String {
    if !front {
        return suffix.to_owned();
    }
    suffix
        .chars()
        .map(|letter| match letter {
            'а' => 'е',
            'ы' => 'і',
            'ғ' => 'г',
            'қ' => 'к',
            _ => letter,
        })
        .collect()
}

/// Whether the last sound is a vowel. A last у is half a consonant: «елу», «тарау».
pub(super) fn ends_in_vowel(word: &str) -> bool {
    word.ends_with(|c| c != 'у' && (FRONT.contains(c) || BACK.contains(c)))
}

/// Whether the last vowel is a front one.
pub(super) fn is_front(word: &str) -> bool {
    word.trim_end_matches('у')
        .chars()
        .rev()
        .find(|c| FRONT.contains(*c) || BACK.contains(*c))
        .is_some_and(|vowel| FRONT.contains(vowel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_follow_vowels_and_the_last_sound() {
        let forms = |word| cases(word).join(" ");
        assert_eq!(forms("бап"), "бап баптың бапқа бапты бапта баптан баппен");
        assert_eq!(forms("бес"), "бес бестің беске бесті бесте бестен беспен");
        assert_eq!(
            forms("теңге"),
            "теңге теңгенің теңгеге теңгені теңгеде теңгеден теңгемен"
        );
        assert_eq!(
            forms("отыз"),
            "отыз отыздың отызға отызды отызда отыздан отызбен"
        );
        assert_eq!(forms("елу"), "елу елудің елуге елуді елуде елуден елумен");
        assert_eq!(forms("он"), "он онның онға онды онда оннан онмен");
        assert_eq!(
            forms("маусым"),
            "маусым маусымның маусымға маусымды маусымда маусымнан маусыммен"
        );
        assert_eq!(
            possessed_cases("бөлігі").join(" "),
            "бөлігі бөлігінің бөлігіне бөлігін бөлігінде бөлігінен бөлігімен"
        );
    }
}
