//! What the tests of this crate share: a court day in a temporary folder.

use jiff::{Timestamp, tz::Offset};
use otyrys_storage::{
    Bundle, BundleInput, Database, HearingLog, KeySource, LineRow, MasterKey, NewEvent, NewHearing,
    NewParticipant, NodeKey, Reach, RecordSpool, SegmentFacts, StorageError,
    ids::{HearingId, LineId, ParticipantId, SegmentId},
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// A data directory with one hearing of two people.
pub(crate) struct Court {
    pub(crate) dir: TempDir,
    pub(crate) database: Database,
    spool: RecordSpool,
    pub(crate) hearing: HearingId,
    pub(crate) judge: ParticipantId,
    pub(crate) witness: ParticipantId,
}

impl Court {
    pub(crate) async fn open() -> Self {
        Self::of(
            HearingId::generate(),
            ParticipantId::generate(),
            ParticipantId::generate(),
        )
        .await
    }

    async fn of(hearing: HearingId, judge: ParticipantId, witness: ParticipantId) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open_with(dir.path(), Duration::from_millis(50))
            .await
            .unwrap();
        database.migrate().await.unwrap();
        database
            .create_hearing(&new_hearing(hearing, judge, witness))
            .await
            .unwrap();
        let spool = RecordSpool::new(dir.path().join("record"), master_key(dir.path()).await);
        spool.keys().ensure(&database, hearing).await.unwrap();
        Self {
            dir,
            database,
            spool,
            hearing,
            judge,
            witness,
        }
    }

    pub(crate) fn spool(&self) -> RecordSpool {
        self.spool.clone()
    }

    /// Writes the bundle, encrypted, and hands it out at `out` as `otyrys export` does.
    pub(crate) fn sealed(
        &self,
        out: &Path,
        input: &BundleInput,
        key: &NodeKey,
    ) -> Result<Bundle, StorageError> {
        let bundle = Bundle::write(&out.with_extension("at-rest"), input, &self.spool, key)?;
        if !out.exists() {
            bundle.export(self.spool.keys(), out)?;
        }
        Ok(bundle)
    }

    /// The log as a process that has just been started finds it.
    pub(crate) async fn log(&self, key: &NodeKey) -> Result<HearingLog, StorageError> {
        HearingLog::load(&self.database, &self.spool(), key, self.hearing).await
    }

    /// Signs what is new; tells how many leaves the log has, if there was something.
    pub(crate) async fn sign(
        &self,
        log: &mut HearingLog,
        key: &NodeKey,
        reach: Reach,
    ) -> Result<Option<u64>, StorageError> {
        let made = log
            .checkpoint(&self.database, &self.spool(), key, reach)
            .await?;
        Ok(made.map(|checkpoint| checkpoint.size))
    }
}

/// The master key of a folder; made if there is none.
pub(crate) async fn master_key(dir: &Path) -> Arc<MasterKey> {
    let source = KeySource::File(dir.join("keys/master.key"));
    Arc::new(MasterKey::load_or_create(&source).await.unwrap())
}

/// The record of a folder without a database, in which this hearing has its key.
pub(crate) async fn spool_of(dir: &Path, hearing: HearingId) -> RecordSpool {
    let spool = RecordSpool::new(dir.join("record"), master_key(dir).await);
    spool.keys().create(hearing).unwrap();
    spool
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

/// The key of `tests/vectors/seal`.
pub(crate) fn published_key(dir: &Path) -> NodeKey {
    let path = dir.join("node.pem");
    fs::write(
        &path,
        include_bytes!("../../../tests/vectors/seal/signing-key.pem"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    NodeKey::load_or_create(&path).unwrap()
}

/// A closed hearing with two segments, five events, two documents and a log with three checkpoints,
/// ready to be bundled. It is the same each time, to the bit.
pub(crate) async fn closed_hearing() -> (Court, BundleInput, NodeKey) {
    let number = |n: u128| (0x0192_0000_0000_7000_8000 << 48) + n;
    let person = |n| ParticipantId::from_u128(number(n));
    let court = Court::of(HearingId::from_u128(number(1)), person(2), person(3)).await;
    let key = published_key(court.dir.path());
    let mut log = court.log(&key).await.unwrap();
    let tracks = [(court.judge, 0, 4), (court.witness, 1500, 5)];
    let mut writers = tracks.map(|(participant, starts_ms, id)| {
        let facts = SegmentFacts {
            segment: SegmentId::from_u128(number(id)),
            ..segment(court.hearing, participant, starts_ms)
        };
        (court.spool().open_segment(facts).unwrap(), starts_ms)
    });
    for n in 1..=4 {
        court
            .database
            .append_events(court.hearing, vec![event("act", i64::from(n))])
            .await
            .unwrap();
        for (writer, starts_ms) in &mut writers {
            writer
                .append(&chunk(n, 700), *starts_ms + 1000 * u64::from(n))
                .unwrap();
        }
        if n % 2 == 0 {
            court.sign(&mut log, &key, Reach::Confirmed).await.unwrap();
        }
    }
    for (writer, _) in writers {
        writer.finish().unwrap();
    }
    court
        .database
        .append_events(court.hearing, vec![event("closed", 5)])
        .await
        .unwrap();
    court.sign(&mut log, &key, Reach::Whole).await.unwrap();
    let input = BundleInput {
        hearing: court.hearing,
        facts: json!({"case": "7599-26-00-2/41"}),
        sealed_at: at(60),
        events: court.database.events(court.hearing).await.unwrap(),
        log: court.database.hearing_log(court.hearing).await.unwrap(),
        documents: vec![
            ("protocol.html".to_owned(), b"<html lang=kk>".to_vec()),
            ("protocol.json".to_owned(), b"{}".to_vec()),
        ],
        attachments: Vec::new(),
    };
    (court, input, key)
}

/// All files under a folder, with their paths in it.
pub(crate) fn files_under(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
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

/// A line of the draft.
pub(crate) fn line(participant: ParticipantId, start_ms: u32, text: &str) -> LineRow {
    LineRow {
        id: LineId::generate(),
        participant,
        segment: SegmentId::generate(),
        start_ms,
        end_ms: start_ms + 900,
        text: text.to_owned(),
        language: "ru".to_owned(),
        confidence: 0.5,
        weak: false,
        words: json!([]),
        model: "m".to_owned(),
        written: json!([]),
    }
}
