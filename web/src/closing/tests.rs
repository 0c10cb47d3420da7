//! Sealing a record of which the disk has lost a part, and what its protocol says of interpreters.

use super::*;
use crate::{
    hub::new_event,
    playback::{Playback, PlaybackError},
    recording::tests::{Court, LOUD, PACKET, loudness, opus},
    test_court::TestCourt,
};
use otyrys_signaling::{HearingEvent, Language};
use otyrys_storage::{
    Damage, NewHearing, NewParticipant, SegmentRecord, Verdict, VerifyReport, ids::LineId, verify,
};
use std::{fs, path::Path, time::Duration};
use tokio::time;

/// A closed hearing of these people, in the database.
async fn hearing_of(stores: &Stores, people: &[ParticipantId]) -> HearingId {
    let id = HearingId::generate();
    let person = |(order, id): (usize, &ParticipantId)| NewParticipant {
        id: *id,
        name: format!("Person {order}"),
        role: ["judge", "witness"][order].to_owned(),
        place: "browser".to_owned(),
        language: "kk".to_owned(),
        order: order as u32,
    };
    let new = NewHearing {
        id,
        case_number: "1".to_owned(),
        case_title: String::new(),
        court_name: String::new(),
        court_names: json!({"kk": "", "ru": "", "en": ""}),
        courtroom: String::new(),
        language: "en".to_owned(),
        scheduled_at: Timestamp::now(),
        court_offset: Offset::constant(5),
        participants: people.iter().enumerate().map(person).collect(),
    };
    let Stores {
        database, spool, ..
    } = stores;
    database.create_hearing(&new).await.unwrap();
    spool.keys().ensure(database, id).await.unwrap();
    let now = Timestamp::now();
    let closed = new_event(now, None, None, &HearingEvent::Closed).unwrap();
    let stored = database.append_events_with_state(id, vec![closed], &json!(null), Some(now));
    stored.await.unwrap();
    id
}

/// Flips a bit in a chunk of a record file.
fn rot(stores: &Stores, record: &SegmentRecord, n: usize) {
    let path = stores.spool.media_path(&record.facts);
    let mut bytes = fs::read(&path).unwrap();
    // 32 bytes of header, 28 beside each chunk.
    let place = 32 + 28 * (n - 1) + usize::try_from(record.chunks[n - 1].offset).unwrap();
    bytes[place + 20] ^= 1;
    fs::write(&path, bytes).unwrap();
}

