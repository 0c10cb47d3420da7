//! The words of the protocol in the three languages of the courts.
//!
//! One [`Wording`] for each language; the type makes a missing word a compile error, and a test
//! holds that none is empty, borrowed from another language or left in the wrong alphabet.
//! The terms follow the Civil and Criminal Procedure Codes of the Republic of Kazakhstan in their
//! two official languages.

mod en;
mod kk;
mod ru;

use otyrys_signaling::{Language, Place, Role, Stage, TrackSource};
use serde::Serialize;

/// The words for a protocol in this language.
#[must_use]
pub fn wording(language: Language) -> &'static Wording {
    match language {
        Language::Kk => &kk::WORDING,
        Language::Ru => &ru::WORDING,
        Language::En => &en::WORDING,
    }
}

/// All words of a protocol in one language.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct Wording {
    pub title: &'static str,
    pub draft_notice: &'static str,
    pub brief: Brief,
    pub facts: Facts,
    pub columns: Columns,
    pub means: MeansWords,
    pub course: Course,
    pub remarks_heading: &'static str,
    pub roles: Roles,
    pub places: Places,
    pub sources: Sources,
    pub stages: Stages,
    pub date: DateWords,
}

/// Headings of the brief protocol, and what stands under them when there is nothing.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct Brief {
    pub heading: &'static str,
    pub composition: &'static str,
    pub present: &'static str,
    pub absent: &'static str,
    pub nobody: &'static str,
    pub stages: &'static str,
    pub no_stages: &'static str,
    pub means: &'static str,
    pub files: &'static str,
    pub no_files: &'static str,
    pub damaged: &'static str,
    pub unplayable: &'static str,
}

/// Labels of the facts about the hearing.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct Facts {
    pub court: &'static str,
    pub courtroom: &'static str,
    pub case_number: &'static str,
    pub case_title: &'static str,
    pub language: &'static str,
    pub language_name: &'static str,
    pub opened: &'static str,
    pub not_opened: &'static str,
    pub closed: &'static str,
    pub not_closed: &'static str,
    pub record_started: &'static str,
    pub no_record: &'static str,
}

/// Heads of table columns.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct Columns {
    pub name: &'static str,
    pub role: &'static str,
    pub place: &'static str,
    pub time: &'static str,
    pub stage: &'static str,
    pub source: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub file: &'static str,
    pub sha256: &'static str,
}

/// The technical means used.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct MeansWords {
    pub statement: &'static str,
    pub program: &'static str,
    pub model: &'static str,
    pub no_model: &'static str,
    pub model_sha256: &'static str,
    pub final_model: &'static str,
}

/// The course of the session: what was said.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the English table shows what each word is")]
pub struct Course {
    pub on_record: &'static str,
    pub heading: &'static str,
    pub clock_note: &'static str,
    pub weak: &'static str,
    /// Of a line that a person corrected.
    pub edited: &'static str,
    /// Of an interpreter's line, before the name of whom it interprets; in either direction.
    pub interpretation: &'static str,
    /// "In Kazakh", "in Russian", "in English".
    pub spoken_in: [&'static str; 3],
    pub empty: &'static str,
}

/// Names of the roles.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named after the roles")]
pub struct Roles {
    pub judge: &'static str,
    pub panel_judge: &'static str,
    pub clerk: &'static str,
    pub prosecutor: &'static str,
    pub defence_counsel: &'static str,
    pub defendant: &'static str,
    pub plaintiff: &'static str,
    pub respondent: &'static str,
    pub representative: &'static str,
    pub victim: &'static str,
    pub witness: &'static str,
    pub expert: &'static str,
    pub specialist: &'static str,
    pub interpreter: &'static str,
    pub bailiff: &'static str,
    pub escort_officer: &'static str,
    pub observer: &'static str,
    pub technical_officer: &'static str,
}

/// Names of the places.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named after the places")]
pub struct Places {
    pub courtroom: &'static str,
    pub prison: &'static str,
    pub browser: &'static str,
    pub phone: &'static str,
    pub telephone: &'static str,
    pub room_system: &'static str,
}

/// Names of what a file carries.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named after the sources")]
pub struct Sources {
    pub microphone: &'static str,
    pub camera: &'static str,
    pub screen: &'static str,
}

/// Names of the stages.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named after the stages")]
pub struct Stages {
    pub opened: &'static str,
    pub composition_announced: &'static str,
    pub rights_explained: &'static str,
    pub oath: &'static str,
    pub charge_read: &'static str,
    pub evidence: &'static str,
    pub witness_heard: &'static str,
    pub recess: &'static str,
    pub pleadings: &'static str,
    pub last_word: &'static str,
    pub deliberation: &'static str,
    pub decision_announced: &'static str,
    pub closed: &'static str,
}

/// How a date is written.
#[derive(Debug, Serialize)]
pub struct DateWords {
    /// With `{day}`, `{month}`, `{year}` and `{time}`.
    pub pattern: &'static str,
    /// From January, in the form that stands in a date.
    pub months: [&'static str; 12],
}

impl Wording {
    /// In which language something was said.
    #[must_use]
    pub fn spoken_in(&self, language: Language) -> &'static str {
        let [kazakh, russian, english] = self.course.spoken_in;
        match language {
            Language::Kk => kazakh,
            Language::Ru => russian,
            Language::En => english,
        }
    }

    /// Whom a line of an interpreter interprets.
    #[must_use]
    pub fn interpretation(&self, name: &str) -> String {
        format!("{}: {name}", self.course.interpretation)
    }

