//! Articles of the law and their parts in Russian: «статья сто пять» is «ст. 105».

use super::dates;
use super::numerals::NUMERALS;
use crate::written::Step;
use crate::written::reading::{Number, following, is_number, key};
use crate::written::tokens::Token;

/// What a law is divided into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Article,
    Part,
    Other,
}

/// A form of such a word, its short form, and the endings of ordinals that agree with it.
type Word = (&'static str, &'static str, Kind, &'static [&'static str]);

const WORDS: [Word; 27] = [
    ("статья", "ст.", Kind::Article, &["ая"]),
    ("статьи", "ст.", Kind::Article, &["ой"]),
    ("статье", "ст.", Kind::Article, &["ой"]),
    ("статью", "ст.", Kind::Article, &["ую"]),
    ("статьей", "ст.", Kind::Article, &["ой", "ою"]),
    ("статей", "ст.", Kind::Article, &["ых"]),
    ("статьям", "ст.", Kind::Article, &["ым"]),
    ("статьями", "ст.", Kind::Article, &["ыми"]),
    ("статьях", "ст.", Kind::Article, &["ых"]),
    ("часть", "ч.", Kind::Part, &["ая", "ую"]),
    ("части", "ч.", Kind::Part, &["ой"]),
    ("частью", "ч.", Kind::Part, &["ой", "ою"]),
    ("пункт", "п.", Kind::Other, &["ый", "ой"]),
    ("пункта", "п.", Kind::Other, &["ого"]),
    ("пункту", "п.", Kind::Other, &["ому"]),
    ("пунктом", "п.", Kind::Other, &["ым"]),
    ("пункте", "п.", Kind::Other, &["ом"]),
    ("подпункт", "подп.", Kind::Other, &["ый", "ой"]),
    ("подпункта", "подп.", Kind::Other, &["ого"]),
    ("подпункту", "подп.", Kind::Other, &["ому"]),
    ("подпунктом", "подп.", Kind::Other, &["ым"]),
    ("подпункте", "подп.", Kind::Other, &["ом"]),
    ("абзац", "абз.", Kind::Other, &["ый", "ой"]),
    ("абзаца", "абз.", Kind::Other, &["ого"]),
    ("абзацу", "абз.", Kind::Other, &["ому"]),
    ("абзацем", "абз.", Kind::Other, &["ым"]),
    ("абзаце", "абз.", Kind::Other, &["ом"]),
];
/// An article has parts, these have points, and so on; deeper than this nobody speaks.
const DEEPEST: usize = 4;
/// What a law is called after the number of its part.
const LAWS: [&str; 11] = [
    "кодекса",
    "кодекс",
    "закона",
    "конституции",
    "ук",
    "упк",
    "гк",
    "гпк",
    "коап",
    "аппк",
    "уик",
];

/// Whether it is a word for what a law is divided into, in full or in short.
pub(super) fn is_division(key: &str) -> bool {
    WORDS
        .iter()
        .any(|(form, short, ..)| *form == key || short.strip_suffix('.') == Some(key))
}

fn word(key: &str) -> Option<&'static Word> {
    WORDS.iter().find(|(form, ..)| *form == key)
}

/// A division with its number, in either order.
struct Provision {
    len: usize,
    kind: Kind,
    text: String,
}

