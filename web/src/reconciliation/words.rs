//! The report of a day in the languages of the courts, for whoever ends the day.

mod en;
mod kk;
mod ru;

use super::{
    mismatch::{Kind, Mismatch},
    report::{HearingReport, Report},
};
use crate::protocol::{CourtTime, record_clock, wording::wording};
use otyrys_signaling::Language;
use std::fmt::Write;

/// The words of one language.
pub(crate) struct Words {
    language: Language,
    title: &'static str,
    hearings: &'static str,
    no_hearings: &'static str,
    all_match: &'static str,
    some_do_not: &'static str,
    held: &'static str,
    not_yet: &'static str,
    on_record: &'static str,
    faults: &'static str,
    record: &'static str,
    files: &'static str,
    sealed: &'static str,
    not_sealed: &'static str,
    draft: &'static str,
    lines: &'static str,
    delivery: &'static str,
    /// Pending, sent, acknowledged, rejected.
    deliveries: [&'static str; 4],
    none: &'static str,
    since: &'static str,
    to_do: &'static str,
    others: &'static str,
    /// In the order of [`Kind::ALL`]: what it is, and what to do.
    kinds: [(&'static str, &'static str); Kind::ALL.len()],
}

impl Words {
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::Kk => &kk::WORDS,
            Language::Ru => &ru::WORDS,
            Language::En => &en::WORDS,
        }
    }

    /// The report as it is printed.
    pub(crate) fn report(&self, report: &Report) -> String {
        let mut text = format!("{}: {}\n", self.title, report.date);
        for hearing in &report.hearings {
            self.hearing(&mut text, hearing);
        }
        if report.hearings.is_empty() {
            line(&mut text, self.no_hearings);
        }
        if !report.others.is_empty() {
            let _ = write!(text, "\n{}\n", self.others);
            self.mismatches(&mut text, &report.others, None);
        }
        let of_hearings = report.hearings.iter().map(|h| h.mismatches.len());
        let count = of_hearings.sum::<usize>() + report.others.len();
        let _ = write!(text, "\n{}: {}. ", self.hearings, report.hearings.len());
        match report.matches {
            true => text.push_str(self.all_match),
            false => {
                let _ = write!(text, "{}: {count}.", self.some_do_not);
            }
        }
        text
    }

    fn hearing(&self, text: &mut String, hearing: &HearingReport) {
        let HearingReport {
            case_number,
            courtroom,
            ..
        } = hearing;
        let scheduled = time(&hearing.scheduled_at);
        let _ = write!(
            text,
            "\n{case_number}, {courtroom}, {scheduled} ({})\n",
            hearing.hearing
        );
        let mut fact = |label: &str, value: String| {
            // Padded by letters, not by octets.
            let gap = 18_usize.saturating_sub(label.chars().count());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {label}{:gap$}{value}", "");
        };
        let at = |moment: &Option<CourtTime>| moment.as_ref().map_or(self.not_yet.to_owned(), time);
        let mut held = format!(
            "{} – {}, {} {}",
            at(&hearing.opened_at),
            at(&hearing.closed_at),
            self.on_record,
            clock(hearing.on_record_ms)
        );
        if hearing.record_faults > 0 {
            let _ = write!(held, ", {}: {}", self.faults, hearing.record_faults);
        }
        fact(self.held, held);
        let sealed = match hearing.sealed {
            true => self.sealed,
            false => self.not_sealed,
        };
        fact(
            self.record,
            format!("{}: {}, {sealed}", self.files, hearing.files),
        );
        fact(
            self.draft,
            format!("{}: {}", self.lines, hearing.draft_lines),
        );
        let delivery = hearing
            .delivery
            .map_or(self.none, |state| self.delivery_state(state));
        let since = hearing
            .delivery_since
            .as_ref()
            .map(time)
            .unwrap_or_default();
        fact(
            self.delivery,
            format!("{delivery} {since}").trim_end().to_owned(),
        );
        self.mismatches(text, &hearing.mismatches, Some(hearing));
    }

    fn delivery_state(&self, state: &str) -> &'static str {
        let [pending, sent, acknowledged, rejected] = self.deliveries;
        match state {
            "sent" => sent,
            "acknowledged" => acknowledged,
            "rejected" => rejected,
            _ => pending,
        }
    }

    fn mismatches(&self, text: &mut String, all: &[Mismatch], of: Option<&HearingReport>) {
        for found in all {
            let (what, to_do) = self.kinds[found.kind as usize];
            let mut details = Vec::new();
            if let Some(track) = &found.track {
                let name = of.and_then(|hearing| hearing.names.get(&track.participant));
                details.push(
                    name.cloned()
                        .unwrap_or_else(|| track.participant.to_string()),
                );
                details.push(wording(self.language).source(track.source).to_owned());
            }
            if let (Some(from_ms), Some(to_ms)) = (found.from_ms, found.to_ms) {
                details.push(format!("{} – {}", clock(from_ms), clock(to_ms)));
            }
            if let (Some(since), Some(hearing)) = (found.since, of) {
                let since = hearing.scheduled_at.at_same_clock(since);
                details.push(format!("{} {}", self.since, time(&since)));
            }
            details.extend(found.segment.map(|segment| segment.to_string()));
            details.extend(found.detail.clone());
            let details = match details.is_empty() {
                true => String::new(),
                false => format!(" ({})", details.join(", ")),
            };
            let _ = write!(text, "  ! {what}{details}\n    {}: {to_do}\n", self.to_do);
        }
    }
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

/// Date and time on the court's clock, to the minute.
fn time(at: &CourtTime) -> String {
    at.local().strftime("%Y-%m-%d %H:%M").to_string()
}

fn clock(ms: u64) -> String {
    record_clock(u32::try_from(ms).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_language_has_its_own_words_for_every_kind_and_what_to_do() {
        let mut all = BTreeSet::new();
        for language in [Language::Kk, Language::Ru, Language::En] {
            for (what, to_do) in Words::of(language).kinds {
                assert!(all.insert(what), "twice: {what}");
                let cyrillic =
                    |text: &str| text.chars().any(|c| ('\u{400}'..='\u{4ff}').contains(&c));
                for text in [what, to_do] {
                    assert_eq!(cyrillic(text), language != Language::En, "{text}");
                }
            }
        }
    }
}
