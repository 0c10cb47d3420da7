//! Weights of eight bits: a model of half the size, which takes less time for each word.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::f16;

use super::ModelError;
use super::check::{self, ModelInfo};
use super::output::{self, WriteError};
use super::reader::{FILE_TYPE_AT, NumberKind, Reader};

/// "Matrices are `Q8_0`" (7), in version 2 of ggml's quantisation.
const FTYPE_Q8_0: i32 = 2_007;
/// Numbers with one scale.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 2 + BLOCK;

/// Rounds the matrices of a ggml model to eight bits (`Q8_0`: 32 numbers share a scale, an f16);
/// biases, norms, positions and the two convolutions stay as they are. The matrices are streamed, row
/// by row.
///
/// `out` appears complete, checked and synced, or not at all; an older file there is replaced. This
/// reads and writes hundreds of megabytes: call it off the async threads.
///
/// # Errors
/// [`ModelError`] names the part of `source` that is cut or impossible, and says when its matrices
/// are quantised already.
pub fn quantize(source: &Path, out: &Path) -> Result<ModelInfo, ModelError> {
    // A damaged one is told before anything is written.
    check::check(source)?;
    output::written(out, |file| write(source, file))
}

fn write(source: &Path, file: &mut File) -> Result<(), WriteError> {
    let (mut reader, sizes) = Reader::open(source)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);

    let mut head = reader.head()?;
    head[FILE_TYPE_AT..FILE_TYPE_AT + 4].copy_from_slice(&FTYPE_Q8_0.to_le_bytes());
    out.write_all(&head)?;

    reader.tensors(&sizes, |reader, stored| -> Result<(), WriteError> {
        let plan = &stored.plan;
        let [rows, row] = match plan.shape[..] {
            // What whisper.cpp expects in the type of the file.
            [rows, row] if plan.half => [rows, row],
            _ => {
                output::tensor_head(&mut out, &plan.name, &plan.shape, stored.kind)?;
                return reader.file.copy(stored.bytes(), &plan.name, &mut out);
            }
        };
        if !row.is_multiple_of(BLOCK) {
            let what = format!(
                "{} has rows of {row}, which are no blocks of {BLOCK}",
                plan.name
            );
            return Err(reader.file.malformed(what).into());
        }
        output::tensor_head(&mut out, &plan.name, &plan.shape, NumberKind::Q8_0)?;
        let mut numbers = vec![0; stored.bytes() as usize / rows];
        for _ in 0..rows {
            reader.file.fill(&mut numbers, &plan.name)?;
            let numbers = floats(stored.kind, &numbers).ok_or_else(|| ModelError::Quantised {
                path: source.to_owned(),
            })?;
            for block in numbers.as_chunks::<BLOCK>().0 {
                out.write_all(&rounded(block))?;
            }
        }
        Ok(())
    })?;
    out.flush()?;
    Ok(())
}

/// Nothing: they are no floating-point numbers.
fn floats(kind: NumberKind, bytes: &[u8]) -> Option<Vec<f32>> {
    match kind {
        NumberKind::F32 => {
            let numbers = bytes.as_chunks().0.iter();
            Some(numbers.map(|&number| f32::from_le_bytes(number)).collect())
        }
        NumberKind::F16 => {
            let numbers = bytes.as_chunks().0.iter();
            Some(
                numbers
                    .map(|&number| f16::from_le_bytes(number).to_f32())
                    .collect(),
            )
        }
        _ => None,
    }
}

/// The scale, then each number as a multiple of it (`quantize_row_q8_0_ref` of ggml).
fn rounded(numbers: &[f32; BLOCK]) -> [u8; BLOCK_BYTES] {
    let largest = numbers.iter().fold(0.0_f32, |most, n| most.max(n.abs()));
    let scale = largest / f32::from(i8::MAX);
    let inverse = match scale {
        0.0 => 0.0,
        scale => 1.0 / scale,
    };
    let mut block = [0; BLOCK_BYTES];
    let (head, multiples) = block.split_at_mut(2);
    head.copy_from_slice(&f16::from_f32(scale).to_le_bytes());
    for (multiple, number) in multiples.iter_mut().zip(numbers) {
        // -127 to 127, and 0 for what is no number.
        *multiple = ((number * inverse).round() as i8).to_le_bytes()[0];
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(block: &[u8; BLOCK_BYTES]) -> [f32; BLOCK] {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        std::array::from_fn(|at| f32::from(i8::from_le_bytes([block[2 + at]])) * scale)
    }

    #[test]
    fn a_block_is_what_ggml_makes_of_it() {
        let numbers: [f32; BLOCK] = std::array::from_fn(|at| at as f32 - 20.0);
        let block = rounded(&numbers);
        // 20 / 127 as f16, then the multiples: half is rounded away from nought.
        assert_eq!(block[..2], f16::from_f32(20.0 / 127.0).to_le_bytes());
        assert_eq!(
            block[2..5]
                .iter()
                .map(|&byte| byte as i8)
                .collect::<Vec<_>>(),
            [-127, -121, -114]
        );
        assert_eq!(
            block[2 + 20..],
            [0, 6, 13, 19, 25, 32, 38, 44, 51, 57, 64, 70].map(|n: i8| n as u8)
        );
        assert_eq!(rounded(&[0.0; BLOCK]), [0; BLOCK_BYTES]);
    }

    proptest! {
        #[test]
        fn each_number_is_less_than_a_step_away(numbers in prop::array::uniform32(-8.0_f32..8.0)) {
            let largest = numbers.iter().fold(0.0_f32, |most, n| most.max(n.abs()));
            // Half a step, and what rounding the scale to an f16 moves 127 of them.
            let allowed = largest / 127.0 * 0.5 + largest / 1_024.0;
            for (number, read) in numbers.iter().zip(read_back(&rounded(&numbers))) {
                prop_assert!((number - read).abs() <= allowed, "{number} became {read}");
            }
        }
    }
}