/// «статья сто пять», «сто пятая статья», «статей сто пять и сто шесть», «лист дела сорок».
pub(super) fn rule(tokens: &[Token<'_>], at: usize) -> Option<Step> {
    let provision = number_after(tokens, at)
        .filter(|provision| {
            // «в части первой инстанции» speaks of no part of a law.
            provision.kind != Kind::Part
                || following(tokens, at, provision.len)
                    .is_none_or(|next| LAWS.contains(&next.key.as_str()))
                || belongs_to_article(tokens, at + provision.len)
                || follows_provision(tokens, at)
        })
        .or_else(|| {
            // «второй пункт» may be one of a contract or of a plan.
            number_before(tokens, at).filter(|provision| {
                provision.kind == Kind::Article || belongs_to_article(tokens, at + provision.len)
            })
        })
        .or_else(|| sheet(tokens, at))?;
    Some(Step::Write(provision.len, provision.text))
}

fn number_after(tokens: &[Token<'_>], at: usize) -> Option<Provision> {
    let (_, short, kind, endings) = *word(&tokens[at].key)?;
    let (mut len, first) = number(tokens, at, 1, endings)?;
    let mut text = format!("{short} {first}");
    let many = kind == Kind::Article && matches!(endings, ["ых" | "ым" | "ыми"]);
    while many && matches!(key(tokens, at, len), "и" | "или") {
        let Some((end, next)) = number(tokens, at, len + 1, endings) else {
            break;
        };
        text.push_str(&format!(" {} {next}", tokens[at + len].key));
        len = end;
    }
    Some(Provision { len, kind, text })
}

fn number_before(tokens: &[Token<'_>], at: usize) -> Option<Provision> {
    let number = Number::at(&NUMERALS, tokens, at)?;
    let (_, short, kind, endings) = *word(key(tokens, at, number.len))?;
    (number.ordinal && endings.contains(&number.ending.as_str())).then(|| Provision {
        len: number.len + 1,
        kind,
        text: format!("{short} {}", number.value),
    })
}

/// Whether the words from here on lead to an article: «пункта первого статьи пять».
fn belongs_to_article(tokens: &[Token<'_>], mut at: usize) -> bool {
    for _ in 0..DEEPEST {
        let next = following(tokens, at.saturating_sub(1), 1)
            .and_then(|_| number_after(tokens, at).or_else(|| number_before(tokens, at)));
        match next {
            Some(provision) if provision.kind == Kind::Article => return true,
            Some(provision) => at += provision.len,
            None => return false,
        }
    }
    false
}

/// Whether a provision seems to have ended right before.
fn follows_provision(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[at].follows
        && at > 0
        && (is_number(&NUMERALS, tokens, at - 1, 0) || word(&tokens[at - 1].key).is_some())
}

/// The number of a division, `len` tokens after `at`: «сто пять», «сто пятой», "105", "105-й", and
/// what a dash adds. Where it ends, and how it is written.
fn number(
    tokens: &[Token<'_>],
    at: usize,
    len: usize,
    endings: &[&str],
) -> Option<(usize, String)> {
    let first = following(tokens, at, len)?;
    if first.has_digits() {
        let digits = first.text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let ending = first.text[digits.len()..].trim_start_matches('-');
        let plain = digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b'.');
        let joins = plain && !digits.is_empty() && endings.iter().any(|e| e.ends_with(ending));
        return (joins && !dates::is_written(tokens, at + len))
            .then(|| (len + 1, digits.to_owned()));
    }
    let number = Number::at(&NUMERALS, tokens, at + len)?;
    if number.ordinal && !endings.contains(&number.ending.as_str()) {
        return None;
    }
    let end = len + number.len;
    if let Some((_, _, _, next_endings)) = word(key(tokens, at, end)) {
        // «статья двадцать вторая часть»: the second part of article 20, or article 22?
        let may_be_next = number.ordinal && next_endings.contains(&number.ending.as_str());
        let next_has_own = is_number(&NUMERALS, tokens, at, end + 1);
        if may_be_next && number.len > 1 && !next_has_own {
            return None;
        }
    }
    if is_number(&NUMERALS, tokens, at, end) && number_before(tokens, at + end).is_none() {
        return None;
    }
    let text = number.value.to_string();
    if matches!(key(tokens, at, end), "тире" | "дефис")
        && following(tokens, at, end + 1).is_some()
        && let Some(addition) =
            Number::at(&NUMERALS, tokens, at + end + 1).filter(|number| !number.ordinal)
    {
        return Some((end + 1 + addition.len, format!("{text}-{}", addition.value)));
    }
    Some((end, text))
}

/// «лист дела сорок пять», «на листах дела сорок пять»: л.д. 45.
fn sheet(tokens: &[Token<'_>], at: usize) -> Option<Provision> {
    let is_sheet = matches!(
        tokens[at].key.as_str(),
        "лист" | "листа" | "листу" | "листом" | "листе" | "листы" | "листов" | "листах"
    );
    if !is_sheet || key(tokens, at, 1) != "дела" {
        return None;
    }
    let (len, number) = number(tokens, at, 2, &["ый", "ой", "ого", "ому", "ым", "ом"])?;
    Some(Provision {
        len,
        kind: Kind::Other,
        text: format!("л.д. {number}"),
    })
}
