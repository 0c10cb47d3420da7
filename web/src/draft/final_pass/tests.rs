//! Real speech, heard again.

use super::*;
use crate::{
    rehearse::{Clip, ClipLibrary},
    test_court::{TestCourt, webm},
};
use jiff::Timestamp;
use otyrys_storage::{
    Job, NewJob, NewLineEdit, NewParticipant,
    ids::{LineEditId, ParticipantId},
};
use otyrys_transcribe::{Corrections, wer};
use serde_json::{Value, json};

const RATE: usize = crate::rehearse::SAMPLE_RATE as usize;

/// A line of the draft that was made while people spoke.
fn live(facts: &SegmentFacts, start_ms: u32, end_ms: u32, text: &str) -> LineRow {
    LineRow {
        id: LineId::generate(),
        participant: facts.participant,
        segment: facts.segment,
        start_ms,
        end_ms,
        text: text.to_owned(),
        language: "ru".to_owned(),
        confidence: 0.5,
        weak: false,
        words: json!([]),
        model: "live".to_owned(),
        written: json!([]),
    }
}

struct Scene {
    court: TestCourt,
    draft: Draft,
    job: Job,
    hearing: HearingId,
    facts: SegmentFacts,
}

/// A hearing with one record file.
async fn scene(sound: &[u8]) -> Scene {
    let court = TestCourt::open().await;
    let person = NewParticipant {
        id: ParticipantId::generate(),
        name: "Ким Алексей".to_owned(),
        role: "witness".to_owned(),
        place: "browser".to_owned(),
        language: "ru".to_owned(),
        order: 0,
    };
    let speaker = person.id;
    let now = Timestamp::now();
    let hearing = court.hearing_of(now, vec![person]).await;
    let facts = court.recorded_sound(hearing, speaker, 10_000, sound);
    let stores = &court.stores;
    let new = NewJob {
        kind: "final_pass".to_owned(),
        key: hearing.to_string(),
        hearing: Some(hearing),
        payload: Value::Null,
        due: now,
    };
    stores.database.enqueue(&new).await.unwrap();
    let lease = Duration::from_secs(600);
    let job = stores.database.lease(&["final_pass"], lease, now).await;
    let off = DraftConfig {
        enabled: false,
        ..DraftConfig::default()
    };
    let stop = CancellationToken::new();
    let (draft, _notices) = Draft::start(&off, Corrections::default(), stores.clone(), stop).await;
    Scene {
        job: job.unwrap().unwrap(),
        draft,
        hearing,
        facts,
        court,
    }
}

impl Scene {
    async fn hear_again(&self, files: ModelFiles) -> Result<(), FinalPassError> {
        let stores = &self.court.stores;
        let progress = Progress::new(&stores.database, &self.job);
        let (config, stop) = (DraftConfig::default(), CancellationToken::new());
        let draft = &self.draft;
        hear_again(
            stores,
            draft,
            &config,
            files,
            self.hearing,
            &stop,
            &progress,
        )
        .await
    }

    async fn lines(&self) -> Vec<LineRow> {
        let database = &self.court.stores.database;
        database.lines(self.hearing).await.unwrap()
    }
}

