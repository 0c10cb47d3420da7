//! A model for sound that is never longer than our utterances.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;

use super::ModelError;
use super::output::{self, WriteError};
use super::reader::{AUDIO_CTX_AT, Reader};

/// Where a sound of 20 ms stands in the encoder's window.
const POSITIONS: &str = "encoder.positional_embedding";

/// Gives `read` the name of a file that holds a ggml model with the first `audio_ctx` positions of its
/// encoder's window (20 ms each; Whisper has 1,500). It says the same of sound that fits: each position
/// has its own numbers, and nothing else depends on how many there are. whisper.cpp keeps room for
/// sound by the length that the model names.
///
/// The file is a pipe, which a thread fills from `source`: it can be read once, from front to back, and
/// no second copy of the model lies in memory or on the disk.
///
/// # Errors
/// [`ModelError`] names the part of `source` that is cut or impossible, or says why it cannot be read.
pub(crate) fn read_cropped<T>(
    source: &Path,
    audio_ctx: usize,
    read: impl FnOnce(&str) -> T,
) -> Result<T, ModelError> {
    let (from, to) = io::pipe().map_err(ModelError::io(source))?;
    thread::scope(|threads| {
        let writer = threads.spawn(move || write(source, audio_ctx, BufWriter::new(to)));
        let what = read(&format!("/proc/self/fd/{}", from.as_raw_fd()));
        // A reader that has given up leaves the writer nobody to write for.
        drop(from);
        match writer.join() {
            Ok(Err(WriteError::Model(error))) => Err(error),
            Ok(Err(WriteError::Write(error))) if error.kind() != ErrorKind::BrokenPipe => {
                Err(ModelError::io(source)(error))
            }
            Ok(_) => Ok(what),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn write(source: &Path, audio_ctx: usize, mut out: impl Write) -> Result<(), WriteError> {
    let (mut reader, sizes) = Reader::open(source)?;
    let kept = audio_ctx.min(sizes.n_audio_ctx);
    let mut head = reader.head()?;
    let number = i32::try_from(kept).map_err(io::Error::other)?;
    head[AUDIO_CTX_AT..AUDIO_CTX_AT + 4].copy_from_slice(&number.to_le_bytes());
    out.write_all(&head)?;
    reader.tensors(&sizes, |reader, stored| -> Result<(), WriteError> {
        let name = &stored.plan.name;
        let mut shape = stored.plan.shape.clone();
        let mut bytes = stored.bytes();
        if name == POSITIONS {
            shape[0] = kept;
            bytes = bytes / sizes.n_audio_ctx as u64 * kept as u64;
        }
        output::tensor_head(&mut out, name, &shape, stored.kind)?;
        reader.file.copy(bytes, name, &mut out)?;
        Ok(reader.file.skip(stored.bytes() - bytes, name)?)
    })?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;

    use super::*;
    use crate::models::{ModelName, check, fetched};

    fn bytes(source: &Path, audio_ctx: usize) -> Result<Vec<u8>, ModelError> {
        read_cropped(source, audio_ctx, |name| fs::read(name).unwrap())
    }

    #[test]
    fn it_is_a_whole_model_with_fewer_positions() {
        let source = fetched(ModelName::Base);
        let whole = fs::read(&source).unwrap();
        assert!(bytes(&source, 1_500).unwrap() == whole);
        assert!(bytes(&source, 2_000).unwrap() == whole, "there are no more");

        let cropped = tempfile::NamedTempFile::new().unwrap();
        fs::write(cropped.path(), bytes(&source, 832).unwrap()).unwrap();
        let info = check(cropped.path()).unwrap();
        // Each position has 512 numbers of four bytes.
        assert_eq!(info.size, whole.len() as u64 - (1_500 - 832) * 512 * 4);
        let again = bytes(cropped.path(), 832).unwrap();
        assert!(again == fs::read(cropped.path()).unwrap());
    }

    #[test]
    fn who_gives_up_reading_ends_it() {
        let mut beginning = [0; 4];
        let read = read_cropped(&fetched(ModelName::Base), 832, |name| {
            File::open(name)
                .unwrap()
                .read_exact(&mut beginning)
                .unwrap();
        });
        assert!(read.is_ok(), "{read:?}");
        assert_eq!(&beginning, b"lmgg");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_told_whoever_reads() {
        let cut = tempfile::NamedTempFile::new().unwrap();
        let whole = fs::read(fetched(ModelName::Base)).unwrap();
        fs::write(cut.path(), &whole[..2_000_000]).unwrap();
        let error = bytes(cut.path(), 832).unwrap_err();
        assert!(matches!(error, ModelError::Cut { .. }), "{error}");
        let error = bytes(Path::new("/nowhere"), 832).unwrap_err();
        assert!(matches!(error, ModelError::Io { .. }), "{error}");
    }
}
