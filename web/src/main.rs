//! The `otyrys` command.

use clap::Parser;
use otyrys_web::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().run()
}
