//! Speech recognition: a growing recording of one speaker in, lines of text with times out.
//!
//! It is: model files ([`models`]), a decoder that follows a file while it is written
//! ([`decode`]), speech detection and cutting ([`segments`]), whisper on worker threads
//! ([`recogniser`]), what of its guesses stays ([`agreement`]), numbers, dates and articles as a protocol writes them ([`mod@written`]), the
//! court's dictionary ([`corrections`]), what it can learn of a person's corrections ([`learning`]), which
//! language a speaker speaks ([`language_choice`]), the measure of how good the result is ([`mod@wer`]), and how loud a recording is
//! ([`mod@loudness`]).
//!
//! It is not: it knows no hearings, people, rights, HTTP or SQL. It does not say who speaks;
//! a feed is one authenticated track, and whoever opens it knows whose. It never hears live
//! sound, only what was recorded.
//!
//! Main types: [`Recogniser`], [`Feed`], [`Line`], [`RecogniserEvent`]; [`ModelName`] and
//! [`ModelInfo`].
//!
//! One rule for the process that hosts it: start it with the environment variable
//! `OPENBLAS_NUM_THREADS=1`. OpenBLAS reads it when the program is loaded, before `main`, and
//! else keeps a thread for each core. Without it results are the same: ggml asks OpenBLAS for
//! one thread before each product, so the others only sleep.

pub mod agreement;
pub mod corrections;
pub mod decode;
pub mod language_choice;
pub mod learning;
pub mod loudness;
pub mod models;
pub mod recogniser;
pub mod rewriting;
pub mod segments;
pub mod wer;
pub mod written;

pub use agreement::Agreement;
pub use corrections::{Correction, CorrectionError, Corrections};
pub use language_choice::LanguageChoice;
pub use learning::{Lesson, lessons};
pub use loudness::loudness;
pub use models::{ModelError, ModelInfo, ModelName};
pub use recogniser::{
    Doubt, Feed, FeedId, FeedInfo, Guess, Language, Line, Recogniser, RecogniserConfig,
    RecogniserError, RecogniserEvent, Word,
};
pub use rewriting::{Change, Rewriting, RewrittenWords};
pub use wer::wer;
pub use written::written;
