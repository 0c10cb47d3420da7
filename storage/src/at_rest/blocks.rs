//! A file of a bundle as it lies on the disk: blocks of 64 KiB, each a piece of its own, so that a
//! range costs the blocks that it touches.
//!
//! A block is bound to its number and to whether it is the last one: what was cut off or moved is
//! found. A block may be written again while the file is being made, as muxers do with their
//! headers; it gets a new nonce, which is why nonces stand in the file and are not its numbers.

use super::file_key::{HEADER_LEN, Kind, OVERHEAD, Opener, Sealer};
use crate::error::StorageError;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const KIND: Kind = *b"otyrys-blocks/1\n";
/// Bytes of a block before it is encrypted. Of an hour of sound (14 MB) it is half a percent, and
/// its nonce and tag are 0.04 % of it.
const BLOCK: usize = 64 << 10;
const STORED_BLOCK: u64 = (BLOCK + OVERHEAD) as u64;

/// A new encrypted file. Bytes can be written at any place up to its end, as into a file. It is
/// whole only after [`BlockWriter::finish`].
#[derive(Debug)]
pub struct BlockWriter {
    file: File,
    path: PathBuf,
    sealer: Sealer,
    opener: Opener,
    len: u64,
    position: u64,
    /// The block that was written to last, and its number.
    block: Vec<u8>,
    number: u64,
    changed: bool,
}

impl BlockWriter {
    pub(crate) fn create(path: &Path, hearing_key: &[u8]) -> Result<Self, StorageError> {
        let sealer = Sealer::new(hearing_key, KIND)?;
        let opener = Opener::new(hearing_key, KIND, sealer.header())
            .ok_or_else(|| super::file_key::failed("no key was derived"))?;
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        let file = options
            .and_then(|file| file.write_all_at(sealer.header(), 0).map(|()| file))
            .map_err(|error| StorageError::file(path, error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            sealer,
            opener,
            len: 0,
            position: 0,
            block: Vec::with_capacity(BLOCK),
            number: 0,
            changed: true,
        })
    }

    /// Bytes so far, before encryption.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the file and waits for the disk.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`] or [`StorageError::NotWritable`].
    pub fn finish(mut self) -> Result<(), StorageError> {
        let last = self.len.saturating_sub(1) / BLOCK as u64;
        let ended = self.turn_to(last).and_then(|()| {
            self.store(true)?;
            self.file.sync_all()
        });
        ended.map_err(|error| StorageError::file(&self.path, error))
    }

    /// Makes another block the one that is written to.
    fn turn_to(&mut self, number: u64) -> io::Result<()> {
        if number == self.number {
            return Ok(());
        }
        if self.changed {
            self.store(false)?;
        }
        let begins = number * BLOCK as u64;
        self.block = match self.len.checked_sub(begins).filter(|left| *left > 0) {
            Some(left) => {
                let len = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
                let stored = stored_block(&self.file, number, len)?;
                self.opener
                    .open(&about(number, false), &stored)
                    .ok_or_else(|| damaged(number))?
            }
            None => Vec::with_capacity(BLOCK),
        };
        self.number = number;
        Ok(())
    }

    fn store(&mut self, last: bool) -> io::Result<()> {
        let stored = self
            .sealer
            .seal(&about(self.number, last), &self.block)
            .map_err(io::Error::other)?;
        self.file.write_all_at(&stored, place(self.number))?;
        self.changed = false;
        Ok(())
    }
}

impl Write for BlockWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.position > self.len {
            return Err(io::Error::other("a gap would be left in an encrypted file"));
        }
        self.turn_to(self.position / BLOCK as u64)?;
        let at = (self.position % BLOCK as u64) as usize;
        let count = bytes.len().min(BLOCK - at);
        let (new, _) = bytes.split_at(count);
        let kept = self.block.len().max(at + count);
        self.block.resize(kept, 0);
        if let Some(there) = self.block.get_mut(at..at + count) {
            there.copy_from_slice(new);
        }
        self.changed |= count > 0;
        self.position += count as u64;
        self.len = self.len.max(self.position);
        Ok(count)
    }

    /// Nothing is whole before [`BlockWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for BlockWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(to, self.position, self.len)?;
        Ok(self.position)
    }
}

