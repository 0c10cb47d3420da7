//! Transport-wide numbers of what a client sends, as far as they could harm the stack.
//!
//! `str0m` 0.25.0 counts them on from the highest, and back below nought into numbers beyond all
//! reason: it then notes everything between as missing, packet by packet, until there is no memory
//! left (found by fuzzing). A number 1 and then a 40,000 are enough, from any participant. A client
//! counts from the start of its session, so none that is honest goes back below where it began.

use str0m::rtp::{Extension, ExtensionMap};

/// The numbers of one client.
#[derive(Debug, Default)]
pub(super) struct TransportNumbers {
    /// Bit `n`: the extension has the number `n` on some section.
    ids: u16,
    /// Of the packets that the stack took, not wrapped.
    highest: Option<u64>,
}

impl TransportNumbers {
    /// Takes over what was agreed on for a section.
    pub(super) fn agree(&mut self, map: &ExtensionMap) {
        if let Some(id) = map.id_of(Extension::TransportSequenceNumber) {
            self.ids |= 1_u16.checked_shl(id.into()).unwrap_or_default();
        }
    }

    /// Whether a datagram may be given to the stack.
    pub(super) fn admit(&self, datagram: &[u8]) -> bool {
        if self.ids == 0 || self.highest.is_none() {
            return true;
        }
        let mut numbers = extensions(datagram)
            .filter(|(id, _)| {
                1_u16
                    .checked_shl(*id)
                    .is_some_and(|bit| self.ids & bit != 0)
            })
            .filter_map(|(_, value)| Some(u16::from_be_bytes(*value.first_chunk()?)));
        numbers.all(|number| self.extended(number).is_some())
    }

    /// Notes a packet that the stack has taken.
    pub(super) fn note(&mut self, number: u16) {
        self.highest = self.highest.max(self.extended(number));
    }

    /// The number that is nearest to the highest; nothing if that is below nought.
    fn extended(&self, number: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(number.into());
        };
        let ahead = number.wrapping_sub(highest as u16).cast_signed();
        highest.checked_add_signed(ahead.into())
    }
}

/// The elements of a header extension (RFC 8285): their numbers and values.
fn extensions(datagram: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let (mut elements, one_byte) = block(datagram).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            let (&first, rest) = elements.split_first()?;
            if first == 0 {
                // Padding.
                elements = rest;
                continue;
            }
            let (id, length, rest) = if one_byte {
                (first >> 4, usize::from(first & 0x0f) + 1, rest)
            } else {
                let (&length, rest) = rest.split_first()?;
                (first, usize::from(length), rest)
            };
            let (value, rest) = rest.split_at_checked(length)?;
            elements = rest;
            return Some((id.into(), value));
        }
    })
}

/// The header extension of an RTP packet, and whether it is of the one-byte form.
fn block(datagram: &[u8]) -> Option<(&[u8], bool)> {
    const FIXED: usize = 12;
    const EXTENDED: u8 = 0x10;

    let first = *datagram.first()?;
    if first >> 6 != 2 || first & EXTENDED == 0 {
        return None;
    }
    let sources = 4 * usize::from(first & 0x0f);
    let (head, rest) = datagram.get(FIXED + sources..)?.split_first_chunk::<4>()?;
    let [profile_high, profile_low, length @ ..] = *head;
    let length = 4 * usize::from(u16::from_be_bytes(length));
    let elements = rest.get(..length)?;
    match (profile_high, profile_low >> 4) {
        (0xbe, 0x0d) => Some((elements, true)),
        (0x10, 0x00) => Some((elements, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE_BYTE: [u8; 2] = [0xbe, 0xde];
    const TWO_BYTES: [u8; 2] = [0x10, 0x00];

    fn packet(profile: [u8; 2], elements: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend(profile);
        packet.extend([0, elements.len().div_ceil(4) as u8]);
        packet.extend(elements);
        packet.resize(packet.len().next_multiple_of(4), 0);
        packet.extend([1, 2, 3]);
        packet
    }

    fn numbered(number: u16) -> Vec<u8> {
        let [high, low] = number.to_be_bytes();
        packet(ONE_BYTE, &[0x10, 5, 0, 0x31, high, low])
    }

    fn numbers() -> TransportNumbers {
        let mut map = ExtensionMap::empty();
        map.set(3, Extension::TransportSequenceNumber);
        let mut numbers = TransportNumbers::default();
        numbers.agree(&map);
        numbers
    }

    #[test]
    fn who_counts_back_below_the_beginning_is_not_heard() {
        let mut numbers = numbers();
        assert!(numbers.admit(&numbered(40_000)), "any beginning is one");
        numbers.note(1);
        for fits in [0, 1, 2, 32_000] {
            assert!(numbers.admit(&numbered(fits)), "{fits}");
        }
        for below in [65_535, 40_000, 32_900] {
            assert!(!numbers.admit(&numbered(below)), "{below}");
        }
        let [high, low] = 40_000_u16.to_be_bytes();
        assert!(!numbers.admit(&packet(TWO_BYTES, &[7, 0, 3, 2, high, low])));
        assert!(numbers.admit(&packet(TWO_BYTES, &[4, 2, high, low])));
    }

    #[test]
    fn numbers_wrap_and_go_on() {
        let mut numbers = numbers();
        for number in [30_000, 60_000, 10, 20_000, 10] {
            assert!(numbers.admit(&numbered(number)), "{number}");
            numbers.note(number);
        }
        assert!(
            numbers.admit(&numbered(65_000)),
            "late, of the round before"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..60), whole in any::<bool>()) {
            let mut numbers = numbers();
            numbers.note(1);
            let datagram = if whole { packet(ONE_BYTE, &bytes) } else { bytes };
            numbers.admit(&datagram);
        }
    }
}
