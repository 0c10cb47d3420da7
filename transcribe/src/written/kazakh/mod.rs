//! How a Kazakh protocol writes numbers, dates, articles and sums.
//!
//! After digits a hyphen stands for the suffix of an ordinal («105-бап»), except before months and
//! years («20 наурыз», «2024 жыл»); the suffix of a case is kept («20-ға»).

mod numerals;
mod suffixes;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Step;
use super::number::digits;
use super::reading::{Number, chain, following, is_number, key};
use super::tokens::Token;
use numerals::NUMERALS;
use suffixes::{cases, possessed_cases};

/// From here on a number that counts nothing known is written in digits.
const LEAST_IN_DIGITS: u64 = 10;
/// Years that are written in full.
const YEARS: std::ops::RangeInclusive<u64> = 1_000..=2_999;

/// What laws are divided into: each may follow any ordinal. With possessive: «бабы», «бөлігі».
static PROVISIONS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    forms(&[
        ("бап", "бабы"),
        ("бөлік", "бөлігі"),
        ("тармақ", "тармағы"),
        ("тармақша", "тармақшасы"),
        ("абзац", "абзацы"),
        ("тарау", "тарауы"),
    ])
});
/// What else is numbered by a hyphen. Other words after an ordinal may belong to another part of
/// the sentence: «жиырма бесінші келді».
static NUMBERED: LazyLock<HashSet<String>> = LazyLock::new(|| {
    forms(&[
        ("бет", "беті"),
        ("бөлме", "бөлмесі"),
        ("кабинет", "кабинеті"),
        ("зал", "залы"),
        ("үй", "үйі"),
        ("пәтер", "пәтері"),
        ("мектеп", "мектебі"),
        ("сынып", "сыныбы"),
        ("том", "томы"),
        ("парақ", "парағы"),
        ("қосымша", "қосымшасы"),
        ("учаске", "учаскесі"),
        ("шағынаудан", "шағынауданы"),
    ])
});
static MONTHS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    forms(&[
        ("қаңтар", "қаңтары"),
        ("ақпан", "ақпаны"),
        ("наурыз", "наурызы"),
        ("сәуір", "сәуірі"),
        ("мамыр", "мамыры"),
        ("маусым", "маусымы"),
        ("шілде", "шілдесі"),
        ("тамыз", "тамызы"),
        ("қыркүйек", "қыркүйегі"),
        ("қазан", "қазаны"),
        ("қараша", "қарашасы"),
        ("желтоқсан", "желтоқсаны"),
    ])
});
static YEAR: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut forms = forms(&[("жыл", "жылы")]);
    forms.insert("жылғы".to_owned());
    forms
});
/// What is counted in digits from one on.
static AMOUNTS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    forms(&[
        ("теңге", "теңгесі"),
        ("пайыз", "пайызы"),
        ("рубль", "рублі"),
        ("доллар", "доллары"),
        ("еуро", "еуросы"),
        ("метр", "метрі"),
        ("километр", "километрі"),
        ("шақырым", "шақырымы"),
        ("килограмм", "килограмы"),
        ("грамм", "грамы"),
        ("литр", "литрі"),
        ("гектар", "гектары"),
        ("тонна", "тоннасы"),
    ])
});
/// What is counted in digits from two on: «бір күні» is "one day" of a tale.
static TIMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut forms = forms(&[
        ("сағат", "сағаты"),
        ("минут", "минуты"),
        ("секунд", "секунды"),
        ("тәулік", "тәулігі"),
        ("күн", "күні"),
        ("апта", "аптасы"),
        ("ай", "айы"),
        ("жыл", "жылы"),
    ]);
    forms.insert("айға".to_owned());
    forms
});

fn forms(words: &[(&str, &str)]) -> HashSet<String> {
    words
        .iter()
        .flat_map(|(word, possessed)| cases(word).into_iter().chain(possessed_cases(possessed)))
        .collect()
}

