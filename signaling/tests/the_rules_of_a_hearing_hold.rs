//! The hearing's state machine.

mod court;

use court::{Court, act};
use otyrys_signaling::{
    Actor, Command, Hearing, HearingEvent, HearingState, Presence, RecordFault, Refusal, Stage,
    hearing_view, wire::Act,
};
use otyrys_storage::{Digest, ids::LineId};
use std::collections::BTreeSet;

#[test]
fn nobody_is_in_the_hearing_whom_the_bench_has_not_admitted() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    let presence = |court: &Court| court.hearing.participant(court.witness).unwrap().presence();
    assert_eq!(presence(&court), Presence::Waiting);
    court
        .does(
            court.judge,
            act(Act::Admit {
                participant: court.witness,
            }),
        )
        .unwrap();
    assert_eq!(presence(&court), Presence::Admitted);
}

#[test]
fn only_judge_and_clerk_conduct() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    for forbidden in [
        Act::Admit {
            participant: court.witness,
        },
        Act::Record { on: false },
        Act::Recess { on: true },
        Act::Close,
    ] {
        assert_eq!(
            court.does(court.defendant, act(forbidden)),
            Err(Refusal::NotAllowed)
        );
    }
    // Someone who only waits may do nothing, whatever their role.
    let mut court = Court::new();
    court.connects(court.judge);
    assert_eq!(
        court.does(court.judge, act(Act::Start)),
        Err(Refusal::NotAllowed)
    );
}

fn failed(fault: RecordFault) -> Command {
    Command::RecordFailed { fault, track: None }
}

#[test]
fn the_server_alone_speaks_of_the_record() {
    let mut court = Court::in_session_on_record();
    let failed = failed(RecordFault::Disk);
    assert_eq!(court.does(court.judge, failed), Err(Refusal::NotAllowed));
}

#[test]
fn a_record_that_fails_takes_the_session_off_record_until_it_is_mended() {
    let mut court = Court::in_session_on_record();
    court
        .happens(Actor::Server, failed(RecordFault::Disk))
        .unwrap();
    assert!(!court.hearing.on_record());
    let again = act(Act::Record { on: true });
    assert_eq!(
        court.does(court.judge, again.clone()),
        Err(Refusal::RecordFault)
    );
    court.happens(Actor::Server, Command::RecordMended).unwrap();
    court.does(court.judge, again).unwrap();
    assert!(court.hearing.on_record());
}

#[test]
fn closing_is_irreversible_and_ends_the_record() {
    let mut court = Court::in_session_on_record();
    court.does(court.judge, act(Act::Close)).unwrap();
    assert_eq!(court.hearing.state(), HearingState::Closed);
    assert!(!court.hearing.on_record());
    assert_eq!(
        court.does(court.judge, act(Act::Start)),
        Err(Refusal::WrongState)
    );
    assert_eq!(
        court.does(court.witness, Command::Connect { rehearsal: false }),
        Err(Refusal::WrongState)
    );
}

#[test]
fn stages_stand_at_their_time_on_the_record() {
    let mut court = Court::in_session_on_record();
    court
        .does(
            court.clerk,
            act(Act::Mark {
                stage: Stage::RightsExplained,
            }),
        )
        .unwrap();
    court
        .does(
            court.clerk,
            act(Act::Mark {
                stage: Stage::LastWord,
            }),
        )
        .unwrap();
    // The court's clock goes one second with each command; the first on record is zero.
    assert_eq!(
        court.hearing.stages(),
        [(Stage::RightsExplained, 1_000), (Stage::LastWord, 2_000)]
    );
}

#[test]
fn replaying_the_log_restores_the_hearing_exactly() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    court
        .does(
            court.judge,
            act(Act::Admit {
                participant: court.witness,
            }),
        )
        .unwrap();
    court
        .does(
            court.clerk,
            act(Act::Mark {
                stage: Stage::WitnessHeard,
            }),
        )
        .unwrap();
    court.does(court.witness, Command::Disconnect).unwrap();
    court
        .does(
            court.judge,
            act(Act::SendBack {
                participant: court.defendant,
            }),
        )
        .unwrap();
    let mut replayed = Hearing::new(court.hearing.subject().clone());
    for (at, event) in &court.log {
        let stored = serde_json::to_string(event).unwrap();
        let event: HearingEvent = serde_json::from_str(&stored).unwrap();
        replayed.apply(*at, &event);
    }
    assert_eq!(replayed, court.hearing);
}

