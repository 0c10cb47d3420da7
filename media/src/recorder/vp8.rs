//! VP8 in RTP payloads (RFC 7741) and what its frames tell of themselves (RFC 6386).

use super::muxer::Content;
use crate::vp8::Descriptor;

/// `webmmux` refuses pictures below it.
const MIN_SIDE: u16 = 16;

/// Whether a frame begins with this payload.
pub(super) fn starts_frame(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.starts_frame)
}

/// What the payload holds of a frame; nothing if it is malformed.
pub(super) fn frame_bytes(payload: &[u8]) -> Option<&[u8]> {
    payload.get(Descriptor::parse(payload)?.bytes..)
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
