//! Tells in plain words what happens in a rehearsal.

use super::{CastEvent, EndReason};
use otyrys_signaling::wire::{Act, ByeReason, DraftLine};
use otyrys_storage::ids::ParticipantId;
use std::{
    collections::HashMap,
    io::{self, Write},
};

/// Writes one line for each thing that happens.
pub struct Story<W> {
    to: W,
    names: HashMap<ParticipantId, String>,
}

impl<W: Write> Story<W> {
    /// A story that nothing has happened in yet.
    pub fn new(to: W) -> Self {
        Self {
            to,
            names: HashMap::new(),
        }
    }

    /// Tells what happened.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn tell(&mut self, event: &CastEvent) -> io::Result<()> {
        match event {
            CastEvent::Joined {
                participant,
                name,
                role,
            } => {
                self.names.insert(*participant, name.clone());
                writeln!(self.to, "  {name} ({role:?}) has joined")
            }
            CastEvent::SeatBusy => writeln!(self.to, "  a person has one of the seats already"),
            CastEvent::Gone {
                participant,
                reason,
            } => {
                let name = self.name(*participant);
                match reason {
                    EndReason::Bye(ByeReason::SeatTaken) => {
                        writeln!(self.to, "  {name} gives the seat to a person")
                    }
                    EndReason::Bye(ByeReason::HearingClosed) | EndReason::Left => {
                        writeln!(self.to, "  {name} has left")
                    }
                    reason => writeln!(self.to, "  {name} is gone: {reason:?}"),
                }
            }
            CastEvent::Conducted(act) => match act {
                Act::Admit { participant } => {
                    writeln!(self.to, "= {} is admitted", self.name(*participant))
                }
                Act::Start => writeln!(self.to, "= the session is open"),
                Act::Record { on: true } => writeln!(self.to, "= on record"),
                Act::Mark { stage } => writeln!(self.to, "= stage: {stage:?}"),
                Act::Close => writeln!(self.to, "= the session is closed"),
                act => writeln!(self.to, "= {act:?}"),
            },
            CastEvent::Speaks { participant, text } => {
                writeln!(self.to, "> {}: {text}", self.name(*participant))
            }
            CastEvent::Spoken(_) => Ok(()),
            CastEvent::Line(line) => self.line(line),
            CastEvent::Closed => writeln!(self.to, "The hearing is over."),
        }?;
        self.to.flush()
    }

    fn line(&mut self, line: &DraftLine) -> io::Result<()> {
        let seconds = line.start_ms / 1000;
        let weak = if line.weak { " (weak model)" } else { "" };
        let (name, text) = (self.name(line.participant), &line.text);
        writeln!(
            self.to,
            "< {:02}:{:02} {name}{weak}: {text}",
            seconds / 60,
            seconds % 60
        )
    }

    fn name(&self, participant: ParticipantId) -> String {
        self.names
            .get(&participant)
            .cloned()
            .unwrap_or_else(|| "somebody".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otyrys_signaling::{Language, Role};
    use otyrys_storage::ids::LineId;

    #[test]
    fn a_line_of_the_draft_stands_under_the_name_and_the_time_of_who_spoke() {
        let participant = ParticipantId::generate();
        let mut told = Vec::new();
        let mut story = Story::new(&mut told);
        let name = "Ким Алексей Викторович".to_owned();
        story
            .tell(&CastEvent::Joined {
                participant,
                name,
                role: Role::Defendant,
            })
            .unwrap();
        story
            .tell(&CastEvent::Line(DraftLine {
                id: LineId::generate(),
                participant,
                start_ms: 61_500,
                end_ms: 63_000,
                text: "Да.".into(),
                language: Language::Kk,
                confidence: 0.5,
                weak: true,
                words: Vec::new(),
                written: Vec::new(),
                edited: None,
                interprets: None,
            }))
            .unwrap();
        let told = String::from_utf8(told).unwrap();
        assert!(
            told.contains("Ким Алексей Викторович (Defendant) has joined"),
            "{told}"
        );
        assert!(
            told.ends_with("< 01:01 Ким Алексей Викторович (weak model): Да.\n"),
            "{told}"
        );
    }
}
