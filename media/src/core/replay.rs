//! Which SRTCP packets have come already, so that none counts twice.

/// How far back of the newest packet a late one still counts (RFC 3711, section 3.3.2: 64 at
/// least).
const WINDOW: u32 = u64::BITS;
/// Senders that are remembered. A client reports under a handful of SSRCs; one that comes back to
/// the same sections again and again takes a new one each time.
const SENDERS: usize = 64;

/// The indices that have come of late from each sender of a session. When a sender too many comes,
/// the one that has been silent longest is forgotten: to refuse the new one would cost a client
/// its repairs for the rest of the session, and what a listener on the line could then play back
/// is feedback that is out of date.
#[derive(Debug, Default)]
pub(super) struct ReplayGuard {
    /// The one that was heard last stands last.
    senders: Vec<Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ssrc: u32,
    newest: u32,
    /// Bit `n`: the index `newest - n` has come.
    come: u64,
}

impl ReplayGuard {
    /// Whether a packet is neither a repetition nor too old to tell.
    pub(super) fn admits(&self, ssrc: u32, index: u32) -> bool {
        self.senders
            .iter()
            .find(|window| window.ssrc == ssrc)
            .is_none_or(|window| window.admits(index))
    }

    /// Remembers a packet that was [admitted](Self::admits) and has proved to be genuine: forged
    /// ones would move the window away from the sender's own.
    pub(super) fn note(&mut self, ssrc: u32, index: u32) {
        let known = self.senders.iter().position(|window| window.ssrc == ssrc);
        let mut window = match known {
            Some(place) => self.senders.remove(place),
            None => Window {
                ssrc,
                newest: index,
                come: 0,
            },
        };
        window.note(index);
        if self.senders.len() == SENDERS {
            self.senders.remove(0);
        }
        self.senders.push(window);
    }
}

impl Window {
    fn admits(&self, index: u32) -> bool {
        match self.newest.checked_sub(index) {
            None => true,
            Some(age) => age < WINDOW && self.come >> age & 1 == 0,
        }
    }

    fn note(&mut self, index: u32) {
        if let Some(ahead) = index.checked_sub(self.newest) {
            self.come = self.come.checked_shl(ahead).unwrap_or(0);
            self.newest = index;
        }
        self.come |= 1_u64.checked_shl(self.newest - index).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_packet_counts_once() {
        let mut guard = ReplayGuard::default();
        for index in [0, 1, 5, 3] {
            assert!(guard.admits(7, index));
            guard.note(7, index);
            assert!(!guard.admits(7, index));
        }
        assert!(guard.admits(7, 2), "late, but new");
        assert!(guard.admits(8, 5), "of another sender");
    }

    #[test]
    fn what_is_too_old_to_tell_is_refused() {
        let mut guard = ReplayGuard::default();
        guard.note(7, 1_000);
        assert!(guard.admits(7, 1_000 - 63));
        assert!(!guard.admits(7, 1_000 - 64));
        assert!(!guard.admits(7, 0));
    }

    #[test]
    fn the_sender_that_has_been_silent_longest_makes_room() {
        let mut guard = ReplayGuard::default();
        (0..64).for_each(|ssrc| guard.note(ssrc, 9));
        guard.note(0, 10);
        guard.note(64, 9);
        assert_eq!(guard.senders.len(), SENDERS);
        assert!(!guard.admits(0, 9), "heard again since");
        assert!(guard.admits(1, 9), "forgotten");
        assert!(!guard.admits(64, 9));
    }

    proptest! {
        /// Against a set of everything that has come.
        #[test]
        fn the_window_forgets_nothing_of_the_last_64(
            indices in prop::collection::vec(0_u32..200, 1..300)
        ) {
            let mut guard = ReplayGuard::default();
            let mut come = HashSet::new();
            let mut newest = 0;
            for index in indices {
                let fresh = index + WINDOW > newest && !come.contains(&index);
                prop_assert_eq!(guard.admits(1, index), fresh);
                if fresh {
                    guard.note(1, index);
                    come.insert(index);
                    newest = newest.max(index);
                }
            }
        }
    }
}
