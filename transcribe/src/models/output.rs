//! Writes a ggml file so that it is there whole and checked, or not at all.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::ModelError;
use super::check::{self, ModelInfo};
use super::reader::NumberKind;

/// What goes wrong while a model is written.
pub(super) enum WriteError {
    /// Knows no path: that of the result is given to it.
    Write(std::io::Error),
    Model(ModelError),
}

impl From<std::io::Error> for WriteError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ModelError> for WriteError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

/// Has `write` write a model, checks it, and puts it in the place of `out`; its folder is made.
pub(super) fn written(
    out: &Path,
    write: impl FnOnce(&mut File) -> Result<(), WriteError>,
) -> Result<ModelInfo, ModelError> {
    let folder = match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(ModelError::io(folder))?;
    // Read by the service's user too, not only by the one who writes.
    let mut temporary = tempfile::Builder::new()
        .prefix(".model-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(ModelError::io(folder))?;
    write(temporary.as_file_mut()).map_err(|error| match error {
        WriteError::Write(source) => ModelError::io(out)(source),
        WriteError::Model(error) => error,
    })?;
    temporary
        .as_file()
        .sync_all()
        .map_err(ModelError::io(out))?;
    let info = check::check(temporary.path())?;
    temporary
        .persist(out)
        .map_err(|error| ModelError::io(out)(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(ModelError::io(folder))?;
    Ok(info)
}

/// What stands before the numbers of a tensor.
pub(super) fn tensor_head(
    out: &mut impl Write,
    name: &str,
    shape: &[usize],
    kind: NumberKind,
) -> std::io::Result<()> {
    put(out, shape.len())?;
    put(out, name.len())?;
    put(out, kind.number)?;
    for &dim in shape.iter().rev() {
        put(out, dim)?;
    }
    out.write_all(name.as_bytes())
}

/// Sizes are bounded by [`Sizes::fault`] and lengths by the vocabulary's file, far under 2^31.
pub(super) fn put(out: &mut impl Write, value: usize) -> std::io::Result<()> {
    let value = i32::try_from(value).map_err(std::io::Error::other)?;
    out.write_all(&value.to_le_bytes())
}
