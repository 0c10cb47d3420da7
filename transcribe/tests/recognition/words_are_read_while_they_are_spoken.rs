//! What a person says can be read before they have ended; what was agreed on stays, and what they say
//! before a pause is known in it.

use std::sync::mpsc;
use std::time::Duration;

use otyrys_transcribe::decode::{DecodeError, PcmSink, TailDecoder};
use otyrys_transcribe::{Guess, Line, RecogniserEvent, wer};

#[tokio::test]
async fn words_that_were_agreed_on_stay_and_are_those_of_the_line() {
    let said = crate::common::long_russian();
    let silence = crate::common::silence(1_500);
    let sound = [&silence[..], &said.samples, &silence].concat();
    let seconds = sound.len() / 16_000;
    let file = crate::common::webm(&sound);
    let (recogniser, mut events) = crate::common::recogniser();
    let feed = recogniser.open_feed(crate::common::in_russian()).unwrap();

    let mut guesses: Vec<Guess> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut pieces = file.chunks(file.len() / seconds);
    loop {
        match tokio::time::timeout(Duration::from_millis(700), events.recv()).await {
            Ok(Some(RecogniserEvent::Guess(guess))) => {
                assert!(lines.is_empty(), "a guess at what has its line");
                guesses.push(guess);
            }
            Ok(Some(RecogniserEvent::Line(line))) => lines.push(line),
            Ok(Some(RecogniserEvent::GuessOver { .. })) => break,
            Ok(Some(RecogniserEvent::Behind { .. })) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => match pieces.next() {
                Some(piece) => feed.push(piece.to_vec().into()).unwrap(),
                None => feed.finish(),
            },
        }
    }
    recogniser.shutdown().await;

    assert_eq!(lines.len(), 1, "{lines:?}");
    let text = |words: &[otyrys_transcribe::Word]| {
        let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
        texts.join(" ")
    };
    for guess in &guesses {
        println!("{} | {}", text(&guess.agreed), text(&guess.rest));
    }
    assert!(guesses.len() >= 3, "{} guesses", guesses.len());
    for guess in &guesses {
        assert_eq!(guess.start_ms, lines[0].start_ms);
    }
    for (before, after) in guesses.iter().zip(&guesses[1..]) {
        assert!(after.agreed.starts_with(&before.agreed));
    }
    let agreed = &guesses.last().unwrap().agreed;
    assert!(
        agreed.len() * 3 > lines[0].words.len(),
        "a third of it stays before it ends"
    );
    let of_the_line = text(&lines[0].words[..agreed.len().min(lines[0].words.len())]);
    let wer = wer(&of_the_line, &text(agreed));
    println!(
        "{} guesses, {} words agreed, {:.0} % other than in the line",
        guesses.len(),
        agreed.len(),
        wer * 100.0
    );
    assert!(wer < 0.4, "{} against {of_the_line}", text(agreed));
}

#[tokio::test]
async fn who_pauses_has_been_recognised_before_the_utterance_is_over() {
    let said = crate::common::russian(1).remove(0);
    let silence = crate::common::silence(1_500);
    // Less silence than ends an utterance, more than a pause.
    let speech = &said.samples[..said.speech_end_ms as usize * 16];
    let sound = [&silence[..], speech, &crate::common::silence(400)].concat();
    let (recogniser, mut events) = crate::common::recogniser();
    let feed = recogniser.open_feed(crate::common::in_russian()).unwrap();
    feed.push(crate::common::webm(&sound).into()).unwrap();

    let quiet = Duration::from_secs(4);
    let mut read = Vec::new();
    while let Ok(event) = tokio::time::timeout(quiet, events.recv()).await {
        match event {
            Some(RecogniserEvent::Guess(guess)) => read = [guess.agreed, guess.rest].concat(),
            other => panic!("it is not over: {other:?}"),
        }
    }
    feed.finish();
    let line = loop {
        match events.recv().await {
            Some(RecogniserEvent::Line(line)) => break line,
            Some(RecogniserEvent::Guess(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    recogniser.shutdown().await;
    assert!(wer(&said.text, &line.text) < 0.4, "{}", line.text);
    assert_eq!(read, line.words, "the line is what was read before");
}

/// Tells how much it was given, in samples, whenever that was all.
struct Reached(u64, mpsc::SyncSender<u64>);

impl PcmSink for Reached {
    fn samples(&mut self, at: u64, samples: &[f32]) {
        self.0 = at + samples.len() as u64;
    }

    fn caught_up(&mut self) {
        let _ = self.1.try_send(self.0);
    }

    fn ended(&mut self, _: Result<(), DecodeError>) {}
}

#[test]
fn of_a_chunk_all_is_decoded_before_it_is_asked_whether_anybody_pauses() {
    let sound = crate::common::russian(1).remove(0).samples;
    let file = crate::common::webm(&sound);
    let (sender, reached) = mpsc::sync_channel(8);
    let decoder = TailDecoder::start(Reached(0, sender)).unwrap();
    let next = || reached.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(next(), 0, "nothing was pushed");
    let (first, second) = file.split_at(file.len() / 2);
    for (chunk, share) in [(first, 0.5), (second, 1.0)] {
        decoder.push(chunk.to_vec().into()).unwrap();
        let all = share * sound.len() as f64;
        let reached = next() as f64;
        assert!((reached - all).abs() < 0.1 * all, "{reached} of {all}");
    }
}
