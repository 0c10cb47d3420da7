//! Asking a witness for its signature under a checkpoint (<https://c2sp.org/tlog-witness>): the body
//! of the request, and what the answer is worth. Sending is for the crate above.

use crate::{
    at_rest::HearingKeys,
    bundle::Bundle,
    cosignature::WitnessKey,
    database::Database,
    digest::Digest,
    error::StorageError,
    hearing_log,
    ids::HearingId,
    leaves::Leaves,
    manifest::{LEAVES_NAME, MANIFEST_NAME},
    merkle::{consistency, leaf_hash},
    note::{NoteSignature, parts},
    spool::RecordSpool,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::fs;

/// A checkpoint, and the leaves under it that prove how it grew.
#[derive(Debug)]
pub struct WitnessQuestion {
    note: String,
    leaves: Vec<Digest>,
}

impl WitnessQuestion {
    /// The last checkpoint of a hearing's log; nothing if there is none. Reads the log's lines from
    /// the disk.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if a line is missing; those of disk and database.
    pub async fn of_log(
        database: &Database,
        spool: &RecordSpool,
        hearing: HearingId,
    ) -> Result<Option<Self>, StorageError> {
        let (leaves, note) = hearing_log::signed_leaves(database, spool, hearing).await?;
        Ok(note.map(|note| Self { note, leaves }))
    }

    /// The seal of a bundle. Blocks on the disk.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] if seal or leaves are not what was sealed; those of the disk.
    pub fn of_seal(bundle: &Bundle, keys: &HearingKeys) -> Result<Self, StorageError> {
        let damaged =
            |name: &str| StorageError::corrupt(bundle.dir.join(name).display(), "the seal");
        let leaves = bundle.contents(&LEAVES_NAME.parse()?, keys)?;
        let leaves = Leaves::from_text(&leaves).map_err(|_| damaged(LEAVES_NAME))?;
        let mut leaves = leaves.hashes();
        let manifest = bundle.dir.join(MANIFEST_NAME);
        let manifest = fs::read(&manifest).map_err(|error| StorageError::file(&manifest, error))?;
        leaves.push(leaf_hash(&manifest));
        let note = String::from_utf8(bundle.seal()?).map_err(|_| damaged("seal.txt"))?;
        Ok(Self { note, leaves })
    }

    /// How many leaves the checkpoint has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The checkpoint as it was signed.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The body of the request to a witness that has seen the first `old` leaves; nothing if there
    /// are not so many.
    #[must_use]
    pub fn body(&self, old: u64) -> Option<String> {
        let seen = usize::try_from(old).ok()?;
        (seen <= self.leaves.len()).then(|| {
            let proof = consistency(&self.leaves, seen);
            let proof = proof
                .iter()
                .map(|node| BASE64_STANDARD.encode(node.as_bytes()) + "\n");
            format!("old {old}\n{}\n{}", proof.collect::<String>(), self.note)
        })
    }

    /// The witness's signature line, with its end, in the body of an answer or in the
    /// checkpoint with more signatures.
    ///
    /// # Errors
    /// In words, what does not hold.
    pub fn answered(&self, body: &str, witness: &WitnessKey) -> Result<String, &'static str> {
        let (text, _) = parts(&self.note)?;
        for line in body.lines() {
            // Also the lines of a note that gathers signatures are looked through.
            let Ok(signature) = NoteSignature::from_line(line) else {
                continue;
            };
            if let Some(seen) = witness.seen(text, &signature) {
                return seen.map(|_| format!("{line}\n"));
            }
        }
        Err("the answer is not signed with the key of this witness")
    }
}
