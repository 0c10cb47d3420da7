use std::time::Duration;

/// What can go wrong when the recorder is started or driven, or when a record is made
/// ready for playback.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// GStreamer itself did not start; nothing can be recorded on this machine.
    #[error("GStreamer does not start: {0}")]
    GStreamer(#[from] gstreamer::glib::Error),
    /// An element is not installed; installing the named Debian package cures it.
    #[error("GStreamer element `{element}` is missing: install the package {package}")]
    MissingElement {
        /// The element as `gst-inspect-1.0` knows it.
        element: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The operating system gave no thread.
    #[error("cannot start a recorder thread: {0}")]
    Thread(#[source] std::io::Error),
    /// GStreamer's own process does not start or cannot mux.
    #[error("the muxing process does not work: {0}")]
    Muxing(#[source] std::io::Error),
    /// The queue is full: the command or packet was not taken. The record has a hole; the
    /// caller tells the bench and, for a command, may try again.
    #[error("the recorder is behind: its queue is full")]
    Behind,
    /// The recorder has been shut down, or its thread has ended.
    #[error("the recorder has stopped")]
    Stopped,
    /// A record could not be remuxed; the recorded file itself is untouched.
    #[error("cannot make a record seekable: {0}")]
    Remux(String),
    /// Remuxing stopped making progress.
    #[error("remuxing made no progress for {0:?}")]
    RemuxStalled(Duration),
    /// Reading the record or writing the seekable copy failed.
    #[error("cannot read or write a record: {0}")]
    Io(#[from] std::io::Error),
}
