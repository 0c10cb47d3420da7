//! Fuzz targets: everything here that takes what strangers send, and the sequences of what can
//! happen to a [`Core`](crate::Core). They lie in the crate because they reach what it hides;
//! `tests/fuzz` runs them and keeps their corpus.
//!
//! A target returns when all is well and panics when an invariant does not hold.

mod commands;
mod datagrams;
mod open_dtls;
mod open_srtp;
mod payloads;
mod peer;
mod sections;
mod world;

/// One fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in the corpus.
    pub name: &'static str,
    /// The body.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "demux",
        run: crate::core::fuzz::demux,
    },
    Target {
        name: "rewriter",
        run: crate::core::fuzz::rewriter,
    },
    Target {
        name: "feedback",
        run: crate::core::fuzz::feedback,
    },
    Target {
        name: "payloads",
        run: payloads::run,
    },
    Target {
        name: "recorder",
        run: crate::recorder::fuzz::run,
    },
    Target {
        name: "sections",
        run: sections::run,
    },
    Target {
        name: "datagrams",
        run: datagrams::run,
    },
    Target {
        name: "commands",
        run: commands::run,
    },
];
