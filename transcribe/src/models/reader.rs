//! Reads a ggml file part by part, and every number of it with suspicion.

use std::collections::HashMap;
use std::path::Path;

use super::layout::{Sizes, TensorPlan};
use super::source_file::SourceFile;
use super::{ModelError, mel};

/// "ggml" as whisper.cpp compares it.
pub(super) const GGML_MAGIC: u32 = 0x6767_6d6c;
/// Where the length of the sound stands: behind the magic number and the size of the vocabulary.
pub(super) const AUDIO_CTX_AT: usize = 4 + 4;
/// Where the file type stands: behind the magic number and ten sizes.
pub(super) const FILE_TYPE_AT: usize = 4 + 10 * 4;

/// The longest token of Whisper has 128 bytes.
const MAX_TOKEN_BYTES: usize = 4_096;
const MAX_NAME_BYTES: usize = 256;

/// A ggml file, and how far it is read. Its parts come in this order: sizes, filters, vocabulary,
/// tensors.
pub(super) struct Reader {
    pub(super) file: SourceFile,
}

/// A tensor as it stands in the file; its numbers come next.
pub(super) struct Stored {
    pub(super) plan: TensorPlan,
    pub(super) kind: NumberKind,
}

impl Reader {
    /// A file whose tensors come next.
    pub(super) fn open(path: &Path) -> Result<(Self, Sizes), ModelError> {
        let mut reader = Self {
            file: SourceFile::open(path)?,
        };
        let sizes = reader.sizes()?;
        reader.filters(&sizes)?;
        reader.vocabulary(&sizes)?;
        Ok((reader, sizes))
    }

    /// All that is read, once more.
    pub(super) fn head(&mut self) -> Result<Vec<u8>, ModelError> {
        let mut head = vec![0; self.file.position() as usize];
        self.file.seek(0)?;
        self.file.fill(&mut head, "its head")?;
        Ok(head)
    }

    fn sizes(&mut self) -> Result<Sizes, ModelError> {
        let magic = self.file.bytes::<4>("the magic number");
        // A file of fewer than four bytes is not a cut model, it is no model.
        if magic.map(u32::from_le_bytes).ok() != Some(GGML_MAGIC) {
            return Err(ModelError::WrongFormat {
                path: self.file.path().to_owned(),
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
            Some(fault) => Err(self.file.malformed(fault)),
            None => Ok(sizes),
        }
    }

    fn filters(&mut self, sizes: &Sizes) -> Result<(), ModelError> {
        let what = "the mel filters";
        let (rows, bins) = (self.count(what)?, self.count(what)?);
        if (rows, bins) != (sizes.n_mels, mel::N_BINS) {
            return Err(self
                .file
                .malformed(format!("the mel filters are {rows} x {bins}")));
        }
        self.file.skip((rows * bins * 4) as u64, what)
    }

    fn vocabulary(&mut self, sizes: &Sizes) -> Result<(), ModelError> {
        let what = "the vocabulary";
        let tokens = self.count(what)?;
        if tokens > sizes.n_vocab {
            return Err(self.file.malformed(format!(
                "the vocabulary has {tokens} tokens, the model {}",
                sizes.n_vocab
            )));
        }
        for token in 0..tokens {
            let length = self.count(what)?;
            if length > MAX_TOKEN_BYTES {
                return Err(self
                    .file
                    .malformed(format!("token {token} has {length} bytes")));
            }
            self.file.skip(length as u64, what)?;
        }
        Ok(())
    }

    /// Reads the head of each tensor up to the end of the file; `each` reads its numbers, all of
    /// them.
    pub(super) fn tensors<E: From<ModelError>>(
        &mut self,
        sizes: &Sizes,
        mut each: impl FnMut(&mut Self, &Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let plans = sizes.tensors().into_iter();
        let mut missing: HashMap<String, TensorPlan> =
            plans.map(|plan| (plan.name.clone(), plan)).collect();
        while self.file.rest() > 0 {
            let stored = self.tensor_head(&mut missing)?;
            each(self, &stored)?;
        }
        // Cut exactly between two tensors.
        match missing.keys().min() {
            Some(name) => {
                let what = format!("its {} last tensors ({name})", missing.len());
                Err(self.file.cut(&what).into())
            }
            None => Ok(()),
        }
    }

    fn tensor_head(
        &mut self,
        missing: &mut HashMap<String, TensorPlan>,
    ) -> Result<Stored, ModelError> {
        let what = "the head of a tensor";
        let rank = self.count(what)?;
        let name_bytes = self.count(what)?;
        let number = self.count(what)?;
        if !(1..=4).contains(&rank) || name_bytes > MAX_NAME_BYTES {
            return Err(self.file.malformed(format!(
                "no tensor stands at byte {}, where one should",
                self.file.position()
            )));
        }
        let mut shape = Vec::with_capacity(rank);
        for _ in 0..rank {
            shape.insert(0, self.count(what)?);
        }
        let mut name = vec![0; name_bytes];
        self.file.fill(&mut name, what)?;
        let name = String::from_utf8(name).map_err(|_| {
            self.file
                .malformed("a tensor's name is not UTF-8".to_owned())
        })?;
        let plan = missing.remove(&name).ok_or_else(|| {
            self.file
                .malformed(format!("the tensor {name:?} is twice or unknown"))
        })?;
        if plan.shape != shape {
            return Err(self.file.malformed(format!(
                "the tensor {name} has the shape {shape:?}, expected {:?}",
                plan.shape
            )));
        }
        let kind = NumberKind::of(number).ok_or_else(|| {
            self.file
                .malformed(format!("{name} has unknown type {number}"))
        })?;
        if !plan.elements().is_multiple_of(kind.block) {
            return Err(self
                .file
                .malformed(format!("{name} does not fill its blocks")));
        }
        Ok(Stored { plan, kind })
    }

    /// A 32-bit number that cannot be negative.
    fn count(&mut self, what: &str) -> Result<usize, ModelError> {
        let value = i32::from_le_bytes(self.file.bytes(what)?);
        usize::try_from(value)
            .map_err(|_| self.file.malformed(format!("{what}: {value} is negative")))
    }
}

impl Stored {
    /// What its numbers take in the file.
    pub(super) fn bytes(&self) -> u64 {
        (self.plan.elements() / self.kind.block * self.kind.block_bytes) as u64
    }
}

/// How ggml keeps numbers: in blocks of some elements (`ggml.h`, `enum ggml_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberKind {
    /// In the file.
    pub(super) number: usize,
    /// Elements of a block.
    block: usize,
    block_bytes: usize,
}

impl NumberKind {
    pub(super) const F32: Self = Self::new(0, 1, 4);
    pub(super) const F16: Self = Self::new(1, 1, 2);
    pub(super) const Q8_0: Self = Self::new(8, 32, 34);

    const fn new(number: usize, block: usize, block_bytes: usize) -> Self {
        Self {
            number,
            block,
            block_bytes,
        }
    }

    fn of(number: usize) -> Option<Self> {
        let (block, block_bytes) = match number {
            0 => return Some(Self::F32),
            1 => return Some(Self::F16),
            8 => return Some(Self::Q8_0),
            2 => (32, 18),   // Q4_0
            3 => (32, 20),   // Q4_1
            6 => (32, 22),   // Q5_0
            7 => (32, 24),   // Q5_1
            10 => (256, 84), // Q2_K
            11 => (256, 110),
            12 => (256, 144),
            13 => (256, 176),
            14 => (256, 210), // Q6_K
            _ => return None,
        };
        Some(Self::new(number, block, block_bytes))
    }
}
