//! What the court's dictionary learnt, as judge and clerk of the hearing see and decide it.

use super::{ConnectionId, HearingTask};
use crate::{cli::explain, hub::HubError};
use otyrys_signaling::{
    Actor, Command,
    wire::{CorrectionChoice, ServerMessage},
};
use otyrys_storage::{
    NewCorrectionChoice, StorageError, TaughtWords,
    ids::{CorrectionChoiceId, ParticipantId},
};
use std::net::IpAddr;

impl HearingTask {
    /// Applies an entry of the dictionary from now on, or no longer. Choice and event are on disk
    /// together when this returns.
    pub(super) async fn choose_correction(
        &mut self,
        by: ParticipantId,
        origin: IpAddr,
        wanted: CorrectionChoice,
    ) -> Result<(), HubError> {
        let choice = NewCorrectionChoice {
            id: CorrectionChoiceId::generate(),
            words: TaughtWords {
                language: wanted.language.code().to_owned(),
                heard: wanted.heard,
                written: wanted.written,
            },
            applied: wanted.applied,
            chooser: by,
            at: self.services.clock.now(),
        };
        let command = Command::ChooseCorrection {
            sha256: choice.sha256(),
            applied: choice.applied,
        };
        // Whoever may not choose learns nothing of what there is.
        let actor = Actor::Participant(by);
        let events = self.hearing.decide(choice.at, actor, &command)?;
        let hearing = self.hearing.subject().id;
        let learnt = self.services.draft.learnt(hearing).await?;
        let there = learnt.into_iter().find(|learnt| {
            learnt.language == wanted.language
                && learnt.heard == choice.words.heard
                && learnt.written == choice.words.written
        });
        let there = there.ok_or_else(|| StorageError::NotFound("the correction".to_owned()))?;
        if there.applied == choice.applied {
            return Ok(());
        }
        let unstored = self.to_store(choice.at, actor, Some(origin), &events)?;
        let database = &self.services.stores.database;
        database
            .append_correction_choice(hearing, unstored, &choice)
            .await?;
        self.unstored.clear();
        self.apply(choice.at, &events);
        self.tell_dictionary(None).await;
        Ok(())
    }

    /// Shows judge and clerk what was learnt, if it is not what they see; and these, who see
    /// nothing yet.
    pub(super) async fn tell_dictionary(&mut self, new: Option<&[ConnectionId]>) {
        let hearing = self.hearing.subject().id;
        let corrections = match self.services.draft.learnt(hearing).await {
            Ok(corrections) => corrections,
            Err(error) => {
                // The draft goes on; it is told with the next change.
                tracing::error!(hearing.id = %hearing, error = explain(&error), "what was learnt of corrections cannot be read");
                return;
            }
        };
        let changed = corrections != self.learnt;
        let readers = self.connections.iter().filter(|(id, connection)| {
            let is_new = new.is_some_and(|new| new.contains(id));
            connection.has_draft && (changed || is_new) && self.conducts(connection.participant)
        });
        for (_, connection) in readers {
            let corrections = corrections.clone();
            connection
                .outbox
                .send(ServerMessage::Corrections { corrections });
        }
        self.learnt = corrections;
    }

    fn conducts(&self, participant: ParticipantId) -> bool {
        let person = self.hearing.participant(participant);
        person.is_some_and(|p| p.person.role.conducts() && p.is_admitted())
    }
}
