//! One speaker goes over from Russian to English and back; and a Russian stays one.

use otyrys_transcribe::{Language, Line, wer};

use crate::common::{english, in_russian, recogniser_of, russian_of, silence, to_the_end, webm};

const PAUSE_MS: usize = 1_500;

/// What is written of the utterances of a Russian, of whom any of these languages is expected.
async fn written(utterances: &[Vec<f32>], languages: &[Language]) -> Vec<Line> {
    let mut sound = silence(500);
    for samples in utterances {
        sound.extend(samples);
        sound.extend(silence(PAUSE_MS));
    }
    let (recogniser, mut events) = recogniser_of(languages);
    let feed = recogniser.open_feed(in_russian()).unwrap();
    feed.push(webm(&sound).into()).unwrap();
    feed.finish();
    let (lines, failures) = to_the_end(&mut events, feed.id()).await;
    recogniser.shutdown().await;
    assert_eq!(failures, [""; 0]);
    lines
}

#[tokio::test]
async fn each_line_is_in_the_language_in_which_it_was_spoken() {
    let russian = russian_of(6..=9, 4);
    let text = |at: usize| russian[at].text.as_str();
    let samples = |at: usize| russian[at].samples.clone();
    let help = "dictate/record_help";
    let spoken = [
        vec![samples(0), samples(1)],
        english(&[help, "dictate/play_help", help]),
        vec![samples(2), samples(3)],
    ];
    let lines = written(&spoken.concat(), &[Language::ENGLISH, Language::KAZAKH]).await;
    for line in &lines {
        println!("{} {}: {}", line.start_ms, line.language, line.text);
        assert!(!line.weak && line.language != Language::KAZAKH);
    }
    let of = |wanted: Language| {
        let of = lines.iter().filter(|line| line.language == wanted);
        let texts: Vec<&str> = of.map(|line| line.text.as_str()).collect();
        texts.join(" ")
    };
    let said: Vec<&str> = (0..4).map(text).collect();
    let errors = wer(&said.join(" "), &of(Language::RUSSIAN));
    assert!(errors < 0.4, "{errors}");
    assert!(of(Language::ENGLISH).contains("press"), "{lines:?}");
    let languages: Vec<_> = lines.iter().map(|line| line.language).collect();
    let changes = languages
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    assert_eq!(changes, 2, "there and back: {languages:?}");
}

#[tokio::test]
async fn who_goes_on_in_russian_stays_russian() {
    let russian: Vec<_> = russian_of(5..=8, 8)
        .into_iter()
        .map(|u| u.samples)
        .collect();
    let all = [Language::KAZAKH, Language::ENGLISH];
    let lines = written(&russian, &all).await;
    assert!(lines.len() >= 8, "{}", lines.len());
    assert!(lines.iter().all(|line| line.language == Language::RUSSIAN));
}
