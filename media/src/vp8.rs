//! The payload descriptor of VP8 (RFC 7741, section 4.2), which forwarder and recorder both need.

/// What stands before the bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Whether a frame starts here.
    pub(crate) starts_frame: bool,
    pub(crate) picture_id: Option<PictureId>,
    /// TL0PICIDX, and where it stands.
    pub(crate) tl0_pic_idx: Option<(usize, u8)>,
    /// Its length.
    pub(crate) bytes: usize,
}

/// The number of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureId {
    /// Where it stands.
    pub(crate) at: usize,
    pub(crate) number: u16,
    /// Of 15 bits; else of 7.
    pub(crate) wide: bool,
}

impl Descriptor {
    /// Reads the descriptor of a payload. Nothing if it is cut off, or nothing follows it.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        /// Bits of the first octet.
        const EXTENDED: u8 = 0x80;
        const STARTS: u8 = 0x10;
        const PARTITION: u8 = 0x07;
        /// Bits of the extension.
        const PICTURE_ID: u8 = 0x80;
        const TL0_PIC_IDX: u8 = 0x40;
        const LAYER_OR_KEY: u8 = 0x30;
        /// The M bit of a picture id.
        const WIDE: u8 = 0x80;

        let first = *payload.first()?;
        let mut descriptor = Self {
            starts_frame: first & STARTS != 0 && first & PARTITION == 0,
            picture_id: None,
            tl0_pic_idx: None,
            bytes: 1,
        };
        if first & EXTENDED != 0 {
            let extension = *payload.get(1)?;
            let mut at = 2;
            if extension & PICTURE_ID != 0 {
                let octet = *payload.get(at)?;
                let wide = octet & WIDE != 0;
                let mut number = u16::from(octet & !WIDE);
                if wide {
                    number = number << 8 | u16::from(*payload.get(at + 1)?);
                }
                descriptor.picture_id = Some(PictureId { at, number, wide });
                at += if wide { 2 } else { 1 };
            }
            if extension & TL0_PIC_IDX != 0 {
                descriptor.tl0_pic_idx = Some((at, *payload.get(at)?));
                at += 1;
            }
            if extension & LAYER_OR_KEY != 0 {
                at += 1;
            }
            descriptor.bytes = at;
        }
        (payload.len() > descriptor.bytes).then_some(descriptor)
    }

    /// Whether a picture starts in this payload that can be shown without those before it
    /// (RFC 6386, section 9.1).
    pub(crate) fn starts_keyframe(&self, payload: &[u8]) -> bool {
        const INTER_FRAME: u8 = 0x01;

        self.starts_frame
            && payload
                .get(self.bytes)
                .is_some_and(|tag| tag & INTER_FRAME == 0)
    }

    /// Writes other numbers over those of a payload with this descriptor, in their width.
    pub(crate) fn renumber(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: Option<u8>) {
        if let Some(PictureId { at, wide, .. }) = self.picture_id {
            let [high, low] = picture_id.to_be_bytes();
            if wide {
                payload[at] = payload[at] & 0x80 | high & 0x7f;
                payload[at + 1] = low;
            } else {
                payload[at] = low & 0x7f;
            }
        }
        if let (Some((at, _)), Some(index)) = (self.tl0_pic_idx, tl0_pic_idx) {
            payload[at] = index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_and_written_where_they_stand() {
        let mut payload = vec![0x90, 0xe0, 0x81, 0x02, 0x07, 0x20, 0x00, 0xaa];
        let descriptor = Descriptor::parse(&payload).expect("a descriptor");
        assert!(descriptor.starts_frame && descriptor.starts_keyframe(&payload));
        let numbers = (
            descriptor.picture_id.map(|id| (id.number, id.wide)),
            descriptor.tl0_pic_idx,
        );
        assert_eq!(numbers, (Some((0x102, true)), Some((4, 7))));
        descriptor.renumber(&mut payload, 0x7fff, Some(9));
        assert_eq!(payload, [0x90, 0xe0, 0xff, 0xff, 0x09, 0x20, 0x00, 0xaa]);

        let mut narrow = vec![0x80, 0x80, 0x05, 0x01];
        let descriptor = Descriptor::parse(&narrow).expect("a descriptor");
        assert!(!descriptor.starts_keyframe(&narrow));
        descriptor.renumber(&mut narrow, 0x106, Some(9));
        assert_eq!(narrow, [0x80, 0x80, 0x06, 0x01]);
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(mut payload in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(descriptor) = Descriptor::parse(&payload) {
                let length = payload.len();
                prop_assert!(descriptor.bytes < length);
                descriptor.renumber(&mut payload, 0x1234, Some(1));
                prop_assert_eq!(Descriptor::parse(&payload).map(|again| again.bytes), Some(descriptor.bytes));
            }
        }
    }
}
