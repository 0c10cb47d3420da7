//! What the tests of this crate share: a court day in a temporary folder.

use jiff::{Timestamp, tz::Offset};
use otyrys_storage::{
    BundleInput, Database, NewEvent, NewHearing, NewParticipant, NodeKey, RecordSpool,
    SegmentFacts,
    ids::{HearingId, ParticipantId, SegmentId},
};
use serde_json::json;
use std::{path::Path, time::Duration};
use tempfile::TempDir;

/// A data directory with one hearing of two people.
pub(crate) struct Court {
    pub(crate) dir: TempDir,
    pub(crate) database: Database,
    pub(crate) hearing: HearingId,
    pub(crate) judge: ParticipantId,
    pub(crate) witness: ParticipantId,
}

impl Court {
    pub(crate) async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_with(dir.path(), Duration::from_millis(50))
            .await
            .unwrap();
        database.migrate().await.unwrap();
        let (hearing, judge, witness) = (
            HearingId::generate(),
            ParticipantId::generate(),
            ParticipantId::generate(),
        );
        database
            .create_hearing(&new_hearing(hearing, judge, witness))
            .await
            .unwrap();
        Self {
            dir,
            database,
            hearing,
            judge,
            witness,
        }
    }

    pub(crate) fn spool(&self) -> RecordSpool {
        RecordSpool::new(self.dir.path().join("record"))
    }
}

pub(crate) fn new_hearing(
    id: HearingId,
    judge: ParticipantId,
    witness: ParticipantId,
) -> NewHearing {
    let person = |id, name: &str, role: &str, order| NewParticipant {
        id,
        name: name.to_owned(),
        role: role.to_owned(),
        place: "browser".to_owned(),
        language: "kk".to_owned(),
        order,
    };
    NewHearing {
        id,
        case_number: "7599-26-00-2/41".to_owned(),
        case_title: "A test".to_owned(),
        court_name: "Almaty".to_owned(),
        court_names: json!({"kk": "Алматы", "ru": "Алматы", "en": "Almaty"}),
        courtroom: "3".to_owned(),
        language: "kk".to_owned(),
        scheduled_at: at(0),
        court_offset: Offset::constant(5),
        participants: vec![
            person(witness, "W", "witness", 2),
            person(judge, "J", "judge", 1),
        ],
    }
}

/// Seconds after the tests' own noon.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn event(kind: &str, second: i64) -> NewEvent {
    NewEvent {
        at: at(second),
        kind: kind.to_owned(),
        actor: Some("judge".to_owned()),
        origin: Some("127.0.0.1".to_owned()),
        data: json!({"сөз": "\"жоқ\"\n", "n": second}),
    }
}

pub(crate) fn segment(
    hearing: HearingId,
    participant: ParticipantId,
    starts_ms: u64,
) -> SegmentFacts {
    SegmentFacts {
        segment: SegmentId::generate(),
        hearing,
        participant,
        source: "microphone".to_owned(),
        codec: "opus".to_owned(),
        starts_ms,
    }
}

/// Bytes of a chunk that no other chunk has.
pub(crate) fn chunk(n: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| u8::try_from(i % 251).unwrap() ^ n)
        .collect()
}

/// A closed hearing with two segments, five events and two documents, ready to be bundled.
pub(crate) async fn closed_hearing() -> (Court, BundleInput, NodeKey) {
    let court = Court::open().await;
    for second in 0..5 {
        court
            .database
            .append_event(court.hearing, event("act", second))
            .await
            .unwrap();
    }
    for (participant, starts_ms) in [(court.judge, 0), (court.witness, 1500)] {
        let facts = segment(court.hearing, participant, starts_ms);
        let mut writer = court.spool().open_segment(facts).unwrap();
        for n in 1..=4 {
            writer
                .append(&chunk(n, 700), starts_ms + 1000 * u64::from(n))
                .unwrap();
        }
        writer.finish().unwrap();
    }
    let input = BundleInput {
        hearing: court.hearing,
        facts: json!({"case": "7599-26-00-2/41"}),
        sealed_at: at(60),
        events: court.database.events(court.hearing).await.unwrap(),
        documents: vec![
            ("protocol.html".to_owned(), b"<html lang=kk>".to_vec()),
            ("protocol.json".to_owned(), b"{}".to_vec()),
        ],
        attachments: Vec::new(),
    };
    let key = NodeKey::load_or_create(&court.dir.path().join("node.pem")).unwrap();
    (court, input, key)
}

/// All files under a folder, with their paths in it.
pub(crate) fn files_under(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(
                    path.strip_prefix(root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    found
}
