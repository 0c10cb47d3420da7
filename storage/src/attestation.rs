//! What others say of a seal: the stamp of a time-stamping authority and the signatures of
//! witnesses. Both come after the seal and lie beside it.

use crate::{
    bundle::Bundle,
    checkpoint::Checkpoint,
    cosignature::{self, WitnessKey},
    error::StorageError,
    files,
    leaves::notes,
    manifest::{CHECKPOINTS_NAME, COSIGNED_NAME, SEAL_NAME, TIME_STAMP_NAME},
    node_key::PublicKey,
    note::{NoteSignature, VerifierKey, parts},
    time_stamp::{self, Authorities, TimeStamp},
    verify::Violation,
};
use jiff::Timestamp;
use std::{collections::BTreeMap, fmt, fs};

/// Whom somebody who checks a bundle believes: keys and certificates that did not come with it.
/// What is believed must be there: a bundle without the word of each of them does not hold.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The court's key. Without it, whoever holds the key in the bundle sealed it.
    pub key: Option<PublicKey>,
    /// Who vouches for the time-stamping authority.
    pub authorities: Option<Authorities>,
    /// The witnesses.
    pub witnesses: Vec<WitnessKey>,
}

/// What others say of a seal, as far as it is there and holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attested {
    /// The stamp.
    pub time_stamp: Option<TimeStamp>,
    /// The witnesses that are believed, by name, and what they saw.
    pub witnesses: BTreeMap<String, Seen>,
    /// Names under which others signed, whose keys were not given.
    pub unchecked: Vec<String>,
}

/// What a witness saw of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// When it saw the seal, by its own clock.
    pub seal: Timestamp,
    /// How many checkpoints before it saw.
    pub checkpoints: u64,
    /// When it saw the first of them.
    pub first: Option<Timestamp>,
}

impl fmt::Display for Attested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            time_stamp,
            witnesses,
            unchecked,
        } = self;
        match time_stamp {
            Some(stamp) if stamp.trusted => write!(
                f,
                "The seal was there at {}: the authority {} stamped it, and those whom you trust vouch \
                 for it.",
                stamp.at, stamp.authority
            )?,
            Some(stamp) => write!(
                f,
                "The seal was there at {} if one may believe {}, who stamped it: without --authority \
                 nobody vouches for that authority.",
                stamp.at, stamp.authority
            )?,
            None => write!(
                f,
                "No authority has stamped the seal: its time is the sealing node's own word."
            )?,
        }
        for (name, seen) in witnesses {
            write!(f, "\nThe witness {name} saw the seal at {}", seen.seal)?;
            match seen.first {
                Some(first) => write!(
                    f,
                    ", and {} checkpoints before it, the first at {first}.",
                    seen.checkpoints
                )?,
                None => write!(f, ", and no checkpoint before it.")?,
            }
        }
        if !unchecked.is_empty() {
            write!(
                f,
                "\nNot checked, since their keys were not given with --witness: {}.",
                unchecked.join(", ")
            )?;
        }
        Ok(())
    }
}

impl Bundle {
    /// Puts what others say of the seal beside it, under one of
    /// [`ATTESTATION_NAMES`](crate::manifest::ATTESTATION_NAMES). Blocks on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn attest(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        files::write_whole(&self.dir.join(name), bytes)
    }

    /// What lies beside the seal under this name. Blocks on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn attestation(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        files::read_if_there(&self.dir.join(name))
    }

    /// The seal. Blocks on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn seal(&self) -> Result<Vec<u8>, StorageError> {
        let path = self.dir.join(SEAL_NAME);
        fs::read(&path).map_err(|error| StorageError::file(&path, error))
    }
}

/// The files that speak of a seal, as they are in a bundle.
pub(crate) struct AttestationFiles<'a> {
    pub(crate) seal: &'a [u8],
    pub(crate) time_stamp: Option<Vec<u8>>,
    pub(crate) cosigned: Option<Vec<u8>>,
    pub(crate) checkpoints: &'a [u8],
}

