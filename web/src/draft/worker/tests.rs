//! Real speech, read by recognisers that share a queue.

use super::*;
use crate::{
    config::DraftConfig,
    draft::DraftNotices,
    rehearse::{ClipLibrary, Reader},
    test_court::{TestCourt, webm},
};
use otyrys_signaling::{
    Language,
    wire::{DraftLine, DraftOffReason, DraftState},
};
use otyrys_storage::NewParticipant;
use otyrys_transcribe::{Corrections, wer};
use std::time::Instant;

const STARTS_MS: u64 = 10_000;

struct Process {
    worker: Worker,
    notices: DraftNotices,
    stop: CancellationToken,
}

impl Process {
    async fn start(court: &TestCourt) -> Self {
        let stop = CancellationToken::new();
        let (config, none) = (DraftConfig::default(), Corrections::default());
        let started = Draft::here(&config, none, court.stores.clone(), stop.clone()).await;
        let (draft, notices) = started.unwrap();
        Self {
            worker: Worker::new(draft, court.stores.clone()).unwrap(),
            notices,
            stop,
        }
    }

    /// Goes on until it has stored so many lines, or has read its file.
    async fn work(&mut self, lines: usize) {
        let mut stored = 0;
        while stored < lines {
            let (hearing, notice) = self.notices.recv().await.unwrap();
            let is_read = matches!(notice, DraftNotice::SegmentRead(_));
            stored += usize::from(matches!(notice, DraftNotice::Line(_)));
            self.worker.noticed(hearing, notice).await.unwrap();
            if is_read {
                return;
            }
        }
    }
}

/// What the hearing is told of the draft.
async fn told_to_the_end(mut notices: DraftNotices) -> Vec<DraftLine> {
    let mut lines = Vec::new();
    loop {
        match notices.recv().await.unwrap().1 {
            DraftNotice::Line(line) => lines.push(line),
            DraftNotice::SegmentRead(_) => return lines,
            DraftNotice::Guess(..) | DraftNotice::State(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_in_the_middle_of_a_file_loses_no_line_and_tells_none_twice() {
    let library = ClipLibrary::load(&crate::config::cache_dir().join("speech")).unwrap();
    let short = library.read_by(Reader::Man).iter();
    let clips = short
        .filter(|clip| clip.duration < Duration::from_secs(6))
        .take(5);
    let (mut sound, mut said) = (Vec::new(), Vec::new());
    for clip in clips {
        sound.extend(clip.samples().unwrap());
        sound.extend([0; 24_000]);
        said.push(clip.text.as_str());
    }
    let court = TestCourt::open().await;
    let speaker = ParticipantId::generate();
    let person = NewParticipant {
        id: speaker,
        name: "Ким Алексей".to_owned(),
        role: "witness".to_owned(),
        place: "browser".to_owned(),
        language: "ru".to_owned(),
        order: 0,
    };
    let hearing = court.hearing_of(Timestamp::now(), vec![person]).await;
    let facts = court.recorded_sound(hearing, speaker, STARTS_MS, &webm(&sound));

    let stop = CancellationToken::new();
    let apart = DraftConfig {
        apart: true,
        ..DraftConfig::default()
    };
    let none = Corrections::default();
    let (server, mut notices) =
        Draft::start(&apart, none, court.stores.clone(), stop.clone()).await;
    let no_worker = DraftState::Off {
        reason: DraftOffReason::NoWorker,
    };
    assert_eq!(server.state(), no_worker);
    let state = hub::load(&court.stores.database, hearing).await.unwrap();
    server.follow(facts.clone(), Speech::of(&state, speaker));
    assert!(!server.is_settled(hearing));

    let mut first = Process::start(&court).await;
    let begun = Instant::now();
    while first.worker.held.is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "nothing to do");
        first.worker.take().await.unwrap();
    }
    first.worker.keep().await.unwrap();
    while server.state() == no_worker {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody is seen");
        notices.recv().await.unwrap();
    }
    assert!(server.model().is_some());
    first.work(2).await;
    let guess = DraftGuess {
        start_ms: 0,
        language: Language::Ru,
        agreed: "Суд".to_owned(),
        rest: String::new(),
        interprets: None,
    };
    let guessed = first.worker.guessed(hearing, speaker, Some(guess));
    guessed.await.unwrap();
    // It dies: what it does from here on nobody hears of, and its lease runs out.
    first.stop.cancel();
    drop(first.notices);

    let told = tokio::spawn(told_to_the_end(notices));
    let mut second = Process::start(&court).await;
    while second.worker.held.is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the file is nobody's"
        );
        time::sleep(LOOK).await;
        second.worker.take().await.unwrap();
    }
    assert!(
        begun.elapsed() > LEASE,
        "it was the first one's for so long"
    );
    second.work(usize::MAX).await;
    assert!(second.worker.held.is_empty());
    let told = told.await.unwrap();
    server.settled(facts.segment);
    assert!(server.is_settled(hearing));

    let stored = server.lines(hearing).await.unwrap();
    assert_eq!(told.len(), stored.len());
    assert!(
        stored
            .windows(2)
            .all(|two| two[0].end_ms <= two[1].start_ms),
        "{stored:?}"
    );
    let heard: Vec<_> = told.iter().map(|line| line.text.as_str()).collect();
    let errors = wer(&said.join(" "), &heard.join(" "));
    assert!(
        told.len() >= said.len() && errors < 0.35,
        "{errors}: {heard:?}"
    );
    let guesses = court.stores.database.guesses().await.unwrap();
    assert_eq!(guesses, [], "nothing is being said");
    // What the dead one still has to say is refused.
    let late = first.worker.keep().await;
    assert!(late.is_ok() && first.worker.held.is_empty(), "{late:?}");
    stop.cancel();
    second.stop.cancel();
}
