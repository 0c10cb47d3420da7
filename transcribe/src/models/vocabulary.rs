//! The vocabulary: token bytes in rank order, from the byte-level BPE spelling.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ModelError;

/// A vocabulary file of Whisper has about 2 MB; this bounds what a wrong file can make us read.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Tokenizer {
    model: TokenizerModel,
}

#[derive(Deserialize)]
struct TokenizerModel {
    vocab: HashMap<String, usize>,
}

/// The first `count` tokens as bytes, from `tokenizer.json`, else `vocabulary.json`, else
/// `vocabulary.txt` of `dir`.
pub(super) fn read(dir: &Path, count: usize) -> Result<Vec<Vec<u8>>, ModelError> {
    let (path, mut spelled) = spelled_tokens(dir, count)?;
    let bytes_of = byte_decoder();
    let mut tokens = Vec::with_capacity(count);
    for (id, spelling) in spelled.drain(..).enumerate() {
        let spelling = spelling.ok_or_else(|| ModelError::Malformed {
            path: path.clone(),
            what: format!("token {id} is missing"),
        })?;
        let bytes: Option<Vec<u8>> = spelling
            .chars()
            .map(|c| bytes_of.get(&c).copied())
            .collect();
        tokens.push(bytes.ok_or_else(|| ModelError::Malformed {
            path: path.clone(),
            what: format!("token {id} is not in byte-level spelling"),
        })?);
    }
    Ok(tokens)
}

fn spelled_tokens(dir: &Path, count: usize) -> Result<(PathBuf, Vec<Option<String>>), ModelError> {
    let mut spelled = vec![None; count];
    let path = dir.join("tokenizer.json");
    if path.exists() {
        let tokenizer: Tokenizer = parse_json(&path)?;
        for (token, id) in tokenizer.model.vocab {
            if let Some(slot) = spelled.get_mut(id) {
                *slot = Some(token);
            }
        }
        return Ok((path, spelled));
    }
    let path = dir.join("vocabulary.json");
    let list: Vec<String>;
    let path = if path.exists() {
        list = parse_json(&path)?;
        path
    } else {
        let path = dir.join("vocabulary.txt");
        list = read_text(&path)?.split('\n').map(str::to_owned).collect();
        path
    };
    for (slot, token) in spelled.iter_mut().zip(list) {
        *slot = Some(token);
    }
    Ok((path, spelled))
}

fn parse_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ModelError> {
    serde_json::from_str(&read_text(path)?).map_err(|error| ModelError::Malformed {
        path: path.to_owned(),
        what: format!("not the JSON of a tokenizer: {error}"),
    })
}

fn read_text(path: &Path) -> Result<String, ModelError> {
    let size = fs::metadata(path).map_err(ModelError::io(path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(ModelError::Malformed {
            path: path.to_owned(),
            what: format!("{size} bytes are too many for a vocabulary"),
        });
    }
    fs::read_to_string(path).map_err(ModelError::io(path))
}

/// GPT-2 spells each byte as a printable character: itself where printable, else the next
/// free code point from U+0100.
fn byte_decoder() -> HashMap<char, u8> {
    let mut shifted = 0x100_u32..;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let code = if printable {
                u32::from(byte)
            } else {
                shifted.next()?
            };
            Some((char::from_u32(code)?, byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_spelling() {
        let decoder = byte_decoder();
        assert_eq!(decoder.len(), 256);
        assert_eq!(decoder[&'Ġ'], b' ');
        assert_eq!(decoder[&'Ċ'], b'\n');
        assert_eq!(decoder[&'a'], b'a');
    }

    #[test]
    fn a_missing_token_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("tokenizer.json"),
            r#"{"model":{"vocab":{"a":0,"b":2}}}"#,
        )
        .unwrap();
        let error = read(dir.path(), 3).unwrap_err().to_string();
        assert!(error.ends_with("token 1 is missing"), "{error}");
    }

    #[test]
    fn the_plain_list_serves_when_there_is_no_tokenizer() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("vocabulary.txt"), "a\nĠb\n").unwrap();
        assert_eq!(
            read(dir.path(), 2).unwrap(),
            vec![b"a".to_vec(), b" b".to_vec()]
        );
    }
}
