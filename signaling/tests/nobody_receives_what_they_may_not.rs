//! The forwarding graph, state by state.

mod court;

use court::{Court, act};
use otyrys_signaling::{Sink, TrackRef, TrackSource, who_receives_what, wire::Act};

#[test]
fn whoever_waits_sends_and_receives_nothing() {
    let mut court = Court::in_session_on_record();
    court.waits(court.witness);
    let graph = who_receives_what(&court.hearing);
    assert!(graph.keys().all(|track| track.participant != court.witness));
    assert!(
        graph
            .values()
            .all(|sinks| !sinks.contains(&Sink::Participant(court.witness)))
    );
}

#[test]
fn an_admitted_person_reaches_everybody_else_and_the_record() {
    let court = Court::in_session_on_record();
    let graph = who_receives_what(&court.hearing);
    let voice = TrackRef {
        participant: court.defendant,
        source: TrackSource::Microphone,
    };
    let sinks = &graph[&voice];
    for sink in [
        Sink::Participant(court.judge),
        Sink::Participant(court.clerk),
        Sink::Recorder,
        Sink::Recogniser,
    ] {
        assert!(sinks.contains(&sink), "{sink:?}");
    }
    assert!(
        !sinks.contains(&Sink::Participant(court.defendant)),
        "nobody hears themselves"
    );
}

#[test]
fn off_the_record_nothing_is_recorded_or_recognised() {
    let mut court = Court::in_session_on_record();
    court
        .does(court.judge, act(Act::Record { on: false }))
        .unwrap();
    let graph = who_receives_what(&court.hearing);
    assert!(!graph.is_empty());
    for sinks in graph.values() {
        assert!(!sinks.contains(&Sink::Recorder) && !sinks.contains(&Sink::Recogniser));
    }
}

#[test]
fn whoever_the_bench_has_muted_is_heard_by_nobody_and_still_seen() {
    let mut court = Court::in_session_on_record();
    let mute = Act::Mute {
        participant: court.defendant,
        muted: true,
    };
    court.does(court.clerk, act(mute)).unwrap();
    let graph = who_receives_what(&court.hearing);
    let track = |source| TrackRef {
        participant: court.defendant,
        source,
    };
    assert!(!graph.contains_key(&track(TrackSource::Microphone)));
    assert!(graph.contains_key(&track(TrackSource::Camera)));
}

#[test]
fn in_recess_and_after_closing_nothing_is_carried() {
    let mut court = Court::in_session_on_record();
    court
        .does(court.judge, act(Act::Recess { on: true }))
        .unwrap();
    assert!(who_receives_what(&court.hearing).is_empty());
    court.does(court.judge, act(Act::Close)).unwrap();
    assert!(who_receives_what(&court.hearing).is_empty());
}

#[test]
fn the_recogniser_never_hears_what_is_not_recorded() {
    let court = Court::in_session_on_record();
    for sinks in who_receives_what(&court.hearing).values() {
        assert!(!sinks.contains(&Sink::Recogniser) || sinks.contains(&Sink::Recorder));
    }
}

#[test]
fn court_it_sees_the_state_and_no_content() {
    let mut court = Court::in_session_on_record();
    court.enters(court.technician);
    let graph = who_receives_what(&court.hearing);
    assert!(
        graph
            .values()
            .all(|sinks| !sinks.contains(&Sink::Participant(court.technician)))
    );
    assert!(
        graph
            .keys()
            .all(|track| track.participant != court.technician)
    );
}

#[test]
fn whoever_lost_the_line_is_cut_off_and_comes_back_into_the_same_place() {
    let mut court = Court::in_session_on_record();
    court
        .does(court.defendant, otyrys_signaling::Command::Disconnect)
        .unwrap();
    let gone = |court: &Court| {
        who_receives_what(&court.hearing)
            .keys()
            .all(|track| track.participant != court.defendant)
    };
    assert!(gone(&court));
    court.connects(court.defendant);
    assert!(!gone(&court), "no second admission is needed");
}
