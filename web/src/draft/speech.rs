//! What is known of somebody's speech before they speak.

use super::spoken;
use otyrys_signaling::{Hearing, Language};
use otyrys_storage::ids::ParticipantId;
use otyrys_transcribe::FeedInfo;

/// In which language somebody speaks, and which names they are likely to say.
#[derive(Clone)]
pub(crate) struct Speech {
    language: Language,
    names: Vec<String>,
}

impl Speech {
    /// Of this person in this hearing: the language is theirs, and the names are those of the case.
    pub(crate) fn of(hearing: &Hearing, speaker: ParticipantId) -> Self {
        let subject = hearing.subject();
        let person = hearing.participant(speaker);
        // Whoever sits in the hearing comes first: there may not be room for all.
        let people = subject.people.iter().map(|person| &person.name);
        let names = people.chain([&subject.court]);
        Self {
            language: person.map_or(subject.language, |person| person.person.language),
            names: names.cloned().collect(),
        }
    }

    /// The same for the recogniser, of a file that begins at `starts_ms` on the record clock, and of
    /// which the lines that begin before `known_until_ms` are known.
    pub(super) fn feed(self, starts_ms: u64, known_until_ms: u64) -> FeedInfo {
        FeedInfo {
            language: spoken(self.language),
            names: self.names,
            starts_ms,
            known_until_ms,
        }
    }
}

impl std::fmt::Debug for Speech {
    // Names of parties are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Speech")
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}
