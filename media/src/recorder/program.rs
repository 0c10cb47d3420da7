//! The processes beside the server, in which GStreamer works on what strangers sent.
//!
//! Each is this program again. It is told by its environment what it is there for, loads the
//! plugins for that, gives up every right that it does not need ([`sandbox`](super::sandbox)), and
//! answers what comes over its standard input, a Unix socket, until the server closes it.

use super::{RecorderError, checking, muxing, sandbox};
use bytes::BytesMut;
use gstreamer as gst;
use gstreamer::glib;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Tells a process what it is there for.
const TASK: &str = "OTYRYS_TASK";
/// Names the files of the plugins that it needs, as `PATH` names folders.
const PLUGINS: &str = "OTYRYS_PLUGINS";
/// Read at once: some dozens of pictures.
const READ: usize = 256 << 10;

/// How to start a process in which [`run_recorder_process`] runs.
#[derive(Debug, Clone)]
pub struct RecorderProgram {
    /// What to execute.
    pub path: PathBuf,
    /// With which arguments.
    pub arguments: Vec<OsString>,
}

/// What a process is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Muxing,
    Checking,
}

impl Task {
    const ALL: [Self; 2] = [Self::Muxing, Self::Checking];

    fn name(self) -> &'static str {
        match self {
            Self::Muxing => "muxing",
            Self::Checking => "checking",
        }
    }
}

impl RecorderProgram {
    /// This very program, also if its file has been replaced since it was started.
    #[must_use]
    pub fn this(arguments: &[&str]) -> Self {
        Self {
            path: PathBuf::from("/proc/self/exe"),
            arguments: arguments.iter().map(OsString::from).collect(),
        }
    }

    /// How it is started: it looks for no plugin, and knows nothing of the server's environment
    /// (secrets, too) but a library path, for those who run from a folder of their own.
    pub(crate) fn command(&self) -> std::process::Command {
        let library_path = std::env::var_os("LD_LIBRARY_PATH");
        let mut command = std::process::Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(library_path.map(|path| ("LD_LIBRARY_PATH", path)))
            .env("GST_PLUGIN_SYSTEM_PATH_1_0", "")
            .env("GST_REGISTRY_1_0", "/dev/null")
            .env("GST_REGISTRY_UPDATE", "no");
        command
    }

    /// Starts a process; it is killed when the child is dropped. The socket is the way to it.
    pub(super) fn start(
        &self,
        task: Task,
        plugins: &[PathBuf],
    ) -> io::Result<(Child, tokio::net::UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::from(self.command())
            .env(TASK, task.name())
            .env(
                PLUGINS,
                std::env::join_paths(plugins).map_err(io::Error::other)?,
            )
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok((child, tokio::net::UnixStream::from_std(ours)?))
    }
}

/// Does what the server started this process for, until the server closes its standard input, a
/// Unix socket. Gives up every right that it does not need for that.
///
/// # Errors
/// [`RecorderError::GStreamer`] or [`RecorderError::MissingElement`] if this machine cannot do it;
/// [`RecorderError::Io`] when it was not started by a server, when the server is gone, and for what
/// no server says.
pub fn run_recorder_process() -> Result<(), RecorderError> {
    let task = std::env::var(TASK).ok();
    let task = Task::ALL
        .into_iter()
        .find(|one| task.as_deref() == Some(one.name()));
    let task =
        task.ok_or_else(|| io::Error::other("otyrys recorder is started by otyrys serve"))?;
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    gst::init()?;
    load_plugins()?;
    sandbox::enter()?;
    match task {
        Task::Muxing => muxing::serve(socket),
        Task::Checking => checking::serve(socket),
    }
    .map_err(RecorderError::Io)
}

/// Loads the plugins that were named and nothing else: looking through all plugins of the machine
/// takes a second where nobody may keep what was found.
fn load_plugins() -> Result<(), glib::Error> {
    let paths = std::env::var_os(PLUGINS).unwrap_or_default();
    for path in std::env::split_paths(&paths) {
        gst::Plugin::load_file(path)?;
    }
    Ok(())
}

/// Reads messages and writes answers until the other end is closed. `take` answers the first
/// message in the bytes and says how long it is; nothing while it is not whole.
pub(super) fn answer(
    mut socket: UnixStream,
    mut take: impl FnMut(&[u8], &mut BytesMut) -> io::Result<Option<usize>>,
) -> io::Result<()> {
    let mut output = BytesMut::new();
    let mut input = vec![0; READ];
    // So much of it is filled.
    let mut held = 0;
    loop {
        let mut done = 0;
        while let Some(length) = take(&input[done..held], &mut output)? {
            done += length;
        }
        input.copy_within(done..held, 0);
        held -= done;
        socket.write_all(&output)?;
        output.clear();
        if held == input.len() {
            // A message that is longer than all before it.
            input.resize(2 * held, 0);
        }
        let more = loop {
            match socket.read(&mut input[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        held += more;
        if more == 0 {
            return Ok(());
        }
    }
}
