//! Cosignatures of witnesses (<https://c2sp.org/tlog-cosignature>): somebody outside the court saw a
//! checkpoint at a time, and nothing before it that contradicts it.

use crate::{
    node_key::{NodeKey, PublicKey},
    note::{NoteSignature, VerifierKey},
};
use jiff::Timestamp;
use std::{fmt, str::FromStr};

/// The signature type of Ed25519 cosignatures in key ids and verifier keys.
const COSIGNATURE: u8 = 0x04;
/// Bytes of the time at the beginning of a cosignature.
const TIME_LEN: usize = 8;

/// The public key of a witness under its name. As text: a *vkey*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey(VerifierKey);

impl WitnessKey {
    /// The key by which a witness of this name is known.
    #[must_use]
    pub fn new(name: &str, key: PublicKey) -> Self {
        Self(VerifierKey::of_kind(name.to_owned(), key, COSIGNATURE))
    }

    /// What the witness is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// When this witness saw the checkpoint with this text; nothing if the signature is another's.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn seen(
        &self,
        text: &str,
        signature: &NoteSignature<'_>,
    ) -> Option<Result<Timestamp, &'static str>> {
        self.0.is_named_by(signature).then(|| {
            let (at, bytes) = parts(signature)?;
            let signed = self.0.key().signed(message(at, text).as_bytes(), bytes);
            signed
                .then_some(at)
                .ok_or("the signature of a witness does not hold")
        })
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WitnessKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        VerifierKey::parse(text, COSIGNATURE).map(Self)
    }
}

/// The line with which a witness signs that it saw the checkpoint with this text, to the second.
pub(crate) fn cosign(text: &str, name: &str, key: &NodeKey, at: Timestamp) -> String {
    let signature = key.sign(message(at, text).as_bytes());
    let time = at.as_second().to_be_bytes();
    let by = WitnessKey::new(name, key.public());
    by.0.line(&[&time[..], &signature].concat())
}

/// Time and signature of a cosignature, not checked.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn parts<'a>(
    signature: &'a NoteSignature<'_>,
) -> Result<(Timestamp, &'a [u8; 64]), &'static str> {
    let reason = "a further signature is not that of a witness";
    let (time, bytes) = signature
        .bytes
        .split_first_chunk::<TIME_LEN>()
        .ok_or(reason)?;
    let at = Timestamp::from_second(i64::from_be_bytes(*time)).map_err(|_| reason)?;
    let bytes = bytes.try_into().map_err(|_| reason)?;
    Ok((at, bytes))
}

fn message(at: Timestamp, text: &str) -> String {
    format!("cosignature/v1\ntime {}\n{text}", at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note;

    #[test]
    fn a_witness_is_believed_for_its_own_checkpoint_and_time_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = NodeKey::load_or_create(&dir.path().join("key.pem")).unwrap();
        let witness = WitnessKey::new("witness.example/1", key.public());
        assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let (text, other) = ("otyrys/a\n1\nAA==\n", "otyrys/a\n2\nAA==\n");
        let line = cosign(text, witness.name(), &key, at);
        let line = line.strip_suffix('\n').unwrap();
        let signature = NoteSignature::from_line(line).unwrap();
        assert_eq!(witness.seen(text, &signature), Some(Ok(at)));
        assert!(matches!(witness.seen(other, &signature), Some(Err(_))));
        let mut later = signature.clone();
        later.bytes[7] ^= 1;
        assert!(matches!(witness.seen(text, &later), Some(Err(_))));
        let stranger = WitnessKey::new("witness.example/2", key.public());
        assert_eq!(stranger.seen(text, &signature), None);
        // A log's own key is none of a witness: what it signs would pass for a checkpoint.
        let log = VerifierKey::new("witness.example/1".to_owned(), key.public());
        assert!(log.to_string().parse::<WitnessKey>().is_err());
        assert!(note::open(&format!("{text}\n{line}\n"), &log).is_err());
    }
}
