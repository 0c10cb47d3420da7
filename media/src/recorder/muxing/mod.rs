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
mod messages;
mod process;

pub(super) use link::{Lane, Link, Told};
pub(super) use messages::FileNumber;
#[cfg(test)]
pub(super) use messages::{Answer, Order, Piece};
pub(super) use process::serve;