fn verified(bundle: &Path) -> VerifyReport {
    match verify(bundle, None).unwrap() {
        Verdict::Holds(report) => report,
        Verdict::Broken(violations) => panic!("{violations:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rotted_costs_its_second_the_rest_is_sealed_and_the_backup_fills_in() {
    let court = Court::open().await;
    let people = [ParticipantId::generate(), ParticipantId::generate()];
    let hearing = hearing_of(&court.stores, &people).await;
    let mut microphones = [1, 2].map(|n| court.microphone_of(hearing, people[n - 1], n as u64));
    let voice = opus(300, 0.3);
    let mut clock = time::interval(PACKET);
    for packet in &voice {
        clock.tick().await;
        for microphone in &mut microphones {
            court.send(microphone, packet, LOUD);
        }
    }
    let draft = court.draft.clone();
    let (stores, folder) = court.close().await;
    let records = stores.spool.segments(hearing).unwrap();
    let of = |person| {
        records
            .iter()
            .find(|r| r.facts.participant == person)
            .unwrap()
    };
    // Of one person a piece in the middle, of the other one the beginning.
    let [middle, beginning] = people.map(of);
    rot(&stores, middle, 5);
    rot(&stores, beginning, 1);

    let bundle = seal(&stores, &draft, hearing).await.unwrap().unwrap();
    let out = folder.path().join("bundle");
    bundle.export(stores.spool.keys(), &out).unwrap();
    let report = verified(&out);
    assert_eq!(report.damaged.len(), 2);
    let [damage] = bundle.damage(middle.facts.segment) else {
        panic!("{:?}", bundle.manifest.segments);
    };
    assert_eq!((damage.first_chunk, damage.last_chunk), (5, 5));
    assert_eq!(damage.from_ms, middle.chunks[3].ends_ms);
    assert_eq!(damage.to_ms, middle.chunks[4].ends_ms);

    // What is played has the damage and at most a second behind it as silence, all else at its time.
    let document: ProtocolDocument =
        serde_json::from_slice(&fs::read(out.join("documents/protocol.json")).unwrap()).unwrap();
    let row = |person| {
        document
            .record
            .iter()
            .find(|f| f.participant == person)
            .unwrap()
    };
    let copy = row(people[0]).playback.as_ref().expect("a copy");
    heard_but_for(&out.join(copy), damage, middle.facts.starts_ms);
    assert_eq!(
        row(people[1]).playback,
        None,
        "nothing tells a player what it is"
    );
    assert!(!out.join("playback").join(people[1].to_string()).exists());
    let pieces = &row(people[0]).damage;
    assert_eq!(
        (pieces[0].from_ms, pieces[0].to_ms),
        (ms(damage.from_ms), ms(damage.to_ms))
    );
    let page = fs::read_to_string(out.join("documents/protocol.html")).unwrap();
    assert!(page.contains("Damaged on the disk"), "{page}");

    // So it is when it is read back.
    let playback = Playback::new(stores.spool.clone());
    let facts = &middle.facts;
    let sound = playback.sound(facts.clone(), facts.starts_ms).await;
    let path = folder.path().join("sound.webm");
    fs::write(&path, sound.unwrap().expect("a piece").bytes).unwrap();
    heard_but_for(&path, damage, facts.starts_ms);
    let nothing = playback.sound(beginning.facts.clone(), 0).await;
    assert!(
        matches!(nothing, Err(PlaybackError::NoBeginning)),
        "{nothing:?}"
    );

    // The backup has it all.
    for person in people {
        let mut files = fs::read_dir(out.join("backup").join(person.to_string())).unwrap();
        let loud = loudness(&files.next().unwrap().unwrap().path());
        assert!((58..=62).contains(&loud.len()), "{}", loud.len());
        assert!(loud[1..57].iter().all(|level| *level > 1_000.0), "{loud:?}");
    }

    // The log says so, once, however often it is tried.
    let segments = Examined::all(&stores, hearing).unwrap();
    note_damage(&stores, hearing, &segments).await.unwrap();
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    assert_eq!(events.matches("\"kind\":\"record_damaged\"").count(), 2);
    let stored = stores.database.events(hearing).await.unwrap();
    let noted = stored.iter().filter(|event| event.kind == "record_damaged");
    assert_eq!(noted.count(), 2);
}

/// The file is silent in the damage and up to a second behind it, and loud everywhere else.
fn heard_but_for(path: &Path, damage: &Damage, starts_ms: u64) {
    let loud = loudness(path);
    let (from, to) = (damage.from_ms - starts_ms, damage.to_ms - starts_ms);
    for (number, level) in loud.iter().enumerate().skip(1) {
        let (begins, ends) = (number as u64 * 100, number as u64 * 100 + 100);
        if ends + 50 < from || begins > to + 1_100 {
            assert!(*level > 1_000.0, "{begins} ms of {from} to {to}: {loud:?}");
        }
        if begins > from + 50 && ends + 50 < to {
            assert!(*level < 10.0, "{begins} ms of {from} to {to}: {loud:?}");
        }
    }
    assert!((55..=62).contains(&loud.len()), "{}", loud.len());
}

/// What a court stored of a hearing with an interpreter: nothing set, then the first, then the
/// second person.
#[tokio::test]
async fn a_line_in_the_protocol_says_whom_it_interprets_as_was_set_when_it_begins() {
    let court = TestCourt::open().await;
    let [judge, first, second, interpreter] = [(); 4].map(|()| ParticipantId::generate());
    let roles = ["judge", "defendant", "witness", "interpreter"];
    let people = [judge, first, second, interpreter].into_iter().zip(roles);
    let person = |(order, (id, role)): (usize, (ParticipantId, &str))| NewParticipant {
        id,
        name: format!("The {role}"),
        role: role.to_owned(),
        place: "browser".to_owned(),
        language: "en".to_owned(),
        order: order as u32,
    };
    let begun = "2026-11-21T05:00:00Z".parse::<Timestamp>().unwrap();
    let id = court
        .hearing_of(begun, people.enumerate().map(person).collect())
        .await;
    let set = |of| HearingEvent::InterpretationSet { interpreter, of };
    let happened = [
        (0, HearingEvent::OnRecord),
        (10, set(Some(first))),
        (20, set(Some(second))),
        (30, set(None)),
        (31, HearingEvent::ServerRestarted),
    ];
    let events = happened.map(|(second, event)| {
        let at = begun + Duration::from_secs(second);
        new_event(at, None, None, &event).unwrap()
    });
    let database = &court.stores.database;
    database.append_events(id, events.into()).await.unwrap();

    // As after a restart: all that is known is what is stored.
    let hearing = hub::load(database, id).await.unwrap();
    let line = |participant, start_ms| DraftLine {
        id: LineId::generate(),
        participant,
        start_ms,
        // It goes on into whatever is set next.
        end_ms: start_ms + 5_000,
        text: "A line.".to_owned(),
        language: Language::En,
        confidence: 1.0,
        weak: false,
        words: Vec::new(),
        written: Vec::new(),
        edited: None,
        interprets: None,
    };
    let starts = [9_999, 10_000, 19_999, 20_000, 29_999, 30_000];
    let mut lines: Vec<_> = starts.map(|ms| line(interpreter, ms)).into();
    lines.push(line(judge, 15_000));
    let means = Means {
        program: String::new(),
        version: String::new(),
        model: None,
        model_sha256: None,
        final_model: None,
        final_model_sha256: None,
    };
    let document = document(&hearing, Offset::UTC, lines, Vec::new(), means);
    let marked = document.lines.iter().map(|line| {
        let of = line.interprets.as_ref();
        of.map(|of| (of.participant, of.name.as_str()))
    });
    let (first, second) = (
        Some((first, "The defendant")),
        Some((second, "The witness")),
    );
    let expected = [None, first, first, second, second, None, None];
    assert_eq!(marked.collect::<Vec<_>>(), expected);
    let page = document.to_html(None).unwrap();
    for (mark, times) in [("The defendant", 2), ("The witness", 2)] {
        let mark = format!("(Аудармашы; аударма: {mark})");
        assert_eq!(page.matches(&mark).count(), times, "{page}");
    }
}
