//! H.264 access units from RTP payloads (RFC 6184), as a Matroska file keeps them: each NAL unit
//! behind its length (ISO/IEC 14496-15).
//!
//! Parameter sets stay where the sender wrote them, in each key frame (`avc3`). So a picture that
//! changes its size in the middle of a file, or its layer, plays on.

use super::muxer::Content;
use super::sps::picture_size;
use crate::h264::{FRAGMENT_STARTS, FU_A, SEQUENCE_PARAMETERS, STAP_A, TYPE, aggregated, nal_type};

/// NAL unit types (ITU-T H.264, table 7-1).
const IDR_SLICE: u8 = 5;
const PICTURE_PARAMETERS: u8 = 8;
/// The E bit of the FU header (RFC 6184, section 5.8).
const FRAGMENT_ENDS: u8 = 0x40;
/// Before each unit.
const LENGTH_BYTES: usize = 4;

/// One picture.
#[derive(Debug, Default)]
pub(super) struct AccessUnit {
    data: Vec<u8>,
    /// Where the unit begins whose fragments are coming.
    fragmented: Option<usize>,
}

impl AccessUnit {
    /// Takes the units of one packet. False: it does not fit together.
    pub(super) fn append(&mut self, payload: &[u8]) -> bool {
        let Some((&first, rest)) = payload.split_first() else {
            return false;
        };
        match nal_type(first) {
            Some(FU_A) => self.append_fragment(first, rest).is_some(),
            // Nothing else may come between fragments (RFC 6184, section 5.8).
            Some(_) if self.fragmented.is_some() => false,
            Some(1..STAP_A) => {
                self.append_unit(payload);
                true
            }
            Some(STAP_A) => {
                aggregated(rest).for_each(|unit| self.append_unit(unit));
                true
            }
            _ => false,
        }
    }

    fn append_unit(&mut self, unit: &[u8]) {
        self.data.extend(length(unit.len()));
        self.data.extend(unit);
    }

    fn append_fragment(&mut self, indicator: u8, fragment: &[u8]) -> Option<()> {
        let (&header, data) = fragment.split_first()?;
        let starts = header & FRAGMENT_STARTS != 0;
        if starts != self.fragmented.is_none() {
            return None;
        }
        let begins = *self.fragmented.get_or_insert(self.data.len());
        if starts {
            self.data.extend([0; LENGTH_BYTES]);
            self.data.push(indicator & !TYPE | header & TYPE);
        }
        self.data.extend(data);
        if header & FRAGMENT_ENDS != 0 {
            let bytes = self.data.len() - begins - LENGTH_BYTES;
            let place = self.data.get_mut(begins..begins + LENGTH_BYTES)?;
            place.copy_from_slice(&length(bytes));
            self.fragmented = None;
        }
        Some(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(super) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// What a file is to know that begins with the picture; nothing inside if it is no key frame,
    /// nothing at all if it is not whole. A key frame has its parameter sets with it, which WebRTC
    /// demands (RFC 7742, section 6.2).
    pub(super) fn content(&self) -> Option<Option<Content>> {
        if self.data.is_empty() || self.fragmented.is_some() {
            return None;
        }
        let of_type = |wanted| {
            units(&self.data)
                .filter(move |unit| unit.first().copied().and_then(nal_type) == Some(wanted))
        };
        let (Some(sequence), Some(picture), Some(_)) = (
            of_type(SEQUENCE_PARAMETERS).next(),
            of_type(PICTURE_PARAMETERS).next(),
            of_type(IDR_SLICE).next(),
        ) else {
            return Some(None);
        };
        let (width, height) = picture_size(sequence)?;
        Some(Some(Content::H264 {
            width,
            height,
            configuration: configuration(sequence, picture)?,
        }))
    }
}

/// The units of a picture as a file keeps it.
fn units(picture: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = picture;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let (unit, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some(unit)
    })
}

/// A picture as a decoder takes it that knows nothing of files (ITU-T H.264, annex B).
pub(super) fn byte_stream(picture: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(picture.len());
    for unit in units(picture) {
        stream.extend([0, 0, 0, 1]);
        stream.extend(unit);
    }
    stream
}

fn length(bytes: usize) -> [u8; LENGTH_BYTES] {
    // Frames are far shorter than 4 GiB: `MAX_FRAME_BYTES`.
    (bytes as u32).to_be_bytes()
}

/// `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15, section 5.3.3.1) of one set of each kind.
fn configuration(sequence: &[u8], picture: &[u8]) -> Option<Vec<u8>> {
    let &[profile, compatibility, level] = sequence.get(1..4)? else {
        return None;
    };
    let mut record = vec![1, profile, compatibility, level];
    // Six and three reserved bits are 1; the lengths have 4 bytes; there is one set of each kind.
    record.push(0xfc | (LENGTH_BYTES as u8 - 1));
    record.push(0xe0 | 1);
    record.extend(u16::try_from(sequence.len()).ok()?.to_be_bytes());
    record.extend(sequence);
    record.push(1);
    record.extend(u16::try_from(picture.len()).ok()?.to_be_bytes());
    record.extend(picture);
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a 320x240 film by libx264.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
    ];
    const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

    #[test]
    fn fragments_become_one_unit_behind_its_length() {
        let mut unit = AccessUnit::default();
        assert!(unit.append(&[0x7c, 0x85, 1, 2]));
        assert!(unit.content().is_none(), "not whole");
        assert!(unit.append(&[0x7c, 0x05, 3]));
        assert!(unit.append(&[0x7c, 0x45, 4]));
        assert_eq!(unit.content(), Some(None), "without parameter sets");
        assert_eq!(unit.into_data(), [0, 0, 0, 5, 0x65, 1, 2, 3, 4]);
    }

    #[test]
    fn a_key_frame_brings_what_its_file_must_know() {
        let mut aggregate = vec![0x78];
        for set in [SPS, PPS] {
            aggregate.extend([0, set.len() as u8]);
            aggregate.extend(set);
        }
        let mut unit = AccessUnit::default();
        assert!(unit.append(&aggregate));
        assert!(unit.append(&[0x65, 0x88]));
        let Some(Some(Content::H264 {
            width,
            height,
            configuration,
        })) = unit.content()
        else {
            panic!("no key frame");
        };
        assert_eq!((width, height), (320, 240));
        assert_eq!(configuration[..6], [1, 0x42, 0xc0, 0x0d, 0xff, 0xe1]);
        assert!(configuration.ends_with(PPS));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refuses = |packets: &[&[u8]]| {
            let mut unit = AccessUnit::default();
            !packets.iter().all(|packet| unit.append(packet))
        };
        assert!(refuses(&[&[]]));
        assert!(refuses(&[&[0x7c, 0x05, 1]]), "without its beginning");
        assert!(refuses(&[&[0x7c, 0x85, 1], &[0x7c, 0x85, 1]]));
        assert!(refuses(&[&[0x7c, 0x85, 1], &[0x41, 1]]), "in between");
        assert!(refuses(&[&[0x7d, 0x85, 1, 2, 3]]), "FU-B");
    }
}