/// Two sentences of the man.
fn clips() -> [Clip; 2] {
    let library = ClipLibrary::load(&crate::config::cache_dir().join("speech")).unwrap();
    let short = library.read_by(crate::rehearse::Reader::Man).iter();
    let mut short = short.filter(|clip| clip.duration < Duration::from_secs(6));
    [(); 2].map(|()| short.next().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_heard_again_and_the_better_draft_stays() {
    let [first, second] = clips();
    let mut sound = first.samples().unwrap();
    let first_ends_ms = 10_000 + u32::try_from(sound.len() / (RATE / 1_000)).unwrap();
    sound.extend([0; 2 * RATE]);
    sound.extend(second.samples().unwrap());
    let ends_ms = 10_000 + u32::try_from(sound.len() / (RATE / 1_000)).unwrap();
    let scene = scene(&webm(&sound)).await;
    let of_first = live(&scene.facts, 10_100, first_ends_ms - 100, "не то");
    let in_silence = live(
        &scene.facts,
        first_ends_ms + 800,
        first_ends_ms + 1_200,
        "да",
    );
    let of_second = live(&scene.facts, first_ends_ms + 2_100, ends_ms - 100, "и это");
    let database = &scene.court.stores.database;
    for line in [&of_first, &in_silence, &of_second] {
        database.put_line(scene.hearing, line).await.unwrap();
    }

    let models = || DraftConfig::default().live_models();
    scene.hear_again(models()).await.unwrap();
    let lines = scene.lines().await;
    let is_there = |line: &LineRow| lines.iter().any(|other| other.id == line.id);
    assert!(!is_there(&of_first) && !is_there(&of_second));
    assert!(is_there(&in_silence), "it was heard the first time only");
    let said = format!("{} {}", first.text, second.text);
    let again = lines.iter().filter(|line| line.id != in_silence.id);
    let heard: Vec<_> = again.map(|line| line.text.as_str()).collect();
    let heard = heard.join(" ");
    assert!(wer(&said, &heard) < 0.5, "{said:?} became {heard:?}");
    let [pass] = &database.final_passes(scene.hearing).await.unwrap()[..] else {
        panic!("one file was heard again");
    };
    assert_eq!(pass.segment, scene.facts.segment);
    let jobs = database.jobs(scene.hearing).await.unwrap();
    assert_eq!(jobs[0].payload["percent"], 99);

    // Once is enough.
    let missing = ModelFiles::new("/nowhere.bin".into(), Default::default());
    scene.hear_again(missing).await.unwrap();
    assert_eq!(scene.lines().await, lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_put_right_stays() {
    let [first, _] = clips();
    let sound = first.samples().unwrap();
    let ends_ms = 10_000 + u32::try_from(sound.len() / (RATE / 1_000)).unwrap();
    let scene = scene(&webm(&sound)).await;
    let line = live(&scene.facts, 10_100, ends_ms - 100, "не то");
    let database = &scene.court.stores.database;
    database.put_line(scene.hearing, &line).await.unwrap();
    let edit = NewLineEdit {
        id: LineEditId::generate(),
        line: line.id,
        text: Some("то самое".to_owned()),
        editor: scene.facts.participant,
        at: Timestamp::now(),
    };
    let stored = database.append_line_edit(scene.hearing, Vec::new(), edit, &[]);
    stored.await.unwrap();
    let models = DraftConfig::default().live_models();
    scene.hear_again(models).await.unwrap();
    assert_eq!(scene.lines().await, [line]);
    let shown = scene.draft.lines(scene.hearing).await.unwrap();
    let edited = shown[0].edited.as_ref();
    let text = edited.and_then(|edit| edit.text.as_deref());
    assert_eq!(text, Some("то самое"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_larger_model_takes_little_at_a_time() {
    let [first, _] = clips();
    let six_minutes: Vec<i16> = first
        .samples()
        .unwrap()
        .into_iter()
        .cycle()
        .take(360 * RATE)
        .collect();
    let scene = scene(&webm(&six_minutes)).await;
    let config = DraftConfig::default();
    let started = start_recogniser(&config, config.live_models(), false).await;
    let (recogniser, _events, _) = started.unwrap();
    let speech = Speech::of(
        &hub::load(&scene.court.stores.database, scene.hearing)
            .await
            .unwrap(),
        scene.facts.participant,
    );
    let feed = recogniser.open_feed(speech.feed(0, 0)).unwrap();
    let pace = WhenNobodySpeaks {
        feed: &feed,
        recogniser: &recogniser,
        draft: &scene.draft,
    };
    let (spool, stop) = (&scene.court.stores.spool, CancellationToken::new());
    let reading = read_record(spool, &scene.facts, &feed, &stop, &pace);
    let read = time::timeout(Duration::from_secs(4), reading).await;
    assert!(read.is_err(), "six minutes are not heard in four seconds");
    let ahead_ms = recogniser.waiting_ms();
    // 30 s, and two pieces of 65 s: one may be given while another is being decoded.
    assert!((1_000..=160_000).contains(&ahead_ms), "{ahead_ms} ms");
    recogniser.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_model_or_its_sound_the_draft_stays_as_it_was() {
    let scene = scene(b"no sound at all").await;
    let line = live(&scene.facts, 10_100, 12_000, "было слышно");
    let database = &scene.court.stores.database;
    database.put_line(scene.hearing, &line).await.unwrap();
    let missing = ModelFiles::new("/nowhere.bin".into(), Default::default());
    let refused = scene.hear_again(missing).await;
    assert!(
        matches!(refused, Err(FinalPassError::Model(_))),
        "{refused:?}"
    );
    assert!(
        database
            .final_passes(scene.hearing)
            .await
            .unwrap()
            .is_empty()
    );

    scene
        .hear_again(DraftConfig::default().live_models())
        .await
        .unwrap();
    assert_eq!(scene.lines().await, [line]);
    assert_eq!(database.final_passes(scene.hearing).await.unwrap().len(), 1);
}
