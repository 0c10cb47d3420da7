//! A file that is read from front to back, and every length in it with suspicion.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ModelError;
use super::output::WriteError;

/// A file of a model, and how far it is read.
pub(super) struct SourceFile {
    path: PathBuf,
    file: BufReader<File>,
    size: u64,
    position: u64,
}

impl SourceFile {
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(ModelError::io(path))?;
        let metadata = file.metadata().map_err(ModelError::io(path))?;
        if !metadata.is_file() {
            return Err(ModelError::WrongFormat {
                path: path.to_owned(),
                expected: "a file",
            });
        }
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 16, file),
            size: metadata.len(),
            position: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Of the whole file, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes are read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// How many are not.
    pub(super) fn rest(&self) -> u64 {
        self.size - self.position
    }

    pub(super) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), ModelError> {
        if buffer.len() as u64 > self.rest() {
            return Err(self.cut(what));
        }
        self.file
            .read_exact(buffer)
            .map_err(ModelError::io(&self.path))?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    /// The next bytes, to somewhere else.
    pub(super) fn copy(
        &mut self,
        bytes: u64,
        what: &str,
        out: &mut impl Write,
    ) -> Result<(), WriteError> {
        if bytes > self.rest() {
            return Err(self.cut(what).into());
        }
        let mut left = bytes;
        while left > 0 {
            let read = self.file.fill_buf().map_err(ModelError::io(&self.path))?;
            if read.is_empty() {
                // Shorter than when it was opened.
                return Err(self.cut(what).into());
            }
            let part = read.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            out.write_all(&read[..part])?;
            self.file.consume(part);
            self.position += part as u64;
            left -= part as u64;
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, bytes: u64, what: &str) -> Result<(), ModelError> {
        if bytes > self.rest() {
            return Err(self.cut(what));
        }
        self.seek(self.position + bytes)
    }

    /// Goes to a position within the file.
    pub(super) fn seek(&mut self, position: u64) -> Result<(), ModelError> {
        // Relative, so that small steps stay inside the buffer.
        let step = position as i64 - self.position as i64;
        self.file
            .seek_relative(step)
            .map_err(ModelError::io(&self.path))?;
        self.position = position;
        Ok(())
    }

    /// Of the whole file, hexadecimal; afterwards nothing is left to read.
    pub(super) fn sha256(&mut self) -> Result<String, ModelError> {
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))
            .map_err(ModelError::io(&self.path))?;
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block).map_err(ModelError::io(&self.path))? {
                0 => break,
                read => hash.update(&block[..read]),
            }
        }
        self.position = self.size;
        Ok(hex::encode(hash.finalize()))
    }

    pub(super) fn cut(&self, what: &str) -> ModelError {
        ModelError::Cut {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }

    pub(super) fn malformed(&self, what: String) -> ModelError {
        ModelError::Malformed {
            path: self.path.clone(),
            what,
        }
    }
}
