//! Reads a ggml file's structure to its very end, before whisper.cpp is given the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::layout::Sizes;
use super::{ModelError, ModelName, mel};

/// "ggml" as whisper.cpp compares it.
pub(super) const GGML_MAGIC: u32 = 0x6767_6d6c;

/// The longest token of Whisper has 128 bytes.
const MAX_TOKEN_BYTES: usize = 4_096;
const MAX_NAME_BYTES: usize = 256;

/// What [`check`] found out about a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// Which size of Whisper it is.
    pub kind: ModelKind,
    /// Whether it knows languages other than English.
    pub multilingual: bool,
    /// The model of this project whose bytes these are, if any.
    pub known: Option<ModelName>,
}

/// The size of a Whisper model, told by its encoder's layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// 4 layers.
    Tiny,
    /// 6 layers.
    Base,
    /// 12 layers.
    Small,
    /// 24 layers.
    Medium,
    /// 32 layers.
    Large,
    /// Any other number of layers.
    Other,
}

/// Checks a ggml file: magic, sizes, vocabulary, every tensor's name, shape and length, and
/// that the last one ends with the file. Reads the whole file once, for its SHA-256: about a
/// second for each gigabyte.
///
/// # Errors
/// [`ModelError`] names the part that is missing, cut, repeated or impossible.
pub fn check(path: &Path) -> Result<ModelInfo, ModelError> {
    let file = File::open(path).map_err(ModelError::io(path))?;
    let metadata = file.metadata().map_err(ModelError::io(path))?;
    if !metadata.is_file() {
        return Err(ModelError::WrongFormat {
            path: path.to_owned(),
            expected: "a file",
        });
    }
    let mut reader = Reader {
        path: path.to_owned(),
        file: BufReader::new(file),
        size: metadata.len(),
        position: 0,
    };
    let sizes = reader.sizes()?;
    reader.filters(&sizes)?;
    reader.vocabulary(&sizes)?;
    reader.tensors(&sizes)?;
    let sha256 = reader.sha256()?;
    Ok(ModelInfo {
        known: ModelName::ALL
            .into_iter()
            .find(|name| name.sha256() == sha256),
        sha256,
        size: metadata.len(),
        kind: match sizes.n_audio_layer {
            4 => ModelKind::Tiny,
            6 => ModelKind::Base,
            12 => ModelKind::Small,
            24 => ModelKind::Medium,
            32 => ModelKind::Large,
            _ => ModelKind::Other,
        },
        multilingual: sizes.is_multilingual(),
    })
}

struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    size: u64,
    position: u64,
}

impl Reader {
    fn sizes(&mut self) -> Result<Sizes, ModelError> {
        let magic = self.bytes::<4>("the magic number");
        // A file of fewer than four bytes is not a cut model, it is no model.
        if magic.map(u32::from_le_bytes).ok() != Some(GGML_MAGIC) {
            return Err(ModelError::WrongFormat {
                path: self.path.clone(),
                expected: "a ggml model",
            });
        }
        let what = "the sizes at its head";
        let sizes = Sizes {
            n_vocab: self.count(what)?,
            n_audio_ctx: self.count(what)?,
            n_audio_state: self.count(what)?,
            n_audio_head: self.count(what)?,
            n_audio_layer: self.count(what)?,
            n_text_ctx: self.count(what)?,
            n_text_state: self.count(what)?,
            n_text_head: self.count(what)?,
            n_text_layer: self.count(what)?,
            n_mels: self.count(what)?,
        };
        let _file_type = self.count(what)?;
        match sizes.fault() {
            Some(fault) => Err(self.malformed(fault)),
            None => Ok(sizes),
        }
    }

    fn filters(&mut self, sizes: &Sizes) -> Result<(), ModelError> {
        let what = "the mel filters";
        let (rows, bins) = (self.count(what)?, self.count(what)?);
        if (rows, bins) != (sizes.n_mels, mel::N_BINS) {
            return Err(self.malformed(format!("the mel filters are {rows} x {bins}")));
        }
        self.skip((rows * bins * 4) as u64, what)
    }

