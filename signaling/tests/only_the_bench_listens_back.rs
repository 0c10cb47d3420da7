//! Who may listen to the record, while the hearing lasts and after it.

mod court;

use court::{Court, act};
use otyrys_signaling::{
    Command, HearingEvent, Refusal, TrackRef, TrackSource, what_is_played_back, wire::Act,
};
use otyrys_storage::ids::ParticipantId;
use std::collections::BTreeSet;

fn voice(participant: ParticipantId) -> TrackRef {
    TrackRef {
        participant,
        source: TrackSource::Microphone,
    }
}

fn listens_to(tracks: impl IntoIterator<Item = TrackRef>) -> Command {
    Command::ListenBack {
        tracks: tracks.into_iter().collect(),
        from_ms: 1_000,
    }
}

#[test]
fn judge_and_clerk_hear_everybody_who_was_recorded() {
    let court = Court::in_session_on_record();
    for listener in [court.judge, court.clerk] {
        let tracks = what_is_played_back(&court.hearing, listener);
        for person in [court.judge, court.clerk, court.defendant, court.witness] {
            assert!(tracks.contains(&voice(person)));
        }
        assert!(!tracks.contains(&voice(court.technician)), "sends nothing");
    }
}

#[test]
fn nobody_else_hears_anything_whether_they_wait_or_are_inside() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    court.enters(court.technician);
    for person in [court.defendant, court.witness, court.technician] {
        assert_eq!(what_is_played_back(&court.hearing, person), BTreeSet::new());
        assert_eq!(
            court.does(person, listens_to([voice(person)])),
            Err(Refusal::NotAllowed)
        );
    }
}

#[test]
fn the_bench_listens_only_while_it_is_in_the_hearing_or_after_it() {
    let mut court = Court::in_session_on_record();
    court.does(court.clerk, Command::Leave).unwrap();
    assert!(what_is_played_back(&court.hearing, court.clerk).is_empty());
    court.does(court.judge, act(Act::Close)).unwrap();
    for listener in [court.judge, court.clerk] {
        assert!(!what_is_played_back(&court.hearing, listener).is_empty());
        let everything = what_is_played_back(&court.hearing, listener);
        court.does(listener, listens_to(everything)).unwrap();
    }
    let own = listens_to([voice(court.witness)]);
    assert_eq!(court.does(court.witness, own), Err(Refusal::NotAllowed));
}

#[test]
fn one_track_too_many_or_none_at_all_is_refused() {
    let mut court = Court::in_session_on_record();
    let too_many = listens_to([voice(court.defendant), voice(court.technician)]);
    assert_eq!(court.does(court.judge, too_many), Err(Refusal::NotAllowed));
    let nothing = listens_to([]);
    assert_eq!(court.does(court.judge, nothing), Err(Refusal::NotAllowed));
}

#[test]
fn what_was_sent_is_told_in_the_name_of_the_listener_also_after_the_end() {
    let mut court = Court::in_session_on_record();
    let tracks = BTreeSet::from([voice(court.defendant)]);
    let began = court.does(court.judge, listens_to(tracks.clone())).unwrap();
    assert_eq!(
        began,
        [HearingEvent::ListeningBegan {
            tracks: tracks.clone(),
            from_ms: 1_000
        }]
    );
    court.does(court.clerk, act(Act::Close)).unwrap();
    let ended = Command::ListenedBack {
        tracks: tracks.clone(),
        stretches: vec![(1_000, 3_000), (9_000, 12_000)],
    };
    let heard = |from_ms, to_ms| HearingEvent::Listened {
        tracks: tracks.clone(),
        from_ms,
        to_ms,
    };
    assert_eq!(
        court.does(court.judge, ended).unwrap(),
        [heard(1_000, 3_000), heard(9_000, 12_000)]
    );
}