#[test]
fn after_a_restart_people_are_disconnected_and_keep_their_place() {
    let mut court = Court::in_session_on_record();
    court
        .happens(Actor::Server, Command::ServerRestarted)
        .unwrap();
    let presence = |court: &Court| {
        court
            .hearing
            .participant(court.defendant)
            .unwrap()
            .presence()
    };
    assert_eq!(presence(&court), Presence::Disconnected);
    assert!(
        court.hearing.on_record(),
        "the record goes on when they come back"
    );
    court.connects(court.defendant);
    assert_eq!(presence(&court), Presence::Admitted);
}

#[test]
fn whoever_waits_sees_nobody_else() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    let nobody = BTreeSet::new();
    let seen = |viewer| {
        let view = hearing_view(&court.hearing, viewer, &nobody, true, court.now);
        view.participants.iter().map(|p| p.id).collect::<Vec<_>>()
    };
    assert_eq!(seen(court.witness), [court.witness]);
    assert!(
        seen(court.clerk).contains(&court.witness),
        "the bench sees who waits"
    );
    assert!(
        !seen(court.defendant).contains(&court.witness),
        "others do not"
    );
}

#[test]
fn a_person_who_takes_a_rehearsal_seat_is_admitted_anew() {
    let mut court = Court::in_session_on_record();
    let (seat, other) = (court.defendant, court.judge);
    court
        .happens(Actor::Server, Command::SeatTaken { participant: seat })
        .unwrap();
    court.waits(seat);
    let presence = |court: &Court, id| court.hearing.participant(id).unwrap().presence();
    assert_eq!(presence(&court, seat), Presence::Waiting);
    assert_eq!(presence(&court, other), Presence::Admitted);
}

#[test]
fn whoever_opens_a_renewed_link_is_admitted_anew() {
    let mut court = Court::in_session_on_record();
    let seat = court.defendant;
    let renew = Act::RenewLink { participant: seat };
    court.does(court.clerk, act(renew)).unwrap();
    court.waits(seat);
    let presence = court.hearing.participant(seat).unwrap().presence();
    assert_eq!(presence, Presence::Waiting);
}

#[test]
fn judge_and_clerk_correct_the_draft_until_the_hearing_is_closed() {
    let mut court = Court::in_session_on_record();
    let (line, sha256) = (LineId::generate(), Some(Digest::of(b"a text")));
    let choose = Command::ChooseCorrection {
        sha256: Digest::of(b"words"),
        applied: true,
    };
    let edit = Command::EditLine { line, sha256 };
    for who in [court.judge, court.clerk] {
        let edited = HearingEvent::LineEdited { line, sha256 };
        assert_eq!(court.does(who, edit.clone()), Ok(vec![edited]));
        let chosen = HearingEvent::CorrectionChosen {
            sha256: Digest::of(b"words"),
            applied: true,
        };
        assert_eq!(court.does(who, choose.clone()), Ok(vec![chosen]));
    }
    let undone = Command::EditLine { line, sha256: None };
    assert!(court.does(court.clerk, undone).is_ok());
    court.waits(court.witness);
    for who in [court.defendant, court.witness, court.technician] {
        for command in [&edit, &choose] {
            let refused = court.does(who, command.clone());
            assert_eq!(refused, Err(Refusal::NotAllowed));
        }
    }
    let by_server = court.happens(Actor::Server, edit.clone());
    assert_eq!(by_server, Err(Refusal::NotAllowed));
    court.does(court.judge, act(Act::Close)).unwrap();
    for command in [edit, choose] {
        assert_eq!(court.does(court.clerk, command), Err(Refusal::WrongState));
    }
}
