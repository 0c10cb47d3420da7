//! Reader of CTranslate2's `model.bin`: an index of the tensors, whose numbers stay on disk.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use half::f16;

use super::ModelError;
use super::source_file::SourceFile;

/// Before version 4 the names of layers were others.
const MIN_VERSION: u32 = 4;

/// large-v3 has about 1,300 tensors.
const MAX_TENSORS: u32 = 100_000;

/// Numbers are converted in blocks of this many, to bound memory.
const BLOCK_ELEMENTS: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    F32,
    I8,
    I16,
    I32,
    F16,
}

impl Number {
    const fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Ct2Tensor {
    pub(super) dims: Vec<usize>,
    pub(super) number: Number,
    offset: u64,
}

/// An open `model.bin`.
pub(super) struct Ct2Model {
    pub(super) file: SourceFile,
    tensors: HashMap<String, Ct2Tensor>,
}

impl Ct2Model {
    /// Reads the index of all tensors and checks that the file ends with it.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let mut model = Self {
            file: SourceFile::open(path)?,
            tensors: HashMap::new(),
        };
        model.read_index()?;
        Ok(model)
    }

    pub(super) fn tensor(&self, name: &str) -> Result<&Ct2Tensor, ModelError> {
        self.tensors
            .get(name)
            .ok_or_else(|| self.file.malformed(format!("the tensor {name} is missing")))
    }

    /// A scalar that newer files hold; `None` where the file has none.
    pub(super) fn scalar(&mut self, name: &str) -> Result<Option<usize>, ModelError> {
        let Some(tensor) = self.tensors.get(name).cloned() else {
            return Ok(None);
        };
        let mut value = [0_u8; 4];
        let width = tensor.number.bytes();
        self.file.seek(tensor.offset)?;
        self.file.fill(&mut value[..width], name)?;
        let value = match tensor.number {
            Number::I8 => i64::from(value[0] as i8),
            Number::I16 => i64::from(i16::from_le_bytes([value[0], value[1]])),
            Number::I32 => i64::from(i32::from_le_bytes(value)),
            Number::F16 | Number::F32 => -1,
        };
        usize::try_from(value)
            .map(Some)
            .map_err(|_| self.file.malformed(format!("{name} is not a count")))
    }

    /// How many layers one side has: the highest `layer_N` and one.
    pub(super) fn layers(&self, side: &str) -> usize {
        self.tensors
            .keys()
            .filter_map(|name| {
                let rest = name.strip_prefix(side)?.strip_prefix("/layer_")?;
                rest.split('/').next()?.parse::<usize>().ok()
            })
            .max()
            .map_or(0, |last| last.saturating_add(1))
    }

    pub(super) fn has_int8_weights(&self) -> bool {
        self.tensors
            .keys()
            .any(|name| name.ends_with("weight_scale"))
    }

    /// Gives the numbers of `rows` (all if `None`) to `take`, block by block, as f32: exact
    /// for f16 and f32 sources.
    pub(super) fn read_rows<E: From<ModelError>>(
        &mut self,
        name: &str,
        rows: Option<&Range<usize>>,
        mut take: impl FnMut(&[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let tensor = self.tensor(name)?.clone();
        let all: usize = tensor.dims.iter().product();
        let row = match tensor.dims.first() {
            Some(&first) if first > 0 => all / first,
            _ => 1,
        };
        let range = rows.map_or(0..all, |rows| rows.start * row..rows.end * row);
        if range.end > all {
            return Err(self
                .file
                .malformed(format!("{name} has too few rows"))
                .into());
        }
        let width = match tensor.number {
            Number::F16 | Number::F32 => tensor.number.bytes(),
            _ => {
                return Err(self
                    .file
                    .malformed(format!("{name} holds no float numbers"))
                    .into());
            }
        };
        self.file
            .seek(tensor.offset + (range.start * width) as u64)?;
        let mut left = range.len();
        let mut raw = vec![0_u8; left.min(BLOCK_ELEMENTS) * width];
        let mut numbers = Vec::with_capacity(left.min(BLOCK_ELEMENTS));
        while left > 0 {
            let count = left.min(BLOCK_ELEMENTS);
            let block = &mut raw[..count * width];
            self.file.fill(block, name)?;
            numbers.clear();
            if tensor.number == Number::F16 {
                numbers.extend(
                    block
                        .chunks_exact(2)
                        .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
                );
            } else {
                numbers.extend(
                    block
                        .chunks_exact(4)
                        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
                );
            }
            take(&numbers)?;
            left -= count;
        }
        Ok(())
    }

    fn read_index(&mut self) -> Result<(), ModelError> {
        let version = self.u32("the version")?;
        // The first four bytes of another format read as an absurd version.
        if !(MIN_VERSION..1_000).contains(&version) {
            return Err(ModelError::WrongFormat {
                path: self.file.path().to_owned(),
                expected: "a CTranslate2 model of version 4 or later",
            });
        }
        let spec = self.text("the name of the specification")?;
        if spec != "WhisperSpec" {
            return Err(ModelError::WrongFormat {
                path: self.file.path().to_owned(),
                expected: "a Whisper model",
            });
        }
        let _revision = self.u32("the revision")?;
        let count = self.u32("the number of tensors")?;
        if count > MAX_TENSORS {
            return Err(self.file.malformed(format!("{count} tensors are too many")));
        }
        for index in 0..count {
            let name = self.text(&format!("the name of tensor {index}"))?;
            let tensor = self.tensor_header(&name)?;
            self.tensors.insert(name, tensor);
        }
        let aliases = self.u32("the number of aliases")?;
        for index in 0..aliases {
            let alias = self.text(&format!("alias {index}"))?;
            let target = self.text(&format!("alias {index}"))?;
            let tensor = self.tensor(&target)?.clone();
            self.tensors.insert(alias, tensor);
        }
        if self.file.rest() > 0 {
            return Err(ModelError::Leftover {
                path: self.file.path().to_owned(),
                bytes: self.file.rest(),
            });
        }
        Ok(())
    }

    fn tensor_header(&mut self, name: &str) -> Result<Ct2Tensor, ModelError> {
        let [rank] = self.file.bytes::<1>(name)?;
        let mut dims = Vec::new();
        let mut elements = 1_u64;
        for _ in 0..rank {
            let dim = self.u32(name)?;
            elements = elements.checked_mul(u64::from(dim)).ok_or_else(|| {
                self.file
                    .malformed(format!("{name} has an impossible shape"))
            })?;
            dims.push(dim as usize);
        }
        let [number] = self.file.bytes::<1>(name)?;
        let number = match number {
            0 => Number::F32,
            1 => Number::I8,
            2 => Number::I16,
            3 => Number::I32,
            4 => Number::F16,
            other => {
                return Err(self
                    .file
                    .malformed(format!("{name} has the unknown data type {other}")));
            }
        };
        let bytes = u64::from(self.u32(name)?);
        if elements.checked_mul(number.bytes() as u64) != Some(bytes) {
            return Err(self
                .file
                .malformed(format!("{name}: shape and number of bytes disagree")));
        }
        let offset = self.file.position();
        self.file.skip(bytes, name)?;
        Ok(Ct2Tensor {
            dims,
            number,
            offset,
        })
    }

    /// A 16-bit length that counts the closing NUL, then the text.
    fn text(&mut self, what: &str) -> Result<String, ModelError> {
        let length = usize::from(u16::from_le_bytes(self.file.bytes(what)?));
        let mut text = vec![0_u8; length];
        self.file.fill(&mut text, what)?;
        if text.pop() != Some(0) {
            return Err(self.file.malformed(format!("{what} does not end with NUL")));
        }
        String::from_utf8(text).map_err(|_| self.file.malformed(format!("{what} is not UTF-8")))
    }

    fn u32(&mut self, what: &str) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.file.bytes(what)?))
    }
}
