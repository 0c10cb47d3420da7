//! The written form of speech: numbers, dates and articles as a protocol writes them.
//!
//! «статья сто пять часть вторая» becomes «ст. 105 ч. 2», «жүз бесінші баптың екінші бөлігі»
//! «105-баптың 2-бөлігі». One grammar for each language; other languages stay as they are.
//!
//! What could mean two things stays as it was spoken: numbers next to each other («двадцать пять
//! тридцать»), small numbers that count nothing («один из них», «бір күні»), a bare «тысяча».
//! Digits that are there already are never changed, only joined: «статья 105», «ст. 105».

mod kazakh;
mod number;
#[cfg(test)]
mod properties;
mod reading;
mod russian;
mod tokens;

use crate::recogniser::Language;
use crate::rewriting::Rewriting;
use tokens::{Token, tokens};

/// What a grammar finds where it looks.
enum Step {
    /// So many tokens are written like this.
    Write(usize, String),
    /// So many tokens stay as they are.
    Keep(usize),
}

/// A text as it is written. Doing it again changes nothing.
pub fn written(language: Language, spoken: &str) -> Rewriting {
    let step = match language {
        Language::RUSSIAN => russian::step,
        Language::KAZAKH => kazakh::step,
        _ => return Rewriting::of(spoken, Vec::new()),
    };
    let tokens = tokens(spoken);
    let mut replaced = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at += match step(&tokens, at) {
            Step::Keep(len) => len,
            Step::Write(len, text) => {
                let range = tokens[at].range.start..tokens[at + len - 1].range.end;
                replaced.push((range, as_begun(&tokens[at], text)));
                len
            }
        };
    }
    Rewriting::of(spoken, replaced)
}

/// With a capital letter where the first word has one.
fn as_begun(first: &Token<'_>, text: String) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if first.text.starts_with(char::is_uppercase) => {
            letter.to_uppercase().chain(letters).collect()
        }
        _ => text,
    }
}
