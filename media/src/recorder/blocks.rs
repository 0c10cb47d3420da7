//! The packets and pictures in a chunk of a record file.
//!
//! A chunk is cut between blocks, so that it can be read without what came before it. Only as much
//! of Matroska is read as our own muxer writes; what does not hold ends the chunk.

use crate::clusters::{CLUSTER, SEGMENT, id, size};

/// `SimpleBlock`. RFC 9559, section 5.1.3.4.
const SIMPLE_BLOCK: u32 = 0xA3;
/// Track number, time within the cluster and flags come before the data. Section 10.1.
const HEAD: usize = 1 + 2 + 1;
/// Of the flags: can be decoded by itself.
const KEY: u8 = 0x80;

/// A packet or picture as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded<'a> {
    /// Can be decoded by itself.
    pub(super) key: bool,
    pub(super) data: &'a [u8],
}

/// The blocks of a chunk, in order.
pub(super) fn blocks(chunk: &[u8]) -> Blocks<'_> {
    Blocks { rest: chunk }
}

pub(super) struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Recorded<'a>;

    fn next(&mut self) -> Option<Recorded<'a>> {
        loop {
            let (id, id_len) = id(self.rest)?;
            let (size, size_len) = size(self.rest.get(id_len..)?)?;
            let content = self.rest.get(id_len + size_len..)?;
            if matches!(id, SEGMENT | CLUSTER) {
                self.rest = content;
                continue;
            }
            let (element, rest) = content.split_at_checked(usize::try_from(size?).ok()?)?;
            self.rest = rest;
            if id == SIMPLE_BLOCK {
                let (head, data) = element.split_first_chunk::<HEAD>()?;
                return Some(Recorded {
                    key: head[HEAD - 1] & KEY != 0,
                    data,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::driven::require_element;
    use crate::recorder::muxer::{Block, Content, Muxer, WEBMMUX};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn what_the_muxer_wrote_is_found_again_in_every_chunk() {
        require_element(WEBMMUX).unwrap();
        let content = Content::Vp8 {
            width: 64,
            height: 48,
        };
        let mut muxer = Muxer::new(content).unwrap();
        for number in 0..100_u8 {
            let key = number % 40 == 0;
            let block = Block {
                data: vec![number; 10],
                at: Duration::from_millis(40) * u32::from(number),
                key,
                shown: true,
            };
            muxer.push(block).unwrap();
            let mut chunk = Vec::new();
            muxer.take_into(&mut chunk);
            let data = [number; 10];
            let found: Vec<_> = blocks(&chunk).collect();
            assert_eq!(found, [Recorded { key, data: &data }]);
        }
    }

    proptest! {
        #[test]
        fn garbage_harms_nobody(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let found: usize = blocks(&bytes).map(|block| block.data.len()).sum();
            prop_assert!(found <= bytes.len());
        }
    }
}
