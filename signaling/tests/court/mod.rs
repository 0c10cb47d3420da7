//! A small court to try rules on.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses a part of it"
)]
#![expect(clippy::unwrap_used, reason = "a test that fails here says where")]

use jiff::{Timestamp, ToSpan};
use otyrys_signaling::{
    Actor, Command, Hearing, HearingEvent, HearingSubject, Language, Person, Place, Refusal, Role,
    wire::Act,
};
use otyrys_storage::ids::{HearingId, ParticipantId};

pub(crate) struct Court {
    pub(crate) hearing: Hearing,
    pub(crate) judge: ParticipantId,
    pub(crate) clerk: ParticipantId,
    pub(crate) defendant: ParticipantId,
    pub(crate) witness: ParticipantId,
    pub(crate) technician: ParticipantId,
    pub(crate) interpreter: ParticipantId,
    pub(crate) log: Vec<(Timestamp, HearingEvent)>,
    pub(crate) now: Timestamp,
}

pub(crate) fn act(act: Act) -> Command {
    Command::Act(act)
}

impl Court {
    pub(crate) fn new() -> Self {
        let roles = [
            Role::Judge,
            Role::Clerk,
            Role::Defendant,
            Role::Witness,
            Role::TechnicalOfficer,
            Role::Interpreter,
        ];
        let people: Vec<Person> = roles
            .into_iter()
            .map(|role| Person {
                id: ParticipantId::generate(),
                name: format!("{role:?}"),
                role,
                place: Place::Browser,
                language: Language::Ru,
            })
            .collect();
        let ids: Vec<ParticipantId> = people.iter().map(|person| person.id).collect();
        let now: Timestamp = "2026-11-21T04:00:00Z".parse().unwrap();
        let subject = HearingSubject {
            id: HearingId::generate(),
            case_number: "7514-26-00-1/1".to_owned(),
            case_title: "A case".to_owned(),
            court: "A court".to_owned(),
            courtroom: "3".to_owned(),
            language: Language::Ru,
            scheduled_at: now,
            people,
        };
        Self {
            hearing: Hearing::new(subject),
            judge: ids[0],
            clerk: ids[1],
            defendant: ids[2],
            witness: ids[3],
            technician: ids[4],
            interpreter: ids[5],
            log: Vec::new(),
            now,
        }
    }

    /// Judge, clerk and defendant are inside, the session is open and on record.
    pub(crate) fn in_session_on_record() -> Self {
        let mut court = Self::new();
        for id in [court.judge, court.clerk, court.defendant] {
            court.enters(id);
        }
        court.does(court.judge, act(Act::Start)).unwrap();
        court
            .does(court.judge, act(Act::Record { on: true }))
            .unwrap();
        court
    }

    pub(crate) fn connects(&mut self, who: ParticipantId) {
        self.does(who, Command::Connect { rehearsal: false })
            .unwrap();
    }

    pub(crate) fn waits(&mut self, who: ParticipantId) {
        self.connects(who);
        self.does(
            who,
            Command::Ready {
                microphone: true,
                camera: true,
            },
        )
        .unwrap();
    }

    pub(crate) fn enters(&mut self, who: ParticipantId) {
        self.waits(who);
        let inside = self.hearing.participant(who).unwrap().is_admitted();
        if !inside {
            self.does(self.clerk, act(Act::Admit { participant: who }))
                .unwrap();
        }
    }

    pub(crate) fn does(
        &mut self,
        who: ParticipantId,
        command: Command,
    ) -> Result<Vec<HearingEvent>, Refusal> {
        self.happens(Actor::Participant(who), command)
    }

    pub(crate) fn happens(
        &mut self,
        actor: Actor,
        command: Command,
    ) -> Result<Vec<HearingEvent>, Refusal> {
        self.now = self.now.checked_add(1.second()).unwrap();
        let events = self.hearing.decide(self.now, actor, &command)?;
        for event in &events {
            self.hearing.apply(self.now, event);
            self.log.push((self.now, event.clone()));
        }
        Ok(events)
    }
}
