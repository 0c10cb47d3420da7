//! Days, months and years in Russian.

use super::numerals::NUMERALS;
use crate::written::Step;
use crate::written::reading::{Number, following, key};
use crate::written::tokens::Token;

const MONTHS: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];
/// Between two days of a month.
const BETWEEN_DAYS: [&str; 5] = ["по", "до", "и", "на", "или"];
/// Years that are written in full. Of «двадцать четвёртого года» the century is not known, and
/// "24 года" would be a span of time.
const YEARS: std::ops::RangeInclusive<u64> = 1_000..=2_999;

/// «двенадцатого» before «марта», «две тысячи двадцать четвёртого» before «года». Month and
/// «года» stay as they are.
pub(super) fn rule(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let number = Number::at(&NUMERALS, tokens, at).filter(|number| number.ordinal)?;
    let next = key(tokens, at, number.len);
    let is_year = YEARS.contains(&number.value)
        && matches!(
            number.ending.as_str(),
            "ый" | "ой" | "ого" | "ому" | "ым" | "ом"
        )
        && is_year_word(next);
    if is_year || is_day(tokens, at, &number) {
        return Some(Step::Write(number.len, number.value.to_string()));
    }
    // "The two hundredth of March" is none; nothing is made of it.
    MONTHS.contains(&next).then_some(Step::Keep(number.len))
}

/// Whether the digits that stand here are a day or a year, or the first of some days: what they are
/// a number of is not what stands before them.
pub(super) fn is_written(tokens: &[Token<'_>], at: usize) -> bool {
    let mut len = 1;
    while BETWEEN_DAYS.contains(&key(tokens, at, len))
        && following(tokens, at, len + 1).is_some_and(Token::has_digits)
    {
        len += 2;
    }
    let next = key(tokens, at, len);
    MONTHS.contains(&next) || next == "числа" || is_year_word(next)
}

fn is_year_word(word: &str) -> bool {
    matches!(word, "год" | "года" | "году" | "годом" | "годе")
}

/// A day before its month or «числа», or before another day of that month: «с первого по третье
/// марта».
fn is_day(tokens: &[Token<'_>], at: usize, number: &Number) -> bool {
    let end = at + number.len;
    let another = || {
        BETWEEN_DAYS
            .contains(&key(tokens, end - 1, 1))
            .then(|| following(tokens, end, 1))
            .flatten()
            .and_then(|_| Number::at(&NUMERALS, tokens, end + 1))
            .is_some_and(|day| may_be_day(&day) && names_day(tokens, end + 1 + day.len, &day))
    };
    may_be_day(number) && (names_day(tokens, end, number) || another())
}

fn may_be_day(number: &Number) -> bool {
    number.ordinal
        && (1..=31).contains(&number.value)
        && matches!(number.ending.as_str(), "ое" | "ого" | "ому" | "ым" | "ом")
}

/// Whether what follows a number makes a day of it.
fn names_day(tokens: &[Token<'_>], end: usize, number: &Number) -> bool {
    let next = key(tokens, end - 1, 1);
    MONTHS.contains(&next) || (next == "числа" && number.ending == "ого")
}
