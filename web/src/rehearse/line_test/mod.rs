//! Line tests and load: people without a hearing, who send what a hearing would and measure what
//! comes.
//!
//! They use the server's own line tests (`POST /api/v1/line-tests`, docs/PROTOCOL.md): a room in
//! which everybody hears and sees everybody else, and somebody alone an echo. What they send has
//! the shape of sound and picture, at exactly the bitrate that was asked for, and carries in its
//! payload when it was sent and which number it has, so that delay and loss are known exactly for
//! everything that comes from this process.
//!
//! - [`SiteTest`]: can this line carry a hearing? A [`Verdict`] for the court's IT staff.
//! - [`LoadTest`]: so many hearings, people, bitrates, for so long.

mod frames;
mod histogram;
mod load;
mod meter;
mod site;
mod traffic;
mod verdict;
mod visitor;

#[cfg(test)]
mod tests;

pub use load::{LoadReport, LoadTest};
pub use site::SiteTest;
pub use verdict::{Checks, Direction, Fault, Verdict};
