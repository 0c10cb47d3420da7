//! What the core reads of STUN (RFC 8489) before the stack has checked it.

/// A transaction id: 96 random bits (RFC 8489, section 5).
pub(super) type TransactionId = [u8; 12];

const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER_BYTES: usize = 20;
/// Attributes (RFC 8489, section 18.3; RFC 8445, section 16.1).
const USERNAME: [u8; 2] = [0x00, 0x06];
const USE_CANDIDATE: [u8; 2] = [0x00, 0x25];

/// Whether `bytes` are a STUN message, as those who share a port with other protocols tell it
/// (RFC 7983).
pub(super) fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

/// The transaction id of a binding request, whatever else its bytes are.
pub(super) fn transaction_id(request: &[u8]) -> Option<TransactionId> {
    header(request, BINDING_REQUEST)
}

/// Whether `bytes` are the success response to a check: the stack answers none whose integrity it
/// has not checked.
pub(super) fn answers(bytes: &[u8], check: TransactionId) -> bool {
    header(bytes, BINDING_SUCCESS) == Some(check)
}

/// The receiver's user fragment in a binding request (RFC 8445, section 7.2.2: USERNAME is
/// `receiver:sender`). Nothing for anything else, whatever its bytes are.
pub(super) fn local_fragment(request: &[u8]) -> Option<&[u8]> {
    let (_, name) = attributes(request)?.find(|(kind, _)| *kind == USERNAME)?;
    name.split(|byte| *byte == b':').next()
}

/// Whether with this binding request a client chooses the path on which it is to be sent to
/// (RFC 8445, section 8.1.1).
pub(super) fn nominates(request: &[u8]) -> bool {
    attributes(request).is_some_and(|mut all| all.any(|(kind, _)| kind == USE_CANDIDATE))
}

fn header(bytes: &[u8], kind: [u8; 2]) -> Option<TransactionId> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    if header[..2] != kind || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    header.last_chunk().copied()
}

/// The attributes of a binding request, up to the first that is cut off.
fn attributes(request: &[u8]) -> Option<impl Iterator<Item = ([u8; 2], &[u8])>> {
    transaction_id(request)?;
    let mut rest = request.get(HEADER_BYTES..)?;
    Some(std::iter::from_fn(move || {
        let (kind, after) = rest.split_first_chunk::<2>()?;
        let (length, after) = after.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let value = after.get(..length)?;
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((*kind, value))
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::core) fn binding_request(attributes: &[([u8; 2], &[u8])]) -> Vec<u8> {
        let mut bytes = [BINDING_REQUEST, [0, 0]].concat();
        bytes.extend(MAGIC_COOKIE);
        bytes.extend([7; 12]);
        for (kind, value) in attributes {
            bytes.extend(kind);
            bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    pub(in crate::core) fn named(name: &[u8]) -> Vec<u8> {
        binding_request(&[(USERNAME, name)])
    }

    #[test]
    fn the_user_fragment_is_found_behind_other_attributes() {
        let odd = ([0x80, 0x22], b"odd".as_slice());
        let request = binding_request(&[odd, (USERNAME, b"ours:theirs")]);
        assert_eq!(local_fragment(&request), Some(b"ours".as_slice()));
        assert_eq!(local_fragment(&binding_request(&[odd])), None);
    }

    #[test]
    fn a_check_nominates_only_if_it_says_so() {
        assert!(!nominates(&named(b"ours:theirs")));
        let nominating = binding_request(&[(USERNAME, b"ours:theirs"), (USE_CANDIDATE, b"")]);
        assert!(nominates(&nominating));
        assert!(!nominates(&[0x80; 40]));
    }

    #[test]
    fn only_stun_has_a_transaction_id() {
        let mut request = binding_request(&[]);
        assert_eq!(transaction_id(&request), Some([7; 12]));
        assert_eq!(transaction_id(&request[..19]), None);
        request[4] = 0;
        assert_eq!(transaction_id(&request), None);
        assert!(!answers(&request, [7; 12]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200), stun in any::<bool>()) {
            let mut datagram = if stun { binding_request(&[]) } else { vec![] };
            datagram.extend(bytes);
            let _ = local_fragment(&datagram);
            let _ = nominates(&datagram);
        }
    }
}
