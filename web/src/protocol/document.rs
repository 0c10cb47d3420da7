//! The draft protocol as data.

use super::{CourtTime, ProtocolError, docx, page, sheet::Sheet};
use otyrys_signaling::{Language, Place, Role, Stage, TrackSource};
use otyrys_storage::ids::{HearingId, LineId, ParticipantId};
use serde::{Deserialize, Serialize};

/// The draft protocol of one hearing; its JSON is the `protocol.json` of a package.
///
/// Times that end in `_ms` are milliseconds on the record's clock, whose zero is the first moment
/// on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProtocolDocument {
    /// Which hearing, in which case, where and when.
    pub hearing: HearingFacts,
    /// Those who took part, bench first.
    pub present: Vec<Person>,
    /// Those who were called and did not take part.
    pub absent: Vec<Person>,
    /// The stages that the bench marked, in order of time.
    pub stages: Vec<StageMark>,
    /// What was said, as the machine heard it, in order of time.
    pub lines: Vec<DraftText>,
    /// The files of the record.
    pub record: Vec<RecordFile>,
    /// The technical means used.
    pub means: Means,
}

/// Which hearing, in which case, where and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HearingFacts {
    /// Identifier of the hearing.
    pub id: HearingId,
    /// Number of the case in the registry.
    pub case_number: String,
    /// What the case is called.
    pub case_title: String,
    /// Name of the court, in the hearing's language.
    pub court: String,
    /// Name of the courtroom.
    pub courtroom: String,
    /// Language of the proceedings, and of the renderings.
    pub language: Language,
    /// When the session was opened; absent while it was not.
    pub opened_at: Option<CourtTime>,
    /// When the hearing was closed; absent while it was not.
    pub closed_at: Option<CourtTime>,
    /// Zero of the record's clock; absent while nothing was on record.
    pub record_started_at: Option<CourtTime>,
}

/// A person of the hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Identifier of the person's place in the hearing.
    pub id: ParticipantId,
    /// Name as in the case.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Where they joined from.
    pub place: Place,
}

/// A stage of the hearing and when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMark {
    /// Which.
    pub stage: Stage,
    /// On the record's clock.
    pub at_ms: u32,
}

/// What one person said in one go, as the machine heard it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DraftText {
    /// Which line; anchors in the page are `line-<id>`.
    pub id: LineId,
    /// The owner of the track: who spoke is never guessed.
    pub participant: ParticipantId,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// On the record's clock.
    pub start_ms: u32,
    /// On the record's clock.
    pub end_ms: u32,
    /// What the machine heard.
    pub text: String,
    /// Language it was recognised in.
    pub language: Language,
    /// Mean probability of the tokens, 0 to 1.
    pub confidence: f32,
    /// The model is weak in this language: the renderings mark the line.
    pub weak: bool,
    /// The words with their times; joined by spaces they are `text`.
    pub words: Vec<SpokenWord>,
    /// Where the renderings write it otherwise: numbers, dates, articles, the court's dictionary.
    /// In order, and apart from each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<WrittenWords>,
    /// What a person wrote in its place, if one did: the renderings show it and say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<EditedText>,
    /// Whom an interpreter interpreted here, as judge or clerk had set it when the line begins:
    /// the renderings say it beside the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interprets: Option<Interpreted>,
}

/// Whom an interpreter interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreted {
    /// Whose place in the hearing they have.
    pub participant: ParticipantId,
    /// Their name.
    pub name: String,
}

/// What a person wrote in place of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedText {
    /// Their text.
    pub text: String,
    /// Whose place in the hearing they have.
    pub by: ParticipantId,
    /// Their name.
    pub name: String,
    /// When, RFC 3339, UTC.
    pub at: String,
}

/// Words of a line that are written otherwise than they were spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenWords {
    /// Index of the first of them.
    pub first: u32,
    /// How many they are.
    pub count: u32,
    /// What is written in their place.
    pub text: String,
}

impl DraftText {
    /// The text as the renderings write it.
    #[must_use]
    pub fn as_written(&self) -> String {
        if let Some(edited) = &self.edited {
            return edited.text.clone();
        }
        if self.written.is_empty() {
            return self.text.clone();
        }
        let mut spoken = self.words.iter().zip(0u32..).peekable();
        let mut texts = Vec::with_capacity(self.words.len());
        for change in &self.written {
            while let Some((word, _)) = spoken.next_if(|(_, index)| *index < change.first) {
                texts.push(word.text.as_str());
            }
            let end = change.first.saturating_add(change.count);
            while spoken.next_if(|(_, index)| *index < end).is_some() {}
            texts.push(&change.text);
        }
        texts.extend(spoken.map(|(word, _)| word.text.as_str()));
        texts.join(" ")
    }
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    /// As written in the line.
    pub text: String,
    /// On the record's clock.
    pub start_ms: u32,
    /// On the record's clock.
    pub end_ms: u32,
    /// 0 to 1.
    pub confidence: f32,
}

/// A file of the record: one source of one person over one unbroken time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordFile {
    /// Whose.
    pub participant: ParticipantId,
    /// Their name.
    pub name: String,
    /// What it carries.
    pub source: TrackSource,
    /// Path in the package.
    pub file: String,
    /// Path in the package of a copy that browsers can seek in, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playback: Option<String>,
    /// Its first moment, on the record's clock.
    pub starts_ms: u32,
    /// Its last moment, on the record's clock.
    pub ends_ms: u32,
    /// SHA-256 (FIPS 180-4) of `file`, lower-case hexadecimal.
    pub sha256: String,
    /// What of it was damaged when the record was sealed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<DamagedPiece>,
}

/// A stretch of a record file that cannot be heard or seen any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedPiece {
    /// On the record's clock.
    pub from_ms: u32,
    /// On the record's clock.
    pub to_ms: u32,
}

/// The technical means used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// Name of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Name of the speech model; absent when no draft was made.
    pub model: Option<String>,
    /// SHA-256 of the model's file, lower-case hexadecimal.
    pub model_sha256: Option<String>,
    /// Name of the model with which the record was heard again after the hearing, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_model: Option<String>,
    /// SHA-256 of that model's file, lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_model_sha256: Option<String>,
}

impl ProtocolDocument {
    /// The document as indented JSON, UTF-8, with a newline at the end.
    ///
    /// # Errors
    /// [`ProtocolError::Json`], which no value of this type is known to cause.
    pub fn to_json(&self) -> Result<String, ProtocolError> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(json)
    }

    /// The document as one HTML page without scripts and without anything loaded from elsewhere,
    /// fit for printing on A4. Each line has the anchor `line-<id>`.
    ///
    /// `remarks` says in the hearing's language how remarks on the protocol may be filed. The
    /// days allowed differ by kind of procedure, so the text comes from the configuration.
    ///
    /// # Errors
    /// [`ProtocolError::Page`], which no value of this type is known to cause.
    pub fn to_html(&self, remarks: Option<&str>) -> Result<String, ProtocolError> {
        page::render(&Sheet::of(self, remarks))
    }

    /// The document as a Word file (Office Open XML, ECMA-376) on A4, with the same words as
    /// [`Self::to_html`].
    ///
    /// # Errors
    /// [`ProtocolError::Docx`], which no value of this type is known to cause.
    pub fn to_docx(&self, remarks: Option<&str>) -> Result<Vec<u8>, ProtocolError> {
        docx::render(&Sheet::of(self, remarks))
    }
}
