//! A day as it is reported: for programs as it stands here, for people by [`Words`](super::Words).

use super::{
    facts::{BundleFacts, DayFacts, HearingFacts},
    mismatch::{Kind, Mismatch},
    rules::judge,
};
use crate::{config::Config, metrics::MismatchFigures, protocol::CourtTime};
use jiff::{Timestamp, civil::Date};
use otyrys_signaling::HearingState;
use otyrys_storage::{
    DeliveryState,
    ids::{HearingId, ParticipantId},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The form of the JSON report.
const FORMAT: &str = "otyrys-reconciliation/1";

/// A day, and what does not match. Serialized, it is what `otyrys reconcile --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    format: &'static str,
    pub(crate) date: Date,
    pub(crate) checked_at: Timestamp,
    /// Nothing was found.
    pub(crate) matches: bool,
    pub(crate) hearings: Vec<HearingReport>,
    /// What belongs to no hearing.
    pub(crate) others: Vec<Mismatch>,
}

/// A hearing in the report.
#[derive(Debug, Serialize)]
pub(crate) struct HearingReport {
    pub(crate) hearing: HearingId,
    pub(crate) case_number: String,
    pub(crate) courtroom: String,
    pub(crate) scheduled_at: CourtTime,
    pub(crate) opened_at: Option<CourtTime>,
    pub(crate) closed_at: Option<CourtTime>,
    pub(crate) state: Option<HearingState>,
    pub(crate) on_record_ms: u64,
    /// Faults of the record that the bench was told.
    pub(crate) record_faults: usize,
    /// Files of the record.
    pub(crate) files: usize,
    pub(crate) sealed: bool,
    /// Lines of the draft.
    pub(crate) draft_lines: usize,
    /// Where the delivery stands, and since when.
    pub(crate) delivery: Option<&'static str>,
    pub(crate) delivery_since: Option<CourtTime>,
    pub(crate) mismatches: Vec<Mismatch>,
    /// Of the people, for people: programs get ids.
    #[serde(skip)]
    pub(crate) names: BTreeMap<ParticipantId, String>,
}

/// Judges a day.
pub(crate) fn report(date: Date, facts: &DayFacts, config: &Config) -> Report {
    let hearings: Vec<HearingReport> = facts
        .hearings
        .iter()
        .map(|hearing| of_hearing(hearing, judge(hearing, facts.at, config.draft.enabled)))
        .collect();
    let others: Vec<Mismatch> = facts
        .strangers
        .iter()
        .map(|folder| Mismatch::because(Kind::UnknownFolder, folder))
        .collect();
    Report {
        format: FORMAT,
        date,
        checked_at: facts.at,
        matches: others.is_empty() && hearings.iter().all(|h| h.mismatches.is_empty()),
        hearings,
        others,
    }
}

impl Report {
    /// Tells it to those who watch this server: metrics and log.
    pub(crate) fn tell_operators(&self, figures: &MismatchFigures) {
        let of_hearings = || self.hearings.iter().flat_map(|hearing| &hearing.mismatches);
        figures.found(Kind::ALL.into_iter().map(|kind| {
            let all = of_hearings().chain(&self.others);
            (kind.name(), all.filter(|found| found.kind == kind).count())
        }));
        for hearing in &self.hearings {
            for found in &hearing.mismatches {
                tracing::error!(hearing.id = %hearing.hearing, kind = found.kind.name(), segment.id = found.segment.map(tracing::field::display), from_ms = found.from_ms, to_ms = found.to_ms, "the end of the day: something does not match");
            }
        }
        for found in &self.others {
            tracing::error!(
                kind = found.kind.name(),
                detail = found.detail,
                "the end of the day: something does not match"
            );
        }
        tracing::info!(day = %self.date, hearings = self.hearings.len(), matches = self.matches, "the day was reconciled");
    }
}

fn of_hearing(facts: &HearingFacts, mismatches: Vec<Mismatch>) -> HearingReport {
    let court_time = |at: Timestamp| CourtTime::new(at, facts.offset);
    let course = facts.course.as_ref().ok();
    HearingReport {
        hearing: facts.id,
        case_number: facts.case_number.clone(),
        courtroom: facts.courtroom.clone(),
        scheduled_at: court_time(facts.scheduled_at),
        opened_at: course.and_then(|course| course.opened_at).map(court_time),
        closed_at: course.and_then(|course| course.closed_at).map(court_time),
        state: course.map(|course| course.state),
        on_record_ms: course.map_or(0, |course| course.on_record_ms),
        record_faults: course.map_or(0, |course| course.faults),
        files: facts.files.as_ref().map_or(0, Vec::len),
        sealed: matches!(facts.bundle, BundleFacts::Holds(_)),
        draft_lines: facts.lines,
        delivery: facts
            .delivery
            .as_ref()
            .map(|delivery| match delivery.state {
                DeliveryState::Pending => "pending",
                DeliveryState::Sent => "sent",
                DeliveryState::Acknowledged { .. } => "acknowledged",
                DeliveryState::Rejected { .. } => "rejected",
            }),
        delivery_since: facts.delivery.as_ref().map(|d| court_time(d.changed_at)),
        mismatches,
        names: course.map_or_else(BTreeMap::new, |course| course.names.clone()),
    }
}
