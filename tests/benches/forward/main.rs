//! `make bench-forward`: what it costs to forward a packet, here and in Janus.
//!
//! Both servers are child processes, fed and read by the same load process (this one), which
//! speaks real ICE, DTLS and SRTP. The servers take turns, and each figure is the median of some
//! rounds, because the machine is shared. The last line is
//! `forward: ours=X us janus=Y us ratio=Z`.

#![expect(clippy::print_stdout, reason = "a program whose output is its report")]

mod case;
mod client;
mod janus;
mod load;
mod machine;
mod mark;
mod otyrys;
mod plan;
mod process;
mod report;
mod sender;
mod server;
mod shard_process;
mod tally;

use clap::Parser;
use std::error::Error;

/// What ends a bench: there is nothing that it could do about any of it but say so.
type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    if std::env::args().nth(1).as_deref() == Some(shard_process::ARGUMENT) {
        return shard_process::run();
    }
    plan::run(&plan::Options::parse())
}
