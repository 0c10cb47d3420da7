//! What a witness keeps: of each log the last checkpoint that it signed. It signs what grew out of
//! that and nothing else (<https://c2sp.org/tlog-witness>).

use crate::{
    checkpoint::{Checkpoint, origin},
    cosignature::{WitnessKey, cosign},
    digest::Digest,
    error::StorageError,
    files,
    ids::HearingId,
    merkle::is_consistent,
    node_key::{NodeKey, PublicKey},
    note::{VerifierKey, parts},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Most bytes of a request: 63 hashes, and a checkpoint with a few signatures.
pub const MAX_REQUEST_BYTES: usize = 16 << 10;
/// Most hashes of a proof.
const MAX_PROOF: usize = 63;

/// A witness of the hearings of some courts.
#[derive(Debug)]
pub struct WitnessLedger {
    dir: PathBuf,
    name: String,
    key: NodeKey,
    courts: Vec<PublicKey>,
    /// One at a time: between looking and writing nothing may change.
    writing: Mutex<()>,
}

/// Why a witness does not sign.
#[derive(Debug, thiserror::Error)]
pub enum WitnessRefusal {
    /// It is no request, or one that cannot be meant.
    #[error("it is not a request to a witness")]
    Malformed,
    /// It is not the log of a hearing.
    #[error("this log is not known here")]
    UnknownLog,
    /// None of the courts signed it.
    #[error("it is not signed by a court that is known here")]
    UnknownKey,
    /// The witness saw another size last: this one.
    #[error("the last checkpoint that was seen here has {0} leaves")]
    OtherSize(u64),
    /// The same size with another root: two histories of one hearing.
    #[error("another checkpoint with {0} leaves was seen here")]
    Forked(u64),
    /// It did not grow out of what was seen last.
    #[error("it did not grow out of what was seen here")]
    NotConsistent,
    /// What was seen cannot be read or kept.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl WitnessLedger {
    /// The ledger in a folder, which is made if needed. `courts` are the public keys whose hearings
    /// are witnessed, `name` and `key` those of the witness.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] if the name cannot be one, else those of the disk.
    pub fn open(
        dir: &Path,
        name: &str,
        key: NodeKey,
        courts: Vec<PublicKey>,
    ) -> Result<Self, StorageError> {
        if name.is_empty() || name.contains(|sign: char| sign.is_whitespace() || sign == '+') {
            return Err(StorageError::Invalid(
                "the name of a witness is a text without spaces and plus signs".to_owned(),
            ));
        }
        files::create_dirs(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            key,
            courts,
            writing: Mutex::new(()),
        })
    }

    /// The key by which others know this witness.
    #[must_use]
    pub fn public(&self) -> WitnessKey {
        WitnessKey::new(&self.name, self.key.public())
    }

    /// Signs a checkpoint that grew out of the last one: the line to be answered. What was signed is
    /// on disk before. Blocks on the disk.
    ///
    /// # Errors
    /// [`WitnessRefusal`].
    pub fn add(&self, request: &str, now: Timestamp) -> Result<String, WitnessRefusal> {
        let request = Request::read(request).ok_or(WitnessRefusal::Malformed)?;
        let hearing = request.hearing().ok_or(WitnessRefusal::UnknownLog)?;
        let new = self.opened(hearing, request.note)?;
        if request.old > new.size {
            return Err(WitnessRefusal::Malformed);
        }
        let path = self.dir.join(hearing.to_string());
        // What a thread that died left on disk is whole, and is read anew.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.last(hearing, &path)?;
        let seen = last.map_or(0, |last| last.size);
        if request.old != seen {
            return Err(WitnessRefusal::OtherSize(seen));
        }
        if let Some(last) = last.filter(|last| last.size == new.size && last.root != new.root) {
            return Err(WitnessRefusal::Forked(last.size));
        }
        let old_root = last.map_or(new.root, |last| last.root);
        if !is_consistent((seen, old_root), (new.size, new.root), &request.proof) {
            return Err(WitnessRefusal::NotConsistent);
        }
        files::write_whole(&path, request.note.as_bytes())?;
        Ok(cosign(request.text, &self.name, &self.key, now))
    }

    /// The checkpoint that was signed last, if there is one.
    fn last(&self, hearing: HearingId, path: &Path) -> Result<Option<Checkpoint>, StorageError> {
        let Some(note) = files::read_if_there(path)? else {
            return Ok(None);
        };
        let note = String::from_utf8(note).ok();
        let last = note.and_then(|note| self.opened(hearing, &note).ok());
        last.map(Some).ok_or_else(|| {
            StorageError::corrupt(path.display(), "it is not the checkpoint of a court")
        })
    }

    /// A checkpoint that one of the courts signed. Other signatures may stand beside it.
    fn opened(&self, hearing: HearingId, note: &str) -> Result<Checkpoint, WitnessRefusal> {
        let by = |court: &PublicKey| VerifierKey::new(origin(hearing), *court);
        let mut opened = self
            .courts
            .iter()
            .map(|court| Checkpoint::of_log(note, &by(court)));
        opened
            .find_map(Result::ok)
            .ok_or(WitnessRefusal::UnknownKey)
    }
}

/// The body of a request.
struct Request<'a> {
    old: u64,
    proof: Vec<Digest>,
    note: &'a str,
    text: &'a str,
}

impl<'a> Request<'a> {
    fn read(body: &'a str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let size = lines.next()?.strip_prefix("old ")?;
        let old: u64 = size.parse().ok()?;
        let proof = lines
            .map(|line| <[u8; 32]>::try_from(BASE64_STANDARD.decode(line).ok()?).ok())
            .map(|node| node.map(Digest::from))
            .collect::<Option<Vec<_>>>()?;
        let (text, _) = parts(note).ok()?;
        let fits = old.to_string() == size && proof.len() <= MAX_PROOF;
        fits.then_some(Self {
            old,
            proof,
            note,
            text,
        })
    }

    /// Whose log it is, by its first line.
    fn hearing(&self) -> Option<HearingId> {
        let first = self.text.lines().next()?;
        let hearing = first.strip_prefix("otyrys/")?.parse().ok()?;
        (origin(hearing) == first).then_some(hearing)
    }
}
