//! Signed notes (<https://c2sp.org/signed-note>) with Ed25519 signatures.

use crate::{
    digest::Digest,
    node_key::{NodeKey, PublicKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{fmt, str::FromStr};

/// The signature type of Ed25519 in key ids and verifier keys.
const ED25519: u8 = 0x01;
/// Bytes of a key id.
const ID_LEN: usize = 4;
/// What a signature line begins with: em dash, space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// A public key under the name by which notes call it. As text: a *vkey*, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifierKey {
    name: String,
    key: PublicKey,
    /// The signature type.
    kind: u8,
}

impl VerifierKey {
    pub(crate) fn new(name: String, key: PublicKey) -> Self {
        Self::of_kind(name, key, ED25519)
    }

    /// A key for signatures of another type, which is not the key for notes in general.
    pub(crate) fn of_kind(name: String, key: PublicKey, kind: u8) -> Self {
        Self { name, key, kind }
    }

    /// Reads a *vkey* of this signature type.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn parse(text: &str, kind: u8) -> Result<Self, &'static str> {
        let reason = "it is not the verifier key of a signed note";
        // The base64 after it may hold more of the sign.
        let (name, rest) = text.split_once('+').ok_or(reason)?;
        let (_, encoded) = rest.split_once('+').ok_or(reason)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| reason)?;
        let key: [u8; 32] = bytes
            .strip_prefix(&[kind])
            .and_then(|key| key.try_into().ok())
            .ok_or(reason)?;
        let key = PublicKey::from_bytes(&key).map_err(|_| reason)?;
        let parsed = Self::of_kind(name.to_owned(), key, kind);
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err("its key, name and id do not belong together")
        }
    }

    /// Whether a signature line calls itself this key's.
    pub(crate) fn is_named_by(&self, signature: &NoteSignature<'_>) -> bool {
        signature.name == self.name && signature.id == self.id()
    }

    /// Whether a signature is this key's over the text of a note.
    pub(crate) fn signed(&self, text: &str, signature: &NoteSignature<'_>) -> bool {
        let bytes = signature.bytes.as_slice().try_into();
        self.is_named_by(signature)
            && bytes.is_ok_and(|bytes| self.key.signed(text.as_bytes(), bytes))
    }

    /// A line with this key's signature, for the end of a note.
    pub(crate) fn line(&self, signature: &[u8]) -> String {
        let signature = BASE64_STANDARD.encode([&self.id()[..], signature].concat());
        format!("{SIGNATURE_MARK}{} {signature}\n", self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The first four bytes of a digest of name and key: tells keys apart, proves nothing.
    fn id(&self) -> [u8; ID_LEN] {
        let named = [self.name.as_bytes(), b"\n", &self.encoded()].concat();
        let [a, b, c, d, ..] = *Digest::of(&named).as_bytes();
        [a, b, c, d]
    }

    fn encoded(&self) -> Vec<u8> {
        [&[self.kind], &self.key.to_bytes()[..]].concat()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, key) = (
            hex::encode(self.id()),
            BASE64_STANDARD.encode(self.encoded()),
        );
        write!(f, "{}+{id}+{key}", self.name)
    }
}

impl FromStr for VerifierKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, ED25519)
    }
}

/// Signs a text of whole lines under a name.
pub(crate) fn sign(text: &str, name: &str, key: &NodeKey) -> String {
    let by = VerifierKey::new(name.to_owned(), key.public());
    let line = by.line(&key.sign(text.as_bytes()));
    format!("{text}\n{line}")
}

/// A signature at the end of a note, not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoteSignature<'a> {
    /// Under which name.
    pub(crate) name: &'a str,
    id: [u8; ID_LEN],
    /// What follows the key id.
    pub(crate) bytes: Vec<u8>,
}

impl<'a> NoteSignature<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn from_line(line: &'a str) -> Result<Self, &'static str> {
        let reason = "its signature is not a signature";
        let (name, signature) = line
            .strip_prefix(SIGNATURE_MARK)
            .and_then(|line| line.split_once(' '))
            .ok_or(reason)?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| reason)?;
        let (id, bytes) = signature.split_first_chunk().ok_or(reason)?;
        Ok(Self {
            name,
            id: *id,
            bytes: bytes.to_vec(),
        })
    }
}

/// The text of a note, and its signatures, not checked.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn parts(note: &str) -> Result<(&str, Vec<NoteSignature<'_>>), &'static str> {
    let (text, signatures) = note
        .rfind("\n\n")
        .and_then(|last_line_ends| note.split_at_checked(last_line_ends + 1))
        .ok_or("it is not a signed note")?;
    let signatures = signatures
        .strip_prefix('\n')
        .and_then(|lines| lines.strip_suffix('\n'))
        .ok_or("it is not a signed note")?
        .split('\n')
        .map(NoteSignature::from_line)
        .collect::<Result<_, _>>()?;
    Ok((text, signatures))
}

/// The text of a note that carries the signature of this key and no other. Stricter than notes in
/// general, which may gather signatures: nothing in ours can be changed unnoticed.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn open<'a>(note: &'a str, by: &VerifierKey) -> Result<&'a str, &'static str> {
    let (text, more) = open_signed_by(note, by)?;
    match more.as_slice() {
        [] => Ok(text),
        _ => Err("it does not carry one signature"),
    }
}

/// The text of a note whose first signature is that of this key, and its other signatures, which
/// are not checked.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn open_signed_by<'a>(
    note: &'a str,
    by: &VerifierKey,
) -> Result<(&'a str, Vec<NoteSignature<'a>>), &'static str> {
    let (text, mut more) = parts(note)?;
    // There is one: a note without is none.
    let first = more.remove(0);
    if !by.is_named_by(&first) {
        return Err("it is signed with another key");
    }
    match by.signed(text, &first) {
        true => Ok((text, more)),
        false => Err("its signature does not hold"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
        Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_example_of_the_specification_opens() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!(
            (key.name(), key.to_string().as_str()),
            ("example.com/foo", KEY)
        );
        assert_eq!(open(NOTE, &key), Ok("This is an example message.\n"));
    }

    #[test]
    fn no_bit_of_a_note_or_a_verifier_key_can_be_changed() {
        let key: VerifierKey = KEY.parse().unwrap();
        for bit in 0..8 * NOTE.len().max(KEY.len()) {
            let flipped = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
                String::from_utf8(bytes).ok()
            };
            if let Some(note) = flipped(NOTE) {
                assert!(open(&note, &key).is_err(), "bit {bit} of the note");
            }
            if let Some(other) = flipped(KEY) {
                assert!(
                    other.parse::<VerifierKey>().is_err(),
                    "bit {bit} of the key"
                );
            }
        }
        assert!(open(&format!("{NOTE}\u{2014} a b\n"), &key).is_err());
    }
}
