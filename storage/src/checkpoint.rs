//! Checkpoints of a hearing's log (<https://c2sp.org/tlog-checkpoint>): its size and its root,
//! signed.

use crate::{
    digest::Digest,
    ids::HearingId,
    merkle::Tree,
    node_key::NodeKey,
    note::{self, NoteSignature, VerifierKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// How many leaves a log had, and their root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves.
    pub size: u64,
    /// Root of the Merkle tree of these leaves.
    pub root: Digest,
}

/// The name of a hearing's log, and of the key that signs it.
pub(crate) fn origin(hearing: HearingId) -> String {
    format!("otyrys/{hearing}")
}

impl Checkpoint {
    pub(crate) fn of(tree: &Tree) -> Self {
        Self {
            size: tree.size(),
            root: tree.root(),
        }
    }

    /// Signs it as the checkpoint of a hearing's log.
    pub(crate) fn sign(&self, hearing: HearingId, key: &NodeKey) -> String {
        let origin = origin(hearing);
        note::sign(&self.to_text(&origin), &origin, key)
    }

    /// Reads a signed checkpoint of the log whose name the key has.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn open(note: &str, by: &VerifierKey) -> Result<Self, &'static str> {
        Self::from_text(note::open(note, by)?, by.name())
    }

    /// Reads one that may carry the signatures of witnesses too, which are not checked here.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn open_cosigned<'a>(
        note: &'a str,
        by: &VerifierKey,
    ) -> Result<(Self, Vec<NoteSignature<'a>>), &'static str> {
        let (text, more) = note::open_signed_by(note, by)?;
        Ok((Self::from_text(text, by.name())?, more))
    }

    /// Reads one among whose signatures, in any order, is that of the log.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub(crate) fn of_log(note: &str, by: &VerifierKey) -> Result<Self, &'static str> {
        let (text, signatures) = note::parts(note)?;
        match signatures
            .iter()
            .any(|signature| by.signed(text, signature))
        {
            true => Self::from_text(text, by.name()),
            false => Err("it is signed with another key"),
        }
    }

    /// Reads the text of a checkpoint of this log, in its one spelling.
    fn from_text(text: &str, origin: &str) -> Result<Self, &'static str> {
        let reason = "it is not a checkpoint of this log";
        let mut lines = text.lines().skip(1);
        let size = lines.next().and_then(|size| size.parse().ok());
        let root = lines
            .next()
            .and_then(|root| BASE64_STANDARD.decode(root).ok())
            .and_then(|root| <[u8; 32]>::try_from(root).ok());
        let (size, root) = size.zip(root).ok_or(reason)?;
        let checkpoint = Self {
            size,
            root: root.into(),
        };
        let one_spelling = checkpoint.to_text(origin) == text;
        one_spelling.then_some(checkpoint).ok_or(reason)
    }

    fn to_text(self, origin: &str) -> String {
        let root = BASE64_STANDARD.encode(self.root.as_bytes());
        format!("{origin}\n{}\n{root}\n", self.size)
    }
}