    fn vocabulary(&mut self, sizes: &Sizes) -> Result<(), ModelError> {
        let what = "the vocabulary";
        let tokens = self.count(what)?;
        if tokens > sizes.n_vocab {
            return Err(self.malformed(format!(
                "the vocabulary has {tokens} tokens, the model {}",
                sizes.n_vocab
            )));
        }
        for token in 0..tokens {
            let length = self.count(what)?;
            if length > MAX_TOKEN_BYTES {
                return Err(self.malformed(format!("token {token} has {length} bytes")));
            }
            self.skip(length as u64, what)?;
        }
        Ok(())
    }

    fn tensors(&mut self, sizes: &Sizes) -> Result<(), ModelError> {
        let mut missing: HashMap<String, Vec<usize>> = sizes
            .tensors()
            .into_iter()
            .map(|plan| (plan.name, plan.shape))
            .collect();
        while self.position < self.size {
            let what = "the head of a tensor";
            let rank = self.count(what)?;
            let name_bytes = self.count(what)?;
            let number = self.count(what)?;
            if !(1..=4).contains(&rank) || name_bytes > MAX_NAME_BYTES {
                return Err(self.malformed(format!(
                    "no tensor stands at byte {}, where one should",
                    self.position
                )));
            }
            let mut shape = Vec::with_capacity(rank);
            for _ in 0..rank {
                shape.insert(0, self.count(what)?);
            }
            let mut name = vec![0; name_bytes];
            self.fill(&mut name, what)?;
            let name = String::from_utf8(name)
                .map_err(|_| self.malformed("a tensor's name is not UTF-8".to_owned()))?;
            match missing.remove(&name) {
                None => {
                    return Err(self.malformed(format!("the tensor {name:?} is twice or unknown")));
                }
                Some(expected) if expected != shape => {
                    return Err(self.malformed(format!(
                        "the tensor {name} has the shape {shape:?}, expected {expected:?}"
                    )));
                }
                Some(_) => {}
            }
            let (block, block_bytes) = block_of(number)
                .ok_or_else(|| self.malformed(format!("{name} has unknown type {number}")))?;
            let elements: usize = shape.iter().product();
            if !elements.is_multiple_of(block) {
                return Err(self.malformed(format!("{name} does not fill its blocks")));
            }
            self.skip((elements / block * block_bytes) as u64, &name)?;
        }
        // Cut exactly between two tensors.
        match missing.keys().min() {
            Some(name) => Err(self.cut(&format!("its {} last tensors ({name})", missing.len()))),
            None => Ok(()),
        }
    }

    fn sha256(&mut self) -> Result<String, ModelError> {
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))
            .map_err(ModelError::io(&self.path))?;
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block).map_err(ModelError::io(&self.path))? {
                0 => return Ok(hex::encode(hash.finalize())),
                read => hash.update(&block[..read]),
            }
        }
    }

    /// A 32-bit number that cannot be negative.
    fn count(&mut self, what: &str) -> Result<usize, ModelError> {
        let value = i32::from_le_bytes(self.bytes(what)?);
        usize::try_from(value).map_err(|_| self.malformed(format!("{what}: {value} is negative")))
    }

    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    fn fill(&mut self, buffer: &mut [u8], what: &str) -> Result<(), ModelError> {
        if buffer.len() as u64 > self.size - self.position {
            return Err(self.cut(what));
        }
        self.file
            .read_exact(buffer)
            .map_err(ModelError::io(&self.path))?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64, what: &str) -> Result<(), ModelError> {
        if bytes > self.size - self.position {
            return Err(self.cut(what));
        }
        self.file
            .seek_relative(bytes as i64)
            .map_err(ModelError::io(&self.path))?;
        self.position += bytes;
        Ok(())
    }

    fn cut(&self, what: &str) -> ModelError {
        ModelError::Cut {
            path: self.path.clone(),
            what: what.to_owned(),
        }
    }

    fn malformed(&self, what: String) -> ModelError {
        ModelError::Malformed {
            path: self.path.clone(),
            what,
        }
    }
}

/// Elements and bytes of one block of a ggml number type (`ggml.h`, `enum ggml_type`).
fn block_of(number: usize) -> Option<(usize, usize)> {
    Some(match number {
        0 => (1, 4),     // F32
        1 => (1, 2),     // F16
        2 => (32, 18),   // Q4_0
        3 => (32, 20),   // Q4_1
        6 => (32, 22),   // Q5_0
        7 => (32, 24),   // Q5_1
        8 => (32, 34),   // Q8_0
        10 => (256, 84), // Q2_K
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210), // Q6_K
        _ => return None,
    })
}
