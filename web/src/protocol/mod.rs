//! The draft protocol of a hearing (сот отырысы хаттамасының жобасы, проект протокола судебного
//! заседания): what the machine puts down for the clerk, as data, as a page and as a Word file.
//!
//! [`ProtocolDocument`] is the data; `protocol.json` in a package is exactly its JSON. The page
//! and the Word file say the same in the hearing's language: both are renderings of one sheet,
//! whose words come from [`wording`] and from nowhere else. What is written here is a draft
//! without legal force until a judge has signed a protocol; every rendering says so.

mod document;
mod docx;
mod page;
mod sheet;
#[cfg(test)]
mod tests;
mod time;
pub mod wording;

pub use document::{
    DamagedPiece, DraftText, EditedText, HearingFacts, Interpreted, Means, Person,
    ProtocolDocument, RecordFile, SpokenWord, StageMark, WrittenWords,
};
pub use time::CourtTime;
pub(crate) use time::record_clock;

/// Why a protocol could not be rendered. Each is a fault of the server, none of the hearing.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The data did not become JSON.
    #[error("the protocol did not become JSON")]
    Json(#[from] serde_json::Error),
    /// The data did not become a page.
    #[error("the protocol did not become a page")]
    Page(#[from] askama::Error),
    /// The data did not become a Word file.
    #[error("the protocol did not become a Word file: {0}")]
    Docx(String),
    /// A time is not RFC 3339 with an offset.
    #[error("not a time with an offset (RFC 3339): {0}")]
    Time(#[source] jiff::Error),
}
