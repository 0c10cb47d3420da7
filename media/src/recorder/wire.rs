//! How the server and its processes say something to each other: postcard, behind its length.
//!
//! Both ends are the same binary, so nothing here has versions.

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use std::io;

/// Above it no message is real: blocks are at most a frame of 4 MiB behind some hundred KiB of
/// others, and what the muxer writes around them.
pub(super) const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// Before each message.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Appends a message with its length.
///
/// # Errors
/// A message that is too long.
pub(crate) fn write(message: &impl Serialize, to: &mut BytesMut) -> io::Result<()> {
    let start = to.len();
    to.extend_from_slice(&[0; LENGTH_BYTES]);
    let written = postcard::to_io(message, (&mut *to).writer()).map(|_| ());
    let length = to.len() - start - LENGTH_BYTES;
    if let Err(error) = written
        .map_err(io::Error::other)
        .and_then(|()| fits(length))
    {
        to.truncate(start);
        return Err(error);
    }
    to[start..start + LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// The first whole message in `bytes`, and how many of them it takes; nothing while it is not
/// whole.
///
/// # Errors
/// What is no message.
pub(crate) fn read<'a, M: Deserialize<'a>>(bytes: &'a [u8]) -> io::Result<Option<(M, usize)>> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = length_of(*length)?;
    let Some(message) = rest.get(..length) else {
        return Ok(None);
    };
    let message = postcard::from_bytes(message).map_err(io::Error::other)?;
    Ok(Some((message, LENGTH_BYTES + length)))
}

/// How long the message is that follows these bytes.
///
/// # Errors
/// Too long.
pub(crate) fn length_of(bytes: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let length = u32::from_le_bytes(bytes) as usize;
    fits(length).map(|()| length)
}

fn fits(length: usize) -> io::Result<()> {
    if length <= MAX_MESSAGE_BYTES {
        Ok(())
    } else {
        Err(io::Error::other("a message that is too long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::muxing::{Answer, FileNumber, Order, Piece};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_wherever_it_is_cut(
            file: u64,
            at_ns: u64,
            key: bool,
            data in prop::collection::vec(any::<u8>(), 0..3_000),
            cut: prop::sample::Index,
        ) {
            let file = FileNumber(file);
            let piece = Piece { at_ns, key, shown: true, data: &data };
            let block = Order::Blocks { file, blocks: vec![piece.clone(), piece] };
            let mut bytes = BytesMut::new();
            write(&block, &mut bytes).unwrap();
            let one = bytes.len();
            write(&Order::Close { file }, &mut bytes).unwrap();
            prop_assert_eq!(read(&bytes).unwrap(), Some((block, one)));
            let rest = read(&bytes[one..]).unwrap();
            prop_assert_eq!(rest, Some((Order::Close { file }, bytes.len() - one)));
            let torn = read::<Order<'_>>(&bytes[..cut.index(one)]).unwrap();
            prop_assert_eq!(torn, None);
        }

        #[test]
        fn garbage_is_refused_and_harms_nobody(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((_, length))) = read::<Answer<'_>>(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_not_written_and_not_waited_for() {
        let data = vec![0; MAX_MESSAGE_BYTES];
        let bytes = data.as_slice();
        let mut out = BytesMut::from(&[1][..]);
        assert!(
            write(
                &Answer::Muxed {
                    file: FileNumber(1),
                    bytes
                },
                &mut out
            )
            .is_err()
        );
        assert_eq!(out, [1].as_slice());
        assert!(read::<Answer<'_>>(&u32::MAX.to_le_bytes()).is_err());
    }
}
