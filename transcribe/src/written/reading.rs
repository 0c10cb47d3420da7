//! Reads numbers from words: what both languages do in the same way.

use std::collections::HashMap;

use super::number::{Part, Sum};
use super::tokens::Token;

/// A word that is a number or part of one.
#[derive(Debug, Clone)]
pub(super) struct Numeral {
    pub(super) part: Part,
    /// "Fifth", not "five".
    pub(super) ordinal: bool,
    /// Its ending, as the language's grammar compares it.
    pub(super) ending: String,
    /// Nothing of the same number follows.
    pub(super) ends: bool,
    /// Stands for nothing without a number before it: "thousands".
    pub(super) counted: bool,
}

/// All words of a language that are numerals, in all their forms.
pub(super) type Numerals = HashMap<String, Numeral>;

/// A number of one or more words.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) value: u64,
    /// How many tokens it takes.
    pub(super) len: usize,
    pub(super) ordinal: bool,
    /// Of its last word.
    pub(super) ending: String,
}

impl Number {
    /// The longest number that begins at a token.
    pub(super) fn at(numerals: &Numerals, tokens: &[Token<'_>], at: usize) -> Option<Self> {
        let mut sum = Sum::new();
        let mut last = None;
        let mut len = 0;
        while let Some(numeral) = following(tokens, at, len).and_then(|t| numerals.get(&t.key)) {
            if (numeral.counted && !sum.awaits_scale()) || !sum.take(numeral.part) {
                break;
            }
            len += 1;
            last = Some(numeral);
            if numeral.ends {
                break;
            }
        }
        last.map(|numeral| Self {
            value: sum.value(),
            len,
            ordinal: numeral.ordinal,
            ending: numeral.ending.clone(),
        })
    }
}

/// The token `len` after `at`, if nothing but spaces stands between it and the one before.
pub(super) fn following<'a, 'b>(
    tokens: &'b [Token<'a>],
    at: usize,
    len: usize,
) -> Option<&'b Token<'a>> {
    tokens
        .get(at + len)
        .filter(|token| len == 0 || token.follows)
}

/// The key of that token, or nothing.
pub(super) fn key<'b>(tokens: &'b [Token<'_>], at: usize, len: usize) -> &'b str {
    following(tokens, at, len).map_or("", |token| token.key.as_str())
}

/// Whether that token is a numeral or has digits.
pub(super) fn is_number(numerals: &Numerals, tokens: &[Token<'_>], at: usize, len: usize) -> bool {
    following(tokens, at, len)
        .is_some_and(|token| token.has_digits() || numerals.contains_key(&token.key))
}

/// How many tokens from one on are numerals or have digits.
pub(super) fn chain(numerals: &Numerals, tokens: &[Token<'_>], at: usize) -> usize {
    (0..)
        .take_while(|len| is_number(numerals, tokens, at, *len))
        .count()
}
