//! Who takes part, from where, and what they send.

use otyrys_storage::ids::ParticipantId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A person's role in the hearing, which decides their rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Presides.
    Judge,
    /// Sits on the bench beside the presiding judge.
    PanelJudge,
    /// Secretary of the session: runs the room, keeps the protocol.
    Clerk,
    /// Speaks for the prosecution.
    Prosecutor,
    /// Defends the accused.
    DefenceCounsel,
    /// The accused, detained or not.
    Defendant,
    /// Brings a civil claim.
    Plaintiff,
    /// Answers a civil claim.
    Respondent,
    /// Acts for a party.
    Representative,
    /// The injured person.
    Victim,
    /// Testifies; is never admitted automatically.
    Witness,
    /// Gives an expert opinion; is never admitted automatically.
    Expert,
    /// Helps with special knowledge.
    Specialist,
    /// Interprets.
    Interpreter,
    /// Keeps order in the courtroom.
    Bailiff,
    /// Guards a detained person at the prison.
    EscortOfficer,
    /// Public or press.
    Observer,
    /// Court IT: sees state but not content.
    TechnicalOfficer,
}

impl Role {
    /// Whether the role may conduct: admit, mute, go on and off the record, close.
    #[must_use]
    pub fn conducts(self) -> bool {
        matches!(self, Self::Judge | Self::Clerk)
    }

    /// Whether the role sees the draft protocol while it grows.
    #[must_use]
    pub fn reads_draft(self) -> bool {
        matches!(self, Self::Judge | Self::PanelJudge | Self::Clerk)
    }

    /// Whether the role may send sound and picture.
    #[must_use]
    pub fn publishes(self) -> bool {
        !matches!(self, Self::Observer | Self::TechnicalOfficer)
    }
}

/// Where a person joins from. Separate from the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Courtroom unit.
    Courtroom,
    /// Prison unit.
    Prison,
    /// Browser on a computer.
    Browser,
    /// Browser on a phone.
    Phone,
    /// SIP or PSTN, sound only.
    Telephone,
    /// SIP video unit.
    RoomSystem,
}

/// Languages of the pages and of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Kazakh, the state language.
    Kk,
    /// Russian.
    Ru,
    /// English.
    En,
}

impl Language {
    /// ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Kk => "kk",
            Self::Ru => "ru",
            Self::En => "en",
        }
    }
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// A person's voice.
    Microphone,
    /// A person's picture.
    Camera,
    /// A shared screen.
    Screen,
}

impl TrackSource {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];
}

/// A track by what it is: one source of one person. It survives reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
pub struct TrackRef {
    /// Whose track.
    #[ts(type = "string")]
    pub participant: ParticipantId,
    /// Which of their tracks.
    pub source: TrackSource,
}
