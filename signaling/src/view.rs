//! The hearing as one person may see it.

use crate::{
    Hearing, Participant, Presence,
    wire::{HearingView, ParticipantView},
};
use jiff::Timestamp;
use otyrys_storage::ids::ParticipantId;
use std::collections::BTreeSet;

/// What `viewer` may see of the hearing at `now`. `recorded` are the people whose tracks are being
/// written at this moment; `backup_fault`: their second copy is not.
///
/// Someone who has not been admitted sees themselves and nobody else.
#[must_use]
pub fn hearing_view(
    hearing: &Hearing,
    viewer: ParticipantId,
    recorded: &BTreeSet<ParticipantId>,
    backup_fault: bool,
    now: Timestamp,
) -> HearingView {
    let subject = hearing.subject();
    let viewing = hearing.participant(viewer);
    let inside = viewing.is_some_and(|p| p.presence() == Presence::Admitted);
    let conducts = inside && viewing.is_some_and(|p| p.person.role.conducts());
    let sees = |p: &Participant| p.person.id == viewer || (inside && visible(p, conducts));
    let interprets = |interpreter: &Participant| {
        let of = hearing.interprets(interpreter.person.id)?;
        hearing.participant(of).is_some_and(sees).then_some(of)
    };
    HearingView {
        id: subject.id,
        case_number: subject.case_number.clone(),
        case_title: subject.case_title.clone(),
        court: subject.court.clone(),
        courtroom: subject.courtroom.clone(),
        language: subject.language,
        scheduled_at: subject.scheduled_at.to_string(),
        state: hearing.state(),
        on_record: hearing.on_record(),
        record_ms: u32::try_from(hearing.record_ms(now)).unwrap_or(u32::MAX),
        record_fault: hearing.record_fault().filter(|_| conducts),
        faulty_track: hearing.faulty_track().filter(|_| conducts),
        backup_fault: backup_fault && conducts,
        stage: hearing
            .stages()
            .last()
            .map(|(stage, _)| *stage)
            .filter(|_| inside),
        participants: hearing
            .participants()
            .iter()
            .filter(|p| sees(p))
            .map(|p| {
                let recorded = conducts && recorded.contains(&p.person.id);
                participant_view(p, recorded, interprets(p))
            })
            .collect(),
    }
}

/// People inside see those inside; who waits, who has not come and who left concerns the bench.
fn visible(participant: &Participant, conducts: bool) -> bool {
    conducts || participant.is_admitted()
}

fn participant_view(
    participant: &Participant,
    recorded: bool,
    interprets: Option<ParticipantId>,
) -> ParticipantView {
    ParticipantView {
        id: participant.person.id,
        name: participant.person.name.clone(),
        role: participant.person.role,
        place: participant.person.place,
        presence: participant.presence(),
        microphone: participant.microphone,
        camera: participant.camera,
        muted: participant.muted,
        recorded,
        rehearsal: participant.rehearsal,
        interprets,
    }
}
