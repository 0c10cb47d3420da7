//! From the log: when which track had to be written.

use crate::reconciliation::{expected_record::ExpectedRecord, facts::Stretch};
use jiff::Timestamp;
use otyrys_signaling::{
    Hearing, HearingEvent, HearingSubject, Language, Person, Place, RecordFault, Role, TrackRef,
    TrackSource,
};
use otyrys_storage::ids::{HearingId, ParticipantId};

/// A witness with microphone and camera who was admitted before the session went on record, which
/// is second 0; and what else happened, by seconds.
fn stretches(
    witness: ParticipantId,
    happened: &[(i64, HearingEvent)],
    now: i64,
) -> (Vec<Stretch>, u64) {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let mut hearing = Hearing::new(HearingSubject {
        id: HearingId::generate(),
        case_number: String::new(),
        case_title: String::new(),
        court: String::new(),
        courtroom: String::new(),
        language: Language::Kk,
        scheduled_at: at(0),
        people: vec![Person {
            id: witness,
            name: String::new(),
            role: Role::Witness,
            place: Place::Browser,
            language: Language::Kk,
        }],
    });
    let before = [
        HearingEvent::LobbyOpened,
        HearingEvent::Connected {
            participant: witness,
            rehearsal: false,
        },
        HearingEvent::Waiting {
            participant: witness,
            microphone: true,
            camera: false,
        },
        HearingEvent::Admitted {
            participant: witness,
        },
        HearingEvent::SessionStarted,
        HearingEvent::OnRecord,
    ];
    let before = before.iter().map(|event| (0, event));
    let mut expected = ExpectedRecord::default();
    for (second, event) in before.chain(happened.iter().map(|(s, event)| (*s, event))) {
        hearing.apply(at(second), event);
        expected.after(&hearing, at(second), event);
    }
    expected.until(hearing.record_ms(at(now)))
}

#[test]
fn a_track_is_expected_while_it_is_sent_and_on_record_and_the_log_explains_its_ends() {
    let witness = ParticipantId::generate();
    let of = |source, from_s: u64, to_s: u64, end_explained| Stretch {
        track: TrackRef {
            participant: witness,
            source,
        },
        from_ms: from_s * 1_000,
        to_ms: to_s * 1_000,
        end_explained,
    };
    let voice = |from_s, to_s, explained| of(TrackSource::Microphone, from_s, to_s, explained);
    let muted = |muted| HearingEvent::Muted {
        participant: witness,
        muted,
    };
    let sending = |microphone, camera| HearingEvent::Sending {
        participant: witness,
        microphone,
        camera,
    };
    let gone = HearingEvent::Disconnected {
        participant: witness,
    };
    let back = HearingEvent::Connected {
        participant: witness,
        rehearsal: false,
    };
    let failed = HearingEvent::RecordFailed {
        fault: RecordFault::Disk,
        track: None,
    };
    let off = HearingEvent::OffRecord;
    type Case = (Vec<(i64, HearingEvent)>, Vec<Stretch>, u64);
    let cases: Vec<Case> = vec![
        (vec![], vec![voice(0, 100, false)], 100),
        (vec![(60, off.clone())], vec![voice(0, 60, false)], 60),
        (
            vec![(20, muted(true)), (50, muted(false))],
            vec![voice(0, 20, false), voice(50, 100, false)],
            100,
        ),
        (
            vec![(30, sending(true, true)), (40, sending(false, true))],
            vec![voice(0, 40, false), of(TrackSource::Camera, 30, 100, false)],
            100,
        ),
        (
            vec![(20, gone), (30, back.clone())],
            vec![voice(0, 20, true), voice(30, 100, false)],
            100,
        ),
        (
            vec![(20, HearingEvent::ServerRestarted), (30, back)],
            vec![voice(0, 20, true), voice(30, 100, false)],
            100,
        ),
        (vec![(20, failed), (20, off)], vec![voice(0, 20, true)], 20),
    ];
    for (place, (happened, expected, on_record_s)) in cases.into_iter().enumerate() {
        let (found, on_record_ms) = stretches(witness, &happened, 100);
        assert_eq!(found, expected, "case {place}");
        assert_eq!(on_record_ms, on_record_s * 1_000, "case {place}");
    }
}
