//! The hearing's state machine.

mod court;

use court::{Court, act};
use otyrys_signaling::{
    Actor, Command, Hearing, HearingEvent, HearingState, Presence, RecordFault, Refusal, Stage,
    hearing_view, wire::Act,
};
use otyrys_storage::{
    Digest,
    ids::{LineId, ParticipantId},
};
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
    for of in [Some(court.defendant), None] {
        let set = interprets(court.interpreter, of);
        assert_eq!(
            court.does(court.clerk, set).map(|events| events.len()),
            Ok(1)
        );
    }
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

fn interprets(interpreter: ParticipantId, of: Option<ParticipantId>) -> Command {
    act(Act::SetInterpretation { interpreter, of })
}

#[test]
fn judge_and_clerk_alone_say_for_whom_an_interpreter_interprets() {
    let mut court = Court::new();
    let (interpreter, defendant) = (court.interpreter, court.defendant);
    for id in [court.judge, court.clerk, defendant, interpreter] {
        court.enters(id);
    }
    assert_eq!(court.hearing.state(), HearingState::Lobby);
    let happened = |of| Ok(vec![HearingEvent::InterpretationSet { interpreter, of }]);
    let of_defendant = || interprets(interpreter, Some(defendant));
    for (who, of) in [(court.judge, Some(defendant)), (court.clerk, None)] {
        assert_eq!(court.does(who, interprets(interpreter, of)), happened(of));
        let again = court.does(court.judge, interprets(interpreter, of));
        assert_eq!(again, Ok(Vec::new()), "nothing has changed");
        assert_eq!(court.hearing.interprets(interpreter), of);
    }
    court.waits(court.witness);
    for who in [defendant, interpreter, court.witness, court.technician] {
        assert_eq!(court.does(who, of_defendant()), Err(Refusal::NotAllowed));
    }
    let by_server = court.happens(Actor::Server, of_defendant());
    assert_eq!(by_server, Err(Refusal::NotAllowed));
    court.does(court.judge, act(Act::Start)).unwrap();
    let recess = act(Act::Recess { on: true });
    court.does(court.judge, recess).unwrap();
    let set = court.does(court.clerk, of_defendant());
    assert_eq!(set, happened(Some(defendant)));
    court.does(court.judge, act(Act::Close)).unwrap();
    let undone = interprets(interpreter, None);
    assert_eq!(court.does(court.clerk, undone), Err(Refusal::WrongState));
}

#[test]
fn an_interpreter_interprets_for_somebody_of_the_hearing_who_is_none() {
    let mut court = Court::in_session_on_record();
    let (interpreter, defendant, stranger) = (
        court.interpreter,
        court.defendant,
        ParticipantId::generate(),
    );
    for (who, of, refusal) in [
        (defendant, Some(court.witness), Refusal::NotAllowed),
        (defendant, None, Refusal::NotAllowed),
        (interpreter, Some(interpreter), Refusal::NotAllowed),
        (stranger, Some(defendant), Refusal::UnknownParticipant),
        (interpreter, Some(stranger), Refusal::UnknownParticipant),
    ] {
        let refused = court.does(court.judge, interprets(who, of));
        assert_eq!(refused, Err(refusal), "{who} for {of:?}");
    }
    assert_eq!(court.hearing.interprets(interpreter), None);
}

#[test]
fn whom_an_interpreter_interprets_is_told_for_each_moment_of_the_record() {
    let mut court = Court::new();
    let (interpreter, defendant, witness) = (court.interpreter, court.defendant, court.witness);
    court.enters(court.judge);
    let set = |court: &mut Court, of| {
        let set = interprets(interpreter, of);
        court.does(court.judge, set).unwrap();
    };
    let at = |court: &Court, ms| court.hearing.interprets_at(interpreter, ms);
    assert_eq!(at(&court, 0), None);
    // Of two settings before the record the last one stands when it begins.
    set(&mut court, Some(witness));
    set(&mut court, Some(defendant));
    court.does(court.judge, act(Act::Start)).unwrap();
    let on_record = act(Act::Record { on: true });
    court.does(court.judge, on_record).unwrap();
    // The court's clock goes one second with each command; the first on record is zero.
    set(&mut court, Some(witness));
    set(&mut court, None);
    let told = [0, 999, 1_000, 1_999, 2_000, u64::MAX].map(|ms| at(&court, ms));
    let (first, then) = (Some(defendant), Some(witness));
    assert_eq!(told, [first, first, then, then, None, None]);
    assert_eq!(court.hearing.interprets_at(defendant, 1_000), None);
}

#[test]
fn nobody_learns_by_an_interpreter_of_a_person_whom_they_do_not_see() {
    let mut court = Court::in_session_on_record();
    let (interpreter, witness) = (court.interpreter, court.witness);
    court.waits(interpreter);
    court.waits(witness);
    let set = interprets(interpreter, Some(witness));
    court.does(court.clerk, set).unwrap();
    let nobody = BTreeSet::new();
    let told = |court: &Court, viewer| {
        let view = hearing_view(&court.hearing, viewer, &nobody, false, court.now);
        let mut people = view.participants.into_iter();
        people.find(|p| p.id == interpreter)?.interprets
    };
    assert_eq!(told(&court, court.clerk), Some(witness));
    assert_eq!(told(&court, interpreter), None, "both wait");
    court.enters(interpreter);
    assert_eq!(told(&court, interpreter), None, "the witness waits");
    assert_eq!(told(&court, court.defendant), None, "the witness waits");
    court.enters(witness);
    for viewer in [interpreter, court.defendant, witness] {
        assert_eq!(told(&court, viewer), Some(witness));
    }
}
