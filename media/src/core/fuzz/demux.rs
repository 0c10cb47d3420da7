//! Datagrams find their session, and only theirs, whatever is learned, forgotten and sent.

use crate::core::demux::Demux;
use crate::{PeerAddress, SessionId};
use arbitrary::{Arbitrary, Unstructured};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Few addresses, sessions and fragments, so that they meet.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    LearnAddress(u8, u8),
    ForgetAddress(u8, u8),
    LearnFragment(&'a str, u8),
    ForgetFragment(&'a str),
    Raw(u8, &'a [u8]),
    /// A binding request with attributes: type and value.
    Stun(u8, Vec<(u16, &'a [u8])>, &'a [u8]),
    /// A binding request that names a fragment.
    Named(u8, &'a str),
}

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut demux = Demux::default();
    let mut addresses: HashMap<PeerAddress, SessionId> = HashMap::new();
    let mut fragments: HashMap<Vec<u8>, SessionId> = HashMap::new();
    while !input.is_empty() {
        let Ok(step) = Step::arbitrary(&mut input) else {
            return;
        };
        match step {
            Step::LearnAddress(at, whose) => {
                let before = demux.learn_address(address(at), session(whose));
                let expected = addresses.insert(address(at), session(whose));
                assert_eq!(before, expected.filter(|before| *before != session(whose)));
                assert!(demux.knows(address(at), session(whose)));
            }
            Step::ForgetAddress(at, whose) => {
                demux.forget_address(address(at), session(whose));
                if addresses.get(&address(at)) == Some(&session(whose)) {
                    addresses.remove(&address(at));
                }
            }
            Step::LearnFragment(fragment, whose) => {
                let holder = *fragments
                    .entry(fragment.as_bytes().to_vec())
                    .or_insert(session(whose));
                assert_eq!(
                    demux.learn_fragment(fragment, session(whose)),
                    holder == session(whose)
                );
            }
            Step::ForgetFragment(fragment) => {
                demux.forget_fragment(fragment);
                fragments.remove(fragment.as_bytes());
            }
            Step::Raw(from, bytes) => {
                let found = demux.session_of(address(from), bytes);
                let by_address = addresses.get(&address(from)).copied();
                assert!(
                    found.is_none()
                        || found == by_address
                        || fragments.values().any(|holder| found == Some(*holder))
                );
                if bytes.first() != Some(&0) {
                    assert_eq!(found, by_address, "only STUN is found otherwise");
                }
            }
            Step::Stun(from, attributes, rest) => {
                let mut request = binding_request(&attributes);
                request.extend_from_slice(rest);
                let named = attributes
                    .iter()
                    .find(|(kind, _)| *kind == USERNAME)
                    .map(|(_, value)| fragment_of(value));
                let found = demux.session_of(address(from), &request);
                if let Some(fragment) = named {
                    assert_eq!(found, fragments.get(fragment).copied());
                }
            }
            Step::Named(from, fragment) => {
                let username = [fragment.as_bytes(), b":theirs"].concat();
                let request = binding_request(&[(USERNAME, &username)]);
                assert_eq!(
                    demux.session_of(address(from), &request),
                    fragments.get(fragment_of(fragment.as_bytes())).copied()
                );
            }
        }
    }
}

const USERNAME: u16 = 0x0006;

fn fragment_of(username: &[u8]) -> &[u8] {
    username
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default()
}

fn address(index: u8) -> PeerAddress {
    let socket = SocketAddr::from(([192, 0, 2, index % 4], 4_000));
    // The same socket by TCP is another address.
    if index & 0x80 == 0 {
        PeerAddress::udp(socket)
    } else {
        PeerAddress::tcp(socket)
    }
}

fn session(index: u8) -> SessionId {
    SessionId(u64::from(index % 4))
}

fn binding_request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42];
    bytes.extend([7; 12]);
    for (kind, value) in attributes {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(&value[..usize::from(length)]);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
