//! Two people who speak at once, each into a microphone of their own: every line stands under who said
//! it.

use std::collections::HashMap;
use std::time::Duration;

use otyrys_transcribe::{FeedId, Line, RecogniserEvent, wer};

use crate::common::Utterance;

#[tokio::test]
async fn every_line_is_under_the_track_that_it_was_spoken_on() {
    let mut utterances = crate::common::russian(8);
    let said = [utterances.split_off(4), utterances];
    let (recogniser, mut events) = crate::common::recogniser();
    let feeds = said
        .each_ref()
        .map(|_| recogniser.open_feed(crate::common::in_russian()).unwrap());
    let files = said
        .each_ref()
        .map(|said| crate::common::webm(&spoken(said)));
    let chunks = files.each_ref().map(|file| file.chunks(2_400));
    let [mut first, mut second] = chunks;
    loop {
        let both = [first.next(), second.next()];
        if both == [None, None] {
            break;
        }
        for (feed, chunk) in feeds.iter().zip(both) {
            if let Some(chunk) = chunk {
                feed.push(chunk.to_vec().into()).unwrap();
            }
        }
    }
    feeds.iter().for_each(otyrys_transcribe::Feed::finish);

    let mut lines: HashMap<FeedId, Vec<Line>> = HashMap::new();
    let mut open = feeds.len();
    while open > 0 {
        let event = tokio::time::timeout(Duration::from_secs(120), events.recv());
        match event.await.unwrap().unwrap() {
            RecogniserEvent::Line(line) => lines.entry(line.feed).or_default().push(line),
            RecogniserEvent::FeedFinished { .. } => open -= 1,
            RecogniserEvent::Failed { reason, .. } => panic!("{reason}"),
            _ => {}
        }
    }
    recogniser.shutdown().await;

    let lines = feeds
        .each_ref()
        .map(|feed| lines.remove(&feed.id()).unwrap());
    for (own, other) in [(0, 1), (1, 0)] {
        assert!(lines[own].len() >= said[own].len(), "{:?}", lines[own]);
        for line in &lines[own] {
            let [by_own, by_other] = [own, other].map(|who| likest(&said[who], &line.text));
            assert!(
                by_own < 0.6 && by_own < by_other,
                "{by_own} {by_other}: {}",
                line.text
            );
        }
    }
    let [of_first, of_second] = &lines;
    let at_once = of_first.iter().filter(|a| {
        let overlaps = |b: &&Line| a.start_ms < b.end_ms && b.start_ms < a.end_ms;
        of_second.iter().any(|b| overlaps(&b))
    });
    assert!(at_once.count() >= 3, "they speak at once");
}

/// Their sentences, a second apart.
fn spoken(said: &[Utterance]) -> Vec<f32> {
    let mut sound = crate::common::silence(1_000);
    for utterance in said {
        sound.extend(&utterance.samples);
        sound.extend(crate::common::silence(1_000));
    }
    sound
}

/// The share of wrong words, as of that sentence which has the fewest.
fn likest(said: &[Utterance], heard: &str) -> f64 {
    let wrong = said.iter().map(|said| wer(&said.text, heard));
    wrong.fold(f64::INFINITY, f64::min)
}
