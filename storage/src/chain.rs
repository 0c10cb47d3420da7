//! Hash-chained lines, the form that the event log and the chunk logs share.
//!
//! A line is a compact JSON object whose last two members are `prev` and `hash`. The hash is
//! SHA-256 over the line *without* its `hash` member, closed by `}`; `prev` is the hash of the
//! line before. Nothing has to be parsed to check a line: cut its last 75 bytes
//! (`,"hash":"…64…"}`), put `}` back, hash. `docs/RECORD-FORMAT.md` is the public description.

use crate::digest::Digest;

/// `,"hash":"` + 64 digits + `"}`.
const HASH_MEMBER_LEN: usize = 9 + 64 + 2;

/// Closes a line: `body` is the JSON object without its `hash` member.
pub(crate) fn close_line(body: &str) -> (String, Digest) {
    let hash = Digest::of(body.as_bytes());
    let open = body.strip_suffix('}').unwrap_or(body);
    (format!("{open},\"hash\":\"{hash}\"}}"), hash)
}

/// Checks a line's own hash and returns it; the chain through `prev` is for the caller to check.
///
/// # Errors
/// In words, what does not hold.
pub(crate) fn check_line(line: &str) -> Result<Digest, &'static str> {
    let cut = line
        .len()
        .checked_sub(HASH_MEMBER_LEN)
        .ok_or("the line is too short")?;
    let (open, member) = line.split_at_checked(cut).ok_or("the line has no hash")?;
    let stated: Digest = member
        .strip_prefix(",\"hash\":\"")
        .and_then(|rest| rest.strip_suffix("\"}"))
        .and_then(|hash| hash.parse().ok())
        .ok_or("the line has no hash")?;
    let actual = Digest::of(format!("{open}}}").as_bytes());
    if actual == stated {
        Ok(stated)
    } else {
        Err("the line does not match its hash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_line_checks_and_any_changed_byte_does_not() {
        let (line, hash) = close_line("{\"seq\":1,\"prev\":\"00\"}");
        assert_eq!(check_line(&line), Ok(hash));
        for position in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[position] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check_line(&changed).is_err(), "byte {position}");
        }
    }
}
