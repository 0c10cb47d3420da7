//! The words of a text, as grammars look at them.

use std::ops::Range;

/// A word or a number of the text, without the punctuation around it.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// Where it is in the text, in bytes.
    pub(super) range: Range<usize>,
    /// As it stands in the text.
    pub(super) text: &'a str,
    /// In small letters, and ё as е: how it is looked up.
    pub(super) key: String,
    /// Nothing but white space is between it and the token before.
    pub(super) follows: bool,
}

impl Token<'_> {
    /// Whether it has digits. Those stay as they are.
    pub(super) fn has_digits(&self) -> bool {
        self.text.contains(char::is_numeric)
    }
}

/// Cuts a text into tokens. A hyphen within a word is part of it: "что-то" is one.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut end_of_last = 0;
    let mut rest = 0;
    while let Some(begin) = text[rest..].find(is_of_word).map(|at| rest + at) {
        let mut end = text[begin..]
            .find(|c| !is_of_word(c) && c != '-')
            .map_or(text.len(), |at| begin + at);
        end = begin + text[begin..end].trim_end_matches('-').len();
        tokens.push(Token {
            range: begin..end,
            text: &text[begin..end],
            key: text[begin..end].to_lowercase().replace('ё', "е"),
            follows: !tokens.is_empty()
                && text[end_of_last..begin].chars().all(char::is_whitespace),
        });
        (end_of_last, rest) = (end, end);
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '№'
}
