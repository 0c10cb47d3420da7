//! The otyrys server: HTTP and WebSocket edge, jobs, and the composition of everything else.
//!
//! What this crate is not: it has no rule of a hearing (`otyrys-signaling`), forwards no packet
//! (`otyrys-media`), recognises nothing (`otyrys-transcribe`) and has no format of its own on disk
//! (`otyrys-storage`). It connects them:
//!
//! - [`edge`]: requests and sockets; [`hub`]: one task for each live hearing.
//! - `recording`, `draft`: from the media core's taps to files, from files to lines.
//! - `playback`: the record as it is listened to; `playable`: also where a piece of it is damaged.
//! - `jobs`, `closing`, [`registry`], `spent_copies`: what happens after closing.
//! - `attesting`: who vouches for a record; [`witness`]: vouching for those of others.
//! - `reconciliation`: at the end of the day, what was held against what there is.
//! - [`protocol`]: the draft protocol as HTML, DOCX and JSON.
//! - [`bad_line`]: loss, delay and cuts that can be repeated.
//! - [`rehearse`]: native participants; [`demo_run`]: a whole hearing unattended.
//! - [`serve`]: starts and stops all of it; [`cli`]: the command line.

mod attesting;
pub mod bad_line;
mod bounded_body;
pub mod cli;
mod closing;
pub mod config;
pub mod demo;
pub mod demo_run;
mod draft;
pub mod edge;
pub mod export_command;
mod handout;
pub mod hub;
mod jobs;
pub mod links;
pub mod log;
mod metrics;
pub mod model_command;
mod playable;
mod playback;
pub mod protocol;
pub mod reconcile_command;
mod reconciliation;
mod record_health;
mod recording;
pub mod registry;
pub mod rehearse;
mod resume;
pub mod retention_command;
pub mod room_file;
pub mod secrets;
pub mod serve;
mod spent_copies;
mod steady_clock;
pub mod stores;
#[cfg(test)]
mod test_court;
pub mod tls;
pub mod turn;
pub mod verify_command;
pub mod witness;
