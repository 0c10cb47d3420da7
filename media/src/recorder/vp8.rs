//! VP8 in RTP payloads (RFC 7741) and what its frames tell of themselves (RFC 6386).

use super::muxer::Content;

/// `webmmux` refuses pictures below it.
const MIN_SIDE: u16 = 16;

/// Whether a frame begins with this payload.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    parse_descriptor(payload).is_some_and(|(starts_frame, _)| starts_frame)
}

/// What the payload holds of a frame; nothing if it is malformed.
pub(super) fn frame_bytes(payload: &[u8]) -> Option<&[u8]> {
    parse_descriptor(payload).map(|(_, data)| data)
}

/// Reads the frame tag and, on key frames, the start code and the size (RFC 6386, section 9.1):
/// what a file is to know that begins with the frame, and whether it is shown. Nothing if it is
/// no VP8.
pub(super) fn content(frame: &[u8]) -> Option<(Option<Content>, bool)> {
    let [tag, ..] = *frame.first_chunk::<3>()?;
    let shown = tag & 0x10 != 0;
    if tag & 1 != 0 {
        return Some((None, shown));
    }
    let head = frame.first_chunk::<10>()?;
    if head[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let width = u16::from_le_bytes([head[6], head[7]]) & 0x3fff;
    let height = u16::from_le_bytes([head[8], head[9]]) & 0x3fff;
    if width < MIN_SIDE || height < MIN_SIDE {
        return None;
    }
    Some((Some(Content::Vp8 { width, height }), shown))
}

/// Splits off the payload descriptor (RFC 7741, section 4.2): whether a frame starts here,
/// and the frame's bytes.
fn parse_descriptor(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after;
        if extension & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extension & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        if extension & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    (!rest.is_empty()).then_some((starts_frame, rest))
}
