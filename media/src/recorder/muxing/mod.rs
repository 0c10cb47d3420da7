//! GStreamer in a process of its own.
//!
//! The muxer is C, and works on frames that strangers chose. It runs in a process that can do
//! nothing but mux ([`process`]): blocks come in on a Unix socket, bytes of files go out. The
//! server keeps each block until the bytes for it are there ([`link`]). When the process dies, all
//! that it had not answered is given to the next one, and goes on in new files.
//!
//! A block that killed it would kill the next one too. So what is given again is given alone, and
//! when the process dies of that, the block is known and left out.

mod link;
mod process;
mod sandbox;
mod wire;

pub(super) use link::{Lane, Link, Told};
pub use process::run_muxing;
pub(super) use wire::FileNumber;

use std::ffi::OsString;
use std::path::PathBuf;

/// How to start the process in which [`run_muxing`] runs.
#[derive(Debug, Clone)]
pub struct MuxingProgram {
    /// What to execute.
    pub path: PathBuf,
    /// With which arguments.
    pub arguments: Vec<OsString>,
}

impl MuxingProgram {
    /// This very program, also if its file has been replaced since it was started.
    #[must_use]
    pub fn this(arguments: &[&str]) -> Self {
        Self {
            path: PathBuf::from("/proc/self/exe"),
            arguments: arguments.iter().map(OsString::from).collect(),
        }
    }
}
