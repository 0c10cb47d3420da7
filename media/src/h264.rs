//! H.264 in RTP (RFC 6184), as far as forwarder and recorder both need it.

/// Bits of the first octet of a NAL unit (RFC 6184, section 1.3).
const FORBIDDEN_ZERO: u8 = 0x80;
pub(crate) const TYPE: u8 = 0x1f;
/// NAL unit types (ITU-T H.264, table 7-1; RFC 6184, table 1).
pub(crate) const SEQUENCE_PARAMETERS: u8 = 7;
pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;
/// The S bit of the FU header (RFC 6184, section 5.8).
pub(crate) const FRAGMENT_STARTS: u8 = 0x80;

/// Whether a decoder that saw nothing before can begin with this payload: it holds, or begins, a
/// sequence parameter set (SPS).
///
/// Every WebRTC encoder writes SPS and PPS before each IDR picture, in a packet of their own or
/// in a STAP-A, and the slices of the picture follow in packets with the same timestamp. The IDR
/// slice alone does not count: whoever is switched to it without its parameter sets sees nothing
/// until the next key frame. Interleaved packets (STAP-B, MTAP, FU-B) need
/// `packetization-mode=2`, which WebRTC does not have, and never count.
pub(crate) fn starts_keyframe(payload: &[u8]) -> bool {
    let Some((&first, rest)) = payload.split_first() else {
        return false;
    };
    match nal_type(first) {
        Some(SEQUENCE_PARAMETERS) => !rest.is_empty(),
        Some(STAP_A) => aggregated(rest).any(|unit| {
            unit.len() > 1 && unit.first().copied().and_then(nal_type) == Some(SEQUENCE_PARAMETERS)
        }),
        Some(FU_A) => rest.split_first().is_some_and(|(header, data)| {
            header & FRAGMENT_STARTS != 0
                && header & TYPE == SEQUENCE_PARAMETERS
                && !data.is_empty()
        }),
        _ => false,
    }
}

/// What a NAL unit is, by its first octet. Nothing if the sender says that the unit is damaged.
pub(crate) fn nal_type(octet: u8) -> Option<u8> {
    (octet & FORBIDDEN_ZERO == 0).then_some(octet & TYPE)
}

/// The NAL units of a STAP-A, each behind its length (RFC 6184, section 5.7.1), up to the first
/// that is cut short.
pub(crate) fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let unit = after.get(..length)?;
        rest = &after[length..];
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SPS, constrained baseline 3.1, and PPS, as libwebrtc's encoder writes them.
    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    const IDR: &[u8] = &[0x65, 0xb8, 0x00, 0x04];

    fn stap_a(units: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![0x78];
        for unit in units {
            payload.extend(u16::try_from(unit.len()).expect("short").to_be_bytes());
            payload.extend(*unit);
        }
        payload
    }

    #[test]
    fn a_key_frame_begins_with_its_parameters() {
        assert!(starts_keyframe(SPS));
        assert!(starts_keyframe(&stap_a(&[SPS, PPS])));
        assert!(starts_keyframe(&stap_a(&[&[0x09, 0xf0], SPS, PPS, IDR])));
        assert!(starts_keyframe(&[0x7c, 0x87, 0x42]), "first fragment");
    }

    #[test]
    fn everything_else_does_not_begin_one() {
        assert!(!starts_keyframe(PPS));
        assert!(!starts_keyframe(IDR), "without its parameters");
        assert!(!starts_keyframe(&stap_a(&[PPS, IDR])));
        assert!(!starts_keyframe(&[0x7c, 0x85, 0xb8]), "fragment of a slice");
        assert!(!starts_keyframe(&[0x7c, 0x07, 0x42]), "later fragment");
        assert!(!starts_keyframe(&[0x41, 0x9a, 0x24]));
        assert!(!starts_keyframe(&[0xe7, 0x42, 0xc0]), "said to be damaged");
        assert!(!starts_keyframe(&[0x67]));
        assert!(
            !starts_keyframe(&[0x78, 0x00, 0x09, 0x67, 0x42]),
            "cut short"
        );
        assert!(!starts_keyframe(&[]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = starts_keyframe(&payload);
            let mut aggregate = vec![0x78];
            aggregate.extend(payload);
            let _ = starts_keyframe(&aggregate);
        }
    }
}