/// The first rule that knows what stands here.
pub(super) fn step(tokens: &[Token<'_>], at: usize) -> Step {
    file_number(tokens, at)
        .or_else(|| joined(tokens, at))
        .or_else(|| decimal(tokens, at))
        .or_else(|| number(tokens, at))
        .unwrap_or_else(|| Step::Keep(chain(&NUMERALS, tokens, at).max(1)))
}

/// «нөмірі жүз жиырма бес бөлшек екі мың жиырма төрт»: № 125/2024.
fn file_number(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    if !matches!(tokens[at].key.as_str(), "нөмір" | "нөмірі" | "№") {
        return None;
    }
    let mut text = "№ ".to_owned();
    let mut len = 1;
    loop {
        following(tokens, at, len)?;
        while key(tokens, at, len) == "нөл" {
            text.push('0');
            len += 1;
        }
        match following(tokens, at, len).and_then(|_| Number::at(&NUMERALS, tokens, at + len)) {
            Some(number) if !number.ordinal && number.ending.is_empty() => {
                text.push_str(&number.value.to_string());
                len += number.len;
            }
            None if text.ends_with('0') => {}
            _ => return None,
        }
        if is_number(&NUMERALS, tokens, at, len) {
            return None;
        }
        let stroke = match key(tokens, at, len) {
            "бөлшек" | "дробь" => '/',
            "сызықша" | "тире" | "дефис" => '-',
            _ => break,
        };
        if !is_number(&NUMERALS, tokens, at, len + 1) {
            break;
        }
        text.push(stroke);
        len += 1;
    }
    // "Number one" is a manner of speaking.
    Some(if text == "№ 1" {
        Step::Keep(len)
    } else {
        Step::Write(len, text)
    })
}

/// "105-ші бап", as a recogniser may write it: 105-бап.
fn joined(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let ordinal = tokens[at].text;
    let digits = ["-шы", "-ші", "-ншы", "-нші", "-ыншы", "-інші"]
        .iter()
        .find_map(|suffix| ordinal.strip_suffix(suffix))?;
    let noun = following(tokens, at, 1)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    (plain && PROVISIONS.contains(&noun.key))
        .then(|| Step::Write(2, format!("{digits}-{}", noun.text)))
}

/// «бес бүтін оннан үш»: 5,3.
fn decimal(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let whole = Number::at(&NUMERALS, tokens, at)
        .filter(|number| !number.ordinal && number.ending.is_empty())?;
    let mut len = whole.len;
    if key(tokens, at, len) != "бүтін" {
        return None;
    }
    let places = match key(tokens, at, len + 1) {
        "оннан" => 1,
        "жүзден" => 2,
        "мыңнан" => 3,
        _ => return None,
    };
    len += 2;
    following(tokens, at, len)?;
    let part = Number::at(&NUMERALS, tokens, at + len).filter(|number| !number.ordinal)?;
    let suffix = hyphened(&part.ending);
    let text = format!("{:0places$}", part.value);
    (text.len() == places && !is_number(&NUMERALS, tokens, at, len + part.len)).then(|| {
        Step::Write(
            len + part.len,
            format!("{},{text}{suffix}", digits(whole.value)),
        )
    })
}

/// A number in words.
fn number(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let number = Number::at(&NUMERALS, tokens, at)?;
    let next = key(tokens, at, number.len);
    if number.ordinal {
        return ordinal(tokens, at, &number);
    }
    if chain(&NUMERALS, tokens, at) > number.len || next == "жарым" {
        return None;
    }
    let counts = AMOUNTS.contains(next) && number.ending.is_empty()
        || TIMES.contains(next) && number.ending.is_empty() && number.value != 1
        || follows_hour(tokens, at)
        || follows_month(tokens, at) && number.value <= 31 && !number.ending.is_empty()
        || number.value >= LEAST_IN_DIGITS && !is_bare(&tokens[at], &number);
    (counts && number.value > 0).then(|| {
        Step::Write(
            number.len,
            format!("{}{}", digits(number.value), hyphened(&number.ending)),
        )
    })
}

/// «жүз бесінші баптың»: 105-баптың; «жиырмасыншы наурыз»: 20 наурыз.
fn ordinal(tokens: &[Token<'_>], at: usize, number: &Number) -> Option<Step> {
    let noun = following(tokens, at, number.len)?;
    let is_date = MONTHS.contains(&noun.key) && (1..=31).contains(&number.value)
        || YEAR.contains(&noun.key) && YEARS.contains(&number.value);
    if is_date {
        return Some(Step::Write(number.len, number.value.to_string()));
    }
    let joins = PROVISIONS.contains(&noun.key) || number.len > 1 && NUMBERED.contains(&noun.key);
    joins.then(|| Step::Write(number.len + 1, format!("{}-{}", number.value, noun.text)))
}

/// «сағат төртте»: an hour of the day, not a count of hours.
fn follows_hour(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[at].follows && at > 0 && tokens[at - 1].key == "сағат"
}

/// «наурыздың он екісінде», «наурыз айының бесінде».
fn follows_month(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[at].follows
        && at > 0
        && (tokens[at - 1].key == "айының"
            || (tokens[at - 1].key.ends_with("ың") || tokens[at - 1].key.ends_with("ің"))
                && MONTHS.contains(&tokens[at - 1].key))
}

/// «мың» alone is a manner of speaking, and «жүз» a face.
fn is_bare(first: &Token<'_>, number: &Number) -> bool {
    number.len == 1
        && ["жүз", "мың", "миллион", "миллиард"]
            .iter()
            .any(|stem| first.key.starts_with(stem))
}

fn hyphened(suffix: &str) -> String {
    match suffix {
        "" => String::new(),
        _ => format!("-{suffix}"),
    }
}
