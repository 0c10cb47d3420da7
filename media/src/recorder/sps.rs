//! The size of an H.264 picture, from its sequence parameter set (ITU-T H.264, section 7.3.2.1).

/// Width and height in pixels. Nothing for what is no parameter set of the profiles without
/// chroma formats (baseline, main, extended), of which only the first is agreed on with senders.
pub(super) fn picture_size(unit: &[u8]) -> Option<(u16, u16)> {
    const BASELINE: u8 = 66;
    const MAIN: u8 = 77;
    const EXTENDED: u8 = 88;
    /// A macroblock has so many pixels on each side.
    const MACROBLOCK: u32 = 16;

    let &[_, profile, _, _, ..] = unit else {
        return None;
    };
    if ![BASELINE, MAIN, EXTENDED].contains(&profile) {
        return None;
    }
    let mut bits = Bits::new(unit.get(4..)?);
    bits.number()?; // seq_parameter_set_id
    bits.number()?; // log2_max_frame_num_minus4
    match bits.number()? {
        0 => {
            bits.number()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.bit()?; // delta_pic_order_always_zero_flag
            bits.number()?; // offset_for_non_ref_pic; signed, of the same length
            bits.number()?; // offset_for_top_to_bottom_field
            // num_ref_frames_in_pic_order_cnt_cycle: at most 255 offsets.
            for _ in 0..bits.number().filter(|count| *count <= 255)? {
                bits.number()?;
            }
        }
        _ => {}
    }
    bits.number()?; // max_num_ref_frames
    bits.bit()?; // gaps_in_frame_num_value_allowed_flag
    let columns = bits.number()?.checked_add(1)?;
    let map_rows = bits.number()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.bit()?; // mb_adaptive_frame_field_flag
    }
    bits.bit()?; // direct_8x8_inference_flag
    let fields = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (
        columns.checked_mul(MACROBLOCK)?,
        map_rows.checked_mul(MACROBLOCK * fields)?,
    );
    if bits.bit()? {
        // In 4:2:0 the crop counts in steps of two pixels (tables 6-1 and 7-19 ff.).
        let across = bits.number()?.checked_add(bits.number()?)?;
        let down = bits.number()?.checked_add(bits.number()?)?;
        width = width.checked_sub(across.checked_mul(2)?)?;
        height = height.checked_sub(down.checked_mul(2 * fields)?)?;
    }
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// Reads a NAL unit bit by bit, without the bytes that prevent start codes (section 7.3.1).
struct Bits<'a> {
    unit: &'a [u8],
    bit: usize,
}

impl<'a> Bits<'a> {
    fn new(unit: &'a [u8]) -> Self {
        Self { unit, bit: 0 }
    }

    fn bit(&mut self) -> Option<bool> {
        let at = self.bit / 8;
        if self.bit.is_multiple_of(8)
            && self.unit.get(at) == Some(&3)
            && at >= 2
            && self.unit[at - 2..at] == [0, 0]
        {
            self.bit += 8;
        }
        let octet = self.unit.get(self.bit / 8)?;
        let bit = octet >> (7 - self.bit % 8) & 1;
        self.bit += 1;
        Some(bit == 1)
    }

    /// An unsigned Exp-Golomb number (section 9.1).
    fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut number: u32 = 1;
        for _ in 0..zeros {
            number = number << 1 | u32::from(self.bit()?);
        }
        Some(number - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_size_of_real_parameter_sets_is_read() {
        /// By libx264, up to where the size ends.
        const HD: &[u8] = &[
            0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xbb, 0x01, 0x10,
        ];
        const ODD: &[u8] = &[
            0x67, 0x42, 0xc0, 0x20, 0xd9, 0x00, 0x56, 0x06, 0x1e, 0x6f, 0x01, 0x10,
        ];
        assert_eq!(picture_size(HD), Some((1_280, 720)));
        assert_eq!(picture_size(ODD), Some((1_366, 768)));
        assert_eq!(picture_size(&HD[..6]), None, "cut short");
        assert_eq!(picture_size(&[]), None);
        let high = [&[0x67, 100], &HD[2..]].concat();
        assert_eq!(picture_size(&high), None, "a profile that nobody agreed on");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(unit in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = picture_size(&unit);
            let mut unit = unit;
            unit.splice(0..0, [0x67, 66, 0xc0, 31]);
            let _ = picture_size(&unit);
        }
    }
}