/// Checks what others say of a seal that holds, and of the checkpoints before it.
pub(crate) fn check(
    files: &AttestationFiles<'_>,
    by: &VerifierKey,
    trust: &Trust,
) -> Result<Attested, Violation> {
    let stamp = files.time_stamp.as_ref().map(|answer| {
        let stamp = time_stamp::check(answer, files.seal, trust.authorities.as_ref());
        stamp.map_err(|fault| Violation::whole(TIME_STAMP_NAME, fault))
    });
    let time_stamp = stamp.transpose()?;
    if time_stamp.is_none() && trust.authorities.is_some() {
        return Err(Violation::whole(TIME_STAMP_NAME, "it is missing"));
    }
    let mut attested = Attested {
        time_stamp,
        ..Attested::default()
    };
    let of_seal = |reason: &str| Violation::whole(COSIGNED_NAME, reason);
    if let Some(cosigned) = &files.cosigned {
        // The seal itself, with more signatures: nothing else can be in this file.
        let more = cosigned
            .starts_with(files.seal)
            .then(|| std::str::from_utf8(cosigned).ok())
            .flatten()
            .ok_or_else(|| of_seal("it is not the seal with further signatures"))?;
        let (_, signatures) = Checkpoint::open_cosigned(more, by).map_err(of_seal)?;
        if signatures.is_empty() {
            return Err(of_seal("no witness has signed it"));
        }
        let (text, _) = parts(more).map_err(of_seal)?;
        for signature in &signatures {
            match seen(text, signature, &trust.witnesses).map_err(of_seal)? {
                Some((witness, at)) => {
                    let seal = Seen {
                        seal: at,
                        ..Seen::default()
                    };
                    attested.witnesses.insert(witness.name().to_owned(), seal);
                }
                None => attested.unchecked.push(printable(signature.name)),
            }
        }
    }
    for witness in &trust.witnesses {
        if !attested.witnesses.contains_key(witness.name()) {
            return Err(of_seal(&format!(
                "the witness {} has not signed it",
                witness.name()
            )));
        }
    }
    seen_before(files.checkpoints, by, trust, &mut attested)?;
    attested.unchecked.sort();
    attested.unchecked.dedup();
    Ok(attested)
}

/// What witnesses saw before the seal.
fn seen_before(
    checkpoints: &[u8],
    by: &VerifierKey,
    trust: &Trust,
    attested: &mut Attested,
) -> Result<(), Violation> {
    let mut offset = 0;
    for note in notes(std::str::from_utf8(checkpoints).unwrap_or_default()) {
        let broken = |reason| Violation::at(CHECKPOINTS_NAME, offset, reason);
        let (_, signatures) = Checkpoint::open_cosigned(note, by).map_err(broken)?;
        let (text, _) = parts(note).map_err(broken)?;
        for signature in &signatures {
            let found = seen(text, signature, &trust.witnesses).map_err(broken)?;
            let Some((witness, at)) = found else {
                attested.unchecked.push(printable(signature.name));
                continue;
            };
            if let Some(seen) = attested.witnesses.get_mut(witness.name()) {
                seen.checkpoints += 1;
                seen.first.get_or_insert(at);
            }
        }
        offset += note.len() as u64 + 1;
    }
    Ok(())
}

/// Which of these witnesses signed, and when; nothing if it was another.
fn seen<'a>(
    text: &str,
    signature: &NoteSignature<'_>,
    witnesses: &'a [WitnessKey],
) -> Result<Option<(&'a WitnessKey, Timestamp)>, &'static str> {
    // Also one that cannot be checked has the form of one.
    cosignature::parts(signature)?;
    for witness in witnesses {
        if let Some(seen) = witness.seen(text, signature) {
            return Ok(Some((witness, seen?)));
        }
    }
    Ok(None)
}

/// A name that somebody unknown chose, fit for a terminal.
fn printable(name: &str) -> String {
    name.chars().filter(|sign| !sign.is_control()).collect()
}
