//! How a Russian protocol writes numbers, dates, articles, sums and percents.

mod dates;
mod numerals;
mod provisions;
#[cfg(test)]
mod tests;

use super::Step;
use super::number::digits;
use super::reading::{Number, chain, following, is_number, key};
use super::tokens::Token;
use numerals::NUMERALS;

/// From here on a number that counts nothing known is written in digits.
const LEAST_IN_DIGITS: u64 = 10;

/// The first rule that knows what stands here.
pub(super) fn step(tokens: &[Token<'_>], at: usize) -> Step {
    provisions::rule(tokens, at)
        .or_else(|| file_number(tokens, at))
        .or_else(|| dates::rule(tokens, at))
        .or_else(|| {
            series(tokens, at)
                .filter(|series| series.parts > 1)
                .map(Series::write)
        })
        .or_else(|| decimal(tokens, at))
        .or_else(|| number(tokens, at))
        .unwrap_or_else(|| Step::Keep(chain(&NUMERALS, tokens, at).max(1)))
}

/// «номер двести тридцать пять дробь две тысячи двадцать четыре»: № 235/2024.
fn file_number(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let sign = match tokens[at].key.as_str() {
        "номер" | "номера" | "номеру" | "номером" | "номере" => 1,
        "№" => 0,
        _ => return None,
    };
    let next = following(tokens, at, 1)?;
    let digits = next.text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if digits
        && sign == 1
        && !is_number(&NUMERALS, tokens, at, 2)
        && !dates::is_written(tokens, at + 1)
    {
        return Some(Step::Write(2, format!("№ {}", next.text)));
    }
    let series = series(tokens, at + 1)?;
    if series.text == "1" {
        // "The enemy number one" is a manner of speaking.
        return Some(Step::Keep(series.len + 1));
    }
    Some(Step::Write(series.len + 1, format!("№ {}", series.text)))
}

/// Numbers with strokes between them, as files have them.
struct Series {
    len: usize,
    parts: usize,
    text: String,
}

impl Series {
    fn write(self) -> Step {
        Step::Write(self.len, self.text)
    }
}

/// A number of any size, and more after «дробь» or «тире».
fn series(tokens: &[Token<'_>], at: usize) -> Option<Series> {
    let mut series = Series {
        len: 0,
        parts: 0,
        text: String::new(),
    };
    loop {
        while key(tokens, at, series.len) == "ноль" {
            series.text.push('0');
            series.len += 1;
        }
        let noughts = series.text.ends_with('0');
        match following(tokens, at, series.len)
            .and_then(|_| Number::at(&NUMERALS, tokens, at + series.len))
        {
            Some(number) if !number.ordinal => {
                series.text.push_str(&number.value.to_string());
                series.len += number.len;
            }
            None if noughts => {}
            _ => return None,
        }
        series.parts += 1;
        if is_number(&NUMERALS, tokens, at, series.len) {
            return None;
        }
        let stroke = match key(tokens, at, series.len) {
            "дробь" => '/',
            "тире" | "дефис" => '-',
            _ => return Some(series),
        };
        if !is_number(&NUMERALS, tokens, at, series.len + 1) {
            return Some(series);
        }
        series.text.push(stroke);
        series.len += 1;
    }
}

/// «пять целых три десятых процента»: 5,3 %.
fn decimal(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let whole = Number::at(&NUMERALS, tokens, at).filter(|number| !number.ordinal)?;
    let mut len = whole.len;
    if !matches!(key(tokens, at, len), "целых" | "целая" | "целой" | "целую") {
        return None;
    }
    len += 1;
    if key(tokens, at, len) == "и" {
        len += 1;
    }
    following(tokens, at, len)?;
    let part = Number::at(&NUMERALS, tokens, at + len).filter(|number| !number.ordinal)?;
    len += part.len;
    let denominator = key(tokens, at, len);
    let places = ["десят", "сот", "тысячн"].iter().position(|stem| {
        denominator
            .strip_prefix(stem)
            .is_some_and(|ending| matches!(ending, "ых" | "ая" | "ой" | "ую" | "ым" | "ыми"))
    })? + 1;
    let part = format!("{:0places$}", part.value);
    if part.len() > places {
        return None;
    }
    let (unit, sign) = percent(tokens, at, len + 1);
    Some(Step::Write(
        len + 1 + unit,
        format!("{},{part}{sign}", digits(whole.value)),
    ))
}

/// A number in words that stands for itself.
fn number(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let number = Number::at(&NUMERALS, tokens, at)?;
    let len = number.len;
    let next = key(tokens, at, len);
    let half = next == "с" && key(tokens, at, len + 1) == "половиной";
    if half || chain(&NUMERALS, tokens, at) > len {
        return None;
    }
    if number.ordinal {
        // Of an article it would be in another case: whose number it is is not known.
        let of_division =
            at > 0 && tokens[at].follows && provisions::is_division(&tokens[at - 1].key);
        return ordinal(&number, next).filter(|_| !of_division);
    }
    let (unit, sign) = percent(tokens, at, len);
    let counts = unit > 0
        || match counted(next) {
            Some(Unit::Amount) => true,
            // "In one day" is often no count.
            Some(Unit::Time) => number.value != 1,
            None => number.value >= LEAST_IN_DIGITS && !is_bare_scale(&tokens[at], len),
        };
    (counts && number.value > 0)
        .then(|| Step::Write(len + unit, format!("{}{sign}", digits(number.value))))
}

/// «двадцать пятого»: 25-го. One word alone is mostly no number of anything («в сотый раз»), of a
/// century Roman digits are wanted, a plural may be a fraction, and what is before «часть» may be the
/// number of another article.
fn ordinal(number: &Number, next: &str) -> Option<Step> {
    let ending = match number.ending.as_str() {
        "ый" | "ой" => "й",
        "ого" => "го",
        "ому" => "му",
        "ым" | "ом" => "м",
        "ая" => "я",
        "ую" | "ою" => "ю",
        "ое" => "е",
        _ => return None,
    };
    (number.len > 1 && !next.starts_with("век") && !provisions::is_division(next))
        .then(|| Step::Write(number.len, format!("{}-{ending}", number.value)))
}

/// «тысяча» alone is a manner of speaking.
fn is_bare_scale(first: &Token<'_>, len: usize) -> bool {
    len == 1
        && ["тысяч", "миллион", "миллиард"]
            .iter()
            .any(|stem| first.key.starts_with(stem))
}

/// How many tokens name percents here, and their sign.
fn percent(tokens: &[Token<'_>], at: usize, len: usize) -> (usize, &'static str) {
    match key(tokens, at, len).strip_prefix("процент") {
        Some(ending) if HARD_MASCULINE.contains(&ending) => (1, " %"),
        _ => (0, ""),
    }
}

/// What numbers count.
enum Unit {
    /// Money, weight, length: one of it is a quantity, too.
    Amount,
    /// Time, of which one may be no count.
    Time,
}

const HARD_MASCULINE: [&str; 10] = ["", "а", "у", "ом", "е", "ы", "ов", "ам", "ами", "ах"];
const SOFT_MASCULINE: [&str; 10] = ["ь", "я", "ю", "ем", "е", "и", "ей", "ям", "ями", "ях"];
const HARD_FEMININE: [&str; 9] = ["а", "ы", "е", "у", "ой", "", "ам", "ами", "ах"];
const SOFT_FEMININE: [&str; 9] = ["я", "и", "е", "ю", "ей", "ь", "ям", "ями", "ях"];

fn counted(word: &str) -> Option<Unit> {
    let is = |stem: &str, endings: &[&str]| {
        word.strip_prefix(stem)
            .is_some_and(|ending| endings.contains(&ending))
    };
    let amount = matches!(word, "тенге" | "евро")
        || is("рубл", &SOFT_MASCULINE)
        || ["тонн"].iter().any(|stem| is(stem, &HARD_FEMININE))
        || [
            "доллар",
            "метр",
            "километр",
            "сантиметр",
            "грамм",
            "килограмм",
            "литр",
            "гектар",
        ]
        .iter()
        .any(|stem| is(stem, &HARD_MASCULINE));
    let time = matches!(
        word,
        "сутки" | "суток" | "суткам" | "сутками" | "сутках" | "лет"
    ) || matches!(
        word,
        "день" | "дня" | "дню" | "днем" | "дней" | "дням" | "днями" | "днях"
    ) || ["час", "год", "месяц"]
        .iter()
        .any(|stem| is(stem, &HARD_MASCULINE))
        || word == "месяцев"
        || ["минут", "секунд"]
            .iter()
            .any(|stem| is(stem, &HARD_FEMININE))
        || is("недел", &SOFT_FEMININE);
    match (amount, time) {
        (true, _) => Some(Unit::Amount),
        (_, true) => Some(Unit::Time),
        _ => None,
    }
}
