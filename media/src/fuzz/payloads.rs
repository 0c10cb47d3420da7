//! Payload headers of VP8, H.264 and RED, as forwarder and recorder read them.

use crate::red::{Recovery, Red};
use crate::{h264, recorder};
use str0m::rtp::{RedDecoder, Vp8Descriptor};

pub(crate) fn run(bytes: &[u8]) {
    vp8(bytes);
    red(bytes);
    recorder::fuzz::payload(bytes);

    // Aggregation and fragmentation lie behind the first octet: each input is tried as both.
    let begins = h264::starts_keyframe(bytes);
    if let [kind, rest @ ..] = bytes {
        assert!(!begins || kind & 0x80 == 0, "a damaged unit begins nothing");
        assert!(!begins || !rest.is_empty());
        for kind in [0x67, 0x78, 0x7c] {
            h264::starts_keyframe(&[&[kind], rest].concat());
        }
    }
}

fn vp8(payload: &[u8]) {
    let Ok(descriptor) = Vp8Descriptor::parse(payload) else {
        return;
    };
    let starts = descriptor.starts_keyframe(payload);
    assert!(!starts || payload[0] & 0x17 == 0x10);
    let Some(picture_id) = descriptor.picture_id() else {
        return;
    };
    // The core patches numbers in place: what it asks for must fit what the sender wrote.
    let wide = payload[2] & 0x80 != 0;
    let other = (picture_id ^ 0x55) & if wide { 0x7fff } else { 0x7f };
    let mut patch = descriptor.patch().picture_id(other);
    if let Some(index) = descriptor.tl0_pic_idx() {
        patch = patch.tl0_pic_idx(index.wrapping_add(1));
    }
    assert!(
        patch.build().is_ok(),
        "a picture id of the sender's own width fits"
    );
}

fn red(payload: &[u8]) {
    let ours = Red::parse(payload);
    let theirs = RedDecoder::decode(payload).ok();
    assert_eq!(ours.is_some(), theirs.is_some());
    let (Some(red), Some(theirs)) = (ours, theirs) else {
        return;
    };
    let mut recovery = Recovery::default();
    let seq = 1_000;
    let timestamp = 960_000;
    recovery.note(seq - 5, timestamp - 5 * 960);
    recovery.note(seq, timestamp);
    let mut count = 0;
    for (block, other) in red.redundant().chain([red.primary()]).zip(&theirs) {
        count += 1;
        assert_eq!(block.payload_type, other.pt);
        assert_eq!(u32::from(block.timestamp_offset), other.timestamp_offset);
        assert_eq!(block.payload, other.payload);
        let at = timestamp - u64::from(block.timestamp_offset);
        if let Some(missing) = recovery.missing(at) {
            assert!(!recovery.has(missing) && (seq - 5..seq).contains(&missing));
            recovery.note(missing, at);
            assert!(recovery.has(missing));
            assert_eq!(recovery.missing(at), None, "recovered once");
        }
    }
    assert_eq!(count, theirs.len());
}