/// An encrypted file that is whole. Reading tells [`io::ErrorKind::InvalidData`] where it is not
/// what was written.
#[derive(Debug)]
pub struct BlockReader {
    file: File,
    opener: Opener,
    len: u64,
    position: u64,
    /// The block that was read last, and its number.
    block: Option<(u64, Vec<u8>)>,
}

impl BlockReader {
    /// # Errors
    /// [`StorageError::NotFound`]; [`StorageError::Corrupt`] if it is no encrypted file.
    pub(crate) fn open(path: &Path, hearing_key: &[u8]) -> Result<Self, StorageError> {
        let failed = |error| StorageError::file(path, error);
        let file = File::open(path).map_err(failed)?;
        let stored = file.metadata().map_err(failed)?.len();
        let mut header = [0; HEADER_LEN];
        let blocks = stored.saturating_sub(HEADER_LEN as u64);
        let rest = blocks % STORED_BLOCK;
        let whole = blocks > 0 && (rest == 0 || rest >= OVERHEAD as u64);
        let opener = match whole {
            true => {
                file.read_exact_at(&mut header, 0).map_err(failed)?;
                Opener::new(hearing_key, KIND, &header)
            }
            false => None,
        };
        let opener = opener
            .ok_or_else(|| StorageError::corrupt(path.display(), "it is no encrypted file"))?;
        Ok(Self {
            file,
            opener,
            len: blocks - blocks.div_ceil(STORED_BLOCK) * OVERHEAD as u64,
            position: 0,
            block: None,
        })
    }

    /// Bytes before encryption.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        if self.block.as_ref().is_none_or(|(of, _)| *of != number) {
            let begins = number * BLOCK as u64;
            let left = self.len.saturating_sub(begins);
            let len = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            let last = left <= BLOCK as u64;
            let stored = stored_block(&self.file, number, len)?;
            let block = self.opener.open(&about(number, last), &stored);
            self.block = Some((number, block.ok_or_else(|| damaged(number))?));
        }
        Ok(self.block.as_ref().map_or(&[], |(_, block)| block))
    }
}

impl Read for BlockReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // An empty file has a block too, which proves that it is empty.
        let ended = self.position >= self.len && self.position > 0;
        if ended || into.is_empty() {
            return Ok(0);
        }
        let at = (self.position % BLOCK as u64) as usize;
        let block = self.block(self.position / BLOCK as u64)?;
        let found = block.get(at..).unwrap_or_default();
        let count = found.len().min(into.len());
        let (there, _) = into.split_at_mut(count);
        there.copy_from_slice(found.split_at(count).0);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for BlockReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = moved(to, self.position, self.len)?;
        Ok(self.position)
    }
}

fn moved(to: SeekFrom, position: u64, len: u64) -> io::Result<u64> {
    let moved = match to {
        SeekFrom::Start(position) => Some(position),
        SeekFrom::Current(by) => position.checked_add_signed(by),
        SeekFrom::End(by) => len.checked_add_signed(by),
    };
    moved.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn place(number: u64) -> u64 {
    HEADER_LEN as u64 + number * STORED_BLOCK
}

fn stored_block(file: &File, number: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut stored = vec![0; len + OVERHEAD];
    file.read_exact_at(&mut stored, place(number))?;
    Ok(stored)
}

fn about(number: u64, last: bool) -> [u8; 9] {
    let mut about = [u8::from(last); 9];
    let (before, _) = about.split_at_mut(size_of::<u64>());
    before.copy_from_slice(&number.to_be_bytes());
    about
}

fn damaged(number: u64) -> io::Error {
    let begins = number * BLOCK as u64;
    let reason = format!("the {BLOCK} bytes from byte {begins} on are not what was written");
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
