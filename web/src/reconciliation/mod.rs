//! The end of the day: what was held against what there is of it, and what does not match.
//!
//! [`gather`] looks and judges nothing; [`report`] judges and looks at nothing.

mod expected_record;
mod facts;
mod gathering;
mod mismatch;
mod report;
mod rules;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use gathering::gather;
pub(crate) use report::report;
pub(crate) use words::Words;