    /// Name of a role.
    #[must_use]
    pub fn role(&self, role: Role) -> &'static str {
        let names = &self.roles;
        match role {
            Role::Judge => names.judge,
            Role::PanelJudge => names.panel_judge,
            Role::Clerk => names.clerk,
            Role::Prosecutor => names.prosecutor,
            Role::DefenceCounsel => names.defence_counsel,
            Role::Defendant => names.defendant,
            Role::Plaintiff => names.plaintiff,
            Role::Respondent => names.respondent,
            Role::Representative => names.representative,
            Role::Victim => names.victim,
            Role::Witness => names.witness,
            Role::Expert => names.expert,
            Role::Specialist => names.specialist,
            Role::Interpreter => names.interpreter,
            Role::Bailiff => names.bailiff,
            Role::EscortOfficer => names.escort_officer,
            Role::Observer => names.observer,
            Role::TechnicalOfficer => names.technical_officer,
        }
    }

    /// Name of a place.
    #[must_use]
    pub fn place(&self, place: Place) -> &'static str {
        let names = &self.places;
        match place {
            Place::Courtroom => names.courtroom,
            Place::Prison => names.prison,
            Place::Browser => names.browser,
            Place::Phone => names.phone,
            Place::Telephone => names.telephone,
            Place::RoomSystem => names.room_system,
        }
    }

    /// Name of what a file carries.
    #[must_use]
    pub fn source(&self, source: TrackSource) -> &'static str {
        match source {
            TrackSource::Microphone => self.sources.microphone,
            TrackSource::Camera => self.sources.camera,
            TrackSource::Screen => self.sources.screen,
        }
    }

    /// Name of a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> &'static str {
        let names = &self.stages;
        match stage {
            Stage::Opened => names.opened,
            Stage::CompositionAnnounced => names.composition_announced,
            Stage::RightsExplained => names.rights_explained,
            Stage::Oath => names.oath,
            Stage::ChargeRead => names.charge_read,
            Stage::Evidence => names.evidence,
            Stage::WitnessHeard => names.witness_heard,
            Stage::Recess => names.recess,
            Stage::Pleadings => names.pleadings,
            Stage::LastWord => names.last_word,
            Stage::Deliberation => names.deliberation,
            Stage::DecisionAnnounced => names.decision_announced,
            Stage::Closed => names.closed,
        }
    }

    /// A date and time as the language writes it.
    #[must_use]
    pub fn date(&self, at: jiff::civil::DateTime) -> String {
        let month = usize::try_from(at.month() - 1).unwrap_or_default();
        self.date
            .pattern
            .replace("{day}", &at.day().to_string())
            .replace("{month}", self.date.months[month % 12])
            .replace("{year}", &at.year().to_string())
            .replace(
                "{time}",
                &format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn words(language: Language) -> BTreeMap<String, String> {
        fn walk(path: &str, value: &Value, words: &mut BTreeMap<String, String>) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        walk(&format!("{path}.{name}"), value, words);
                    }
                }
                Value::Array(items) => {
                    for (index, value) in items.iter().enumerate() {
                        walk(&format!("{path}.{index}"), value, words);
                    }
                }
                Value::String(text) => {
                    words.insert(path.to_owned(), text.clone());
                }
                other => panic!("{path} is not a word: {other}"),
            }
        }
        let mut found = BTreeMap::new();
        walk(
            "",
            &serde_json::to_value(wording(language)).unwrap(),
            &mut found,
        );
        found
    }

    #[test]
    fn the_words_are_complete_in_every_language() {
        let languages = [Language::Kk, Language::Ru, Language::En];
        let english = words(Language::En);
        assert!(english.len() > 90, "only {} words", english.len());
        for language in languages {
            let table = words(language);
            assert!(table.keys().eq(english.keys()));
            for (path, text) in &table {
                let at = format!("{}{path}: {text:?}", language.code());
                assert!(!text.trim().is_empty() && text.trim() == text, "{at}");
                if path == ".columns.sha256" {
                    continue;
                }
                let cyrillic = text.chars().any(|c| ('\u{400}'..='\u{4ff}').contains(&c));
                let patterned = path == ".date.pattern";
                assert_eq!(cyrillic, language != Language::En, "alphabet of {at}",);
                let latin = text.replace("SIP", "").replace("SHA-256", "");
                let latin = latin.chars().any(|c| c.is_ascii_alphabetic());
                assert!(
                    patterned || latin == (language == Language::En),
                    "alphabet of {at}"
                );
            }
        }
    }

    #[test]
    fn kazakh_is_not_copied_from_russian() {
        // International words that both languages share as they are.
        let shared = [
            ".roles.judge",
            ".roles.panel_judge",
            ".roles.prosecutor",
            ".sources.microphone",
            ".sources.camera",
            ".columns.sha256",
            ".columns.file",
            ".places.browser",
        ];
        let russian = words(Language::Ru);
        for (path, text) in words(Language::Kk) {
            assert!(
                text != russian[&path] || shared.contains(&path.as_str()),
                "{path}: {text}"
            );
        }
    }

    #[test]
    fn dates_are_written_as_the_language_writes_them() {
        let at = jiff::civil::datetime(2026, 11, 21, 9, 5, 0, 0);
        assert_eq!(
            wording(Language::Kk).date(at),
            "2026 жылғы 21 қараша, 09:05:00"
        );
        assert_eq!(
            wording(Language::Ru).date(at),
            "21 ноября 2026 г., 09:05:00"
        );
        assert_eq!(wording(Language::En).date(at), "21 November 2026, 09:05:00");
    }
}
