//! CTranslate2 model folder -> ggml file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::f16;

use super::check::ModelInfo;
use super::ct2::Ct2Model;
use super::layout::{Sizes, TensorPlan};
use super::output::{self, WriteError, put};
use super::reader::{GGML_MAGIC, NumberKind};
use super::{ModelError, mel, vocabulary};

/// The ggml file type whose matrices are f16.
const FTYPE_F16: i32 = 1;

/// Converts a CTranslate2 Whisper model to the ggml file that whisper.cpp reads.
///
/// `source_dir` holds `model.bin` (float16 or float32) and `tokenizer.json`, or
/// `vocabulary.json`, or `vocabulary.txt`. From float16 the conversion loses nothing; float32
/// matrices are rounded to float16. The tensors are streamed: memory stays under 10 MB and the
/// vocabulary. `out` appears complete, checked and synced, or not at all; an older file there
/// is replaced. This reads and writes hundreds of megabytes: call it off the async threads.
///
/// # Errors
/// [`ModelError`] names the file and the part that is missing, cut or impossible.
pub fn import_ctranslate2(source_dir: &Path, out: &Path) -> Result<ModelInfo, ModelError> {
    let mut model = Ct2Model::open(&source_dir.join("model.bin"))?;
    if model.has_int8_weights() {
        return Err(ModelError::Quantised {
            path: source_dir.join("model.bin"),
        });
    }
    let sizes = sizes_of(&mut model)?;
    let tokens = vocabulary::read(source_dir, sizes.base_tokens())?;

    output::written(out, |file| write_model(&mut model, &sizes, &tokens, file))
}

fn sizes_of(model: &mut Ct2Model) -> Result<Sizes, ModelError> {
    let dims = |model: &Ct2Model, name: &str, at: usize| {
        let found = model.tensor(name)?.dims.get(at).copied();
        found.ok_or_else(|| {
            model
                .file
                .malformed(format!("{name} has too few dimensions"))
        })
    };
    let n_text_state = dims(model, "decoder/embeddings/weight", 1)?;
    let n_audio_state = dims(model, "encoder/position_encodings/encodings", 1)?;
    let sizes = Sizes {
        n_vocab: dims(model, "decoder/embeddings/weight", 0)?,
        n_audio_ctx: dims(model, "encoder/position_encodings/encodings", 0)?,
        n_audio_state,
        // Older files do not say: every published Whisper has heads of 64.
        n_audio_head: model
            .scalar("encoder/num_heads")?
            .unwrap_or(n_audio_state / 64),
        n_audio_layer: model.layers("encoder"),
        n_text_ctx: dims(model, "decoder/position_encodings/encodings", 0)?,
        n_text_state,
        n_text_head: model
            .scalar("decoder/num_heads")?
            .unwrap_or(n_text_state / 64),
        n_text_layer: model.layers("decoder"),
        n_mels: dims(model, "encoder/conv1/weight", 1)?,
    };
    match sizes.fault() {
        Some(fault) => Err(model.file.malformed(fault)),
        None => Ok(sizes),
    }
}

fn write_model(
    model: &mut Ct2Model,
    sizes: &Sizes,
    tokens: &[Vec<u8>],
    file: &mut File,
) -> Result<(), WriteError> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&GGML_MAGIC.to_le_bytes())?;
    for size in [
        sizes.n_vocab,
        sizes.n_audio_ctx,
        sizes.n_audio_state,
        sizes.n_audio_head,
        sizes.n_audio_layer,
        sizes.n_text_ctx,
        sizes.n_text_state,
        sizes.n_text_head,
        sizes.n_text_layer,
        sizes.n_mels,
    ] {
        put(&mut out, size)?;
    }
    out.write_all(&FTYPE_F16.to_le_bytes())?;

    put(&mut out, sizes.n_mels)?;
    put(&mut out, mel::N_BINS)?;
    for weight in mel::filter_bank(sizes.n_mels) {
        out.write_all(&weight.to_le_bytes())?;
    }

    put(&mut out, tokens.len())?;
    for token in tokens {
        put(&mut out, token.len())?;
        out.write_all(token)?;
    }

    for tensor in sizes.tensors() {
        write_tensor(model, &tensor, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn write_tensor(
    model: &mut Ct2Model,
    plan: &TensorPlan,
    out: &mut impl Write,
) -> Result<(), WriteError> {
    let found: usize = model.tensor(&plan.source)?.dims.iter().product();
    let fused = plan.rows.is_some();
    if (!fused && found != plan.elements()) || (fused && found < plan.elements()) {
        let what = format!("{} has {found} numbers", plan.source);
        return Err(model.file.malformed(what).into());
    }
    if let Some(bias) = &plan.absent_bias {
        let mut zero = true;
        model.read_rows(bias, plan.rows.as_ref(), |numbers| {
            zero &= numbers.iter().all(|&n| n == 0.0);
            Ok::<_, ModelError>(())
        })?;
        if !zero {
            let what = format!("{bias}: a bias of keys that is not zero");
            return Err(model.file.malformed(what).into());
        }
    }
    let kind = match plan.half {
        true => NumberKind::F16,
        false => NumberKind::F32,
    };
    output::tensor_head(out, &plan.name, &plan.shape, kind)?;

    let mut written = 0;
    let mut bytes = Vec::new();
    model.read_rows(&plan.source, plan.rows.as_ref(), |numbers| {
        bytes.clear();
        if plan.half {
            bytes.extend(numbers.iter().flat_map(|&n| f16::from_f32(n).to_le_bytes()));
        } else {
            bytes.extend(numbers.iter().flat_map(|&n| n.to_le_bytes()));
        }
        written += numbers.len();
        out.write_all(&bytes).map_err(WriteError::from)
    })?;
    if written != plan.elements() {
        let what = format!("{} has {written} numbers", plan.source);
        return Err(model.file.malformed(what).into());
    }
    Ok(())
}
