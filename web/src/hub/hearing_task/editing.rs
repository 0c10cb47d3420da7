//! Edits of draft lines by judge and clerk.

use super::HearingTask;
use crate::hub::HubError;
use otyrys_signaling::{
    Actor, Command,
    wire::{DraftLine, MAX_EDIT_CHARS},
};
use otyrys_storage::{
    NewLineEdit, StorageError,
    ids::{LineEditId, LineId, ParticipantId},
};
use std::net::IpAddr;

impl HearingTask {
    /// Puts a person's text in place of a line, or the machine's again, and tells everybody who
    /// reads the draft. Text and event are on disk together when this returns.
    pub(super) async fn edit_line(
        &mut self,
        by: ParticipantId,
        origin: IpAddr,
        line: LineId,
        text: Option<String>,
    ) -> Result<(), HubError> {
        let text = text.as_deref().map(as_one_paragraph).transpose()?;
        let edit = NewLineEdit {
            id: LineEditId::generate(),
            line,
            text,
            editor: by,
            at: self.services.clock.now(),
        };
        let command = Command::EditLine {
            line,
            sha256: edit.sha256(),
        };
        // Whoever may not edit learns nothing of which lines there are.
        let actor = Actor::Participant(by);
        let events = self.hearing.decide(edit.at, actor, &command)?;
        let hearing = self.hearing.subject().id;
        let before = self.draft_line(line).await?;
        let shown = before.edited.as_ref().and_then(|edit| edit.text.as_ref());
        if shown == edit.text.as_ref() {
            return Ok(());
        }
        let unstored = self.to_store(edit.at, actor, Some(origin), &events)?;
        let draft = &self.services.draft;
        let lessons = draft
            .lessons(hearing, &before, edit.text.as_deref())
            .await?;
        let at = edit.at;
        let database = &self.services.stores.database;
        database
            .append_line_edit(hearing, unstored, edit, &lessons)
            .await?;
        self.unstored.clear();
        self.apply(at, &events);
        let message = self.line_message(self.draft_line(line).await?);
        for connection in self.connections.values().filter(|c| c.has_draft) {
            connection.outbox.send(message.clone());
        }
        self.tell_dictionary(None).await;
        Ok(())
    }

    async fn draft_line(&self, id: LineId) -> Result<DraftLine, StorageError> {
        let lines = self.services.draft.lines(self.hearing.subject().id).await?;
        lines
            .into_iter()
            .find(|line| line.id == id)
            .ok_or_else(|| StorageError::NotFound(format!("line {id}")))
    }
}

/// A line is one paragraph wherever it is shown.
fn as_one_paragraph(text: &str) -> Result<String, HubError> {
    let words: Vec<_> = text.split_whitespace().collect();
    let text: String = words
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    match text.is_empty() || text.chars().count() > MAX_EDIT_CHARS {
        true => Err(HubError::LineText),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_line_is_one_paragraph_of_some_length() {
        assert_eq!(as_one_paragraph(" а\n б\u{7} ").unwrap(), "а б");
        assert!(as_one_paragraph(" \n").is_err());
        assert!(as_one_paragraph(&"а".repeat(MAX_EDIT_CHARS)).is_ok());
        assert!(as_one_paragraph(&"а".repeat(MAX_EDIT_CHARS + 1)).is_err());
    }
}
