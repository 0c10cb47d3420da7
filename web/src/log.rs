//! The log: what an operator reads, never what people said or who they are.

use crate::config::LogConfig;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. A filter that cannot be parsed falls back to `info`.
pub fn init(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second initialisation happens only in tests, where the first one serves as well.
    let _already = if config.json {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
}
