//! Which session a datagram belongs to, in constant time.
//!
//! `Rtc::accepts` over all sessions is O(N) for each datagram. Here a STUN request names our own
//! ICE user fragment, and everything else comes from an address that STUN has proved.

use super::stun::local_fragment;
use crate::{PeerAddress, SessionId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Addresses and user fragments of all sessions of a shard.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_address: HashMap<PeerAddress, SessionId>,
    by_fragment: HashMap<Box<[u8]>, SessionId>,
}

impl Demux {
    /// Whose datagram this is. A STUN request is trusted by what it names, not by where it comes
    /// from: behind one NAT address a new session may follow an old one.
    pub(super) fn session_of(&self, source: PeerAddress, datagram: &[u8]) -> Option<SessionId> {
        match local_fragment(datagram) {
            Some(fragment) => self.by_fragment.get(fragment).copied(),
            None => self.session_at(source),
        }
    }

    /// Whether `address` is already known to be of `session`.
    pub(super) fn knows(&self, address: PeerAddress, session: SessionId) -> bool {
        self.by_address.get(&address) == Some(&session)
    }

    /// Gives an address that STUN has proved to a session. Returns who had it before, if another.
    pub(super) fn learn_address(
        &mut self,
        address: PeerAddress,
        session: SessionId,
    ) -> Option<SessionId> {
        self.by_address
            .insert(address, session)
            .filter(|before| *before != session)
    }

    /// Whose an address is, if anybody's.
    pub(super) fn session_at(&self, address: PeerAddress) -> Option<SessionId> {
        self.by_address.get(&address).copied()
    }

    /// Takes an address back from a session.
    pub(super) fn forget_address(&mut self, address: PeerAddress, session: SessionId) {
        if self.knows(address, session) {
            self.by_address.remove(&address);
        }
    }

    /// Gives our own user fragment to a session. False if another session has it.
    #[must_use]
    pub(super) fn learn_fragment(&mut self, fragment: &str, session: SessionId) -> bool {
        match self.by_fragment.entry(fragment.as_bytes().into()) {
            Entry::Occupied(holder) => *holder.get() == session,
            Entry::Vacant(place) => {
                place.insert(session);
                true
            }
        }
    }

    /// Forgets all but these sessions.
    pub(super) fn retain(&mut self, is_alive: impl Fn(SessionId) -> bool) {
        self.by_address.retain(|_, session| is_alive(*session));
        self.by_fragment.retain(|_, session| is_alive(*session));
    }

    /// Takes a user fragment back.
    pub(super) fn forget_fragment(&mut self, fragment: &str) {
        self.by_fragment.remove(fragment.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stun::tests::named;
    use std::net::SocketAddr;

    #[test]
    fn a_stun_request_is_not_trusted_by_its_address() {
        let address = PeerAddress::udp(SocketAddr::from(([192, 0, 2, 1], 4000)));
        let mut demux = Demux::default();
        assert!(demux.learn_fragment("new", SessionId(2)));
        assert!(!demux.learn_fragment("new", SessionId(3)));
        demux.learn_address(address, SessionId(1));

        let request = named(b"new:theirs");
        assert_eq!(demux.session_of(address, &request), Some(SessionId(2)));
        let stranger = named(b"unknown:theirs");
        assert_eq!(demux.session_of(address, &stranger), None);
        assert_eq!(demux.session_of(address, &[0x80, 0]), Some(SessionId(1)));
        let connection = PeerAddress::tcp(address.socket);
        assert_eq!(demux.session_of(connection, &[0x80, 0]), None);
    }
}
