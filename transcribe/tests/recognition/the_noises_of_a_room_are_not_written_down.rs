//! Recorded coughs, steps, doors, paper, telephones and music: nobody has said anything. And two who
//! speak into one microphone at once.

use std::path::Path;

use otyrys_transcribe::wer::normalised_words;
use otyrys_transcribe::{FeedInfo, Language, Line, RecogniserEvent};

use crate::common::{recogniser, recording, russian, silence, speech, webm};

/// Noises, by what a clerk would call them, in the packages that `tests/speech/fetch.sh` brings.
const NOISES: [(&str, &[&str]); 6] = [
    (
        "a cough, a sneeze",
        &[
            "scratch/usr/share/scratch/Media/Sounds/Human/Cough-male.wav",
            "scratch/usr/share/scratch/Media/Sounds/Human/Cough-female.wav",
            "scratch/usr/share/scratch/Media/Sounds/Human/Sneeze-male.wav",
            "scratch/usr/share/scratch/Media/Sounds/Human/Sneeze-female.wav",
        ],
    ),
    (
        "steps and doors",
        &[
            "scratch/usr/share/scratch/Media/Sounds/Human/Footsteps-1.wav",
            "scratch/usr/share/scratch/Media/Sounds/Effects/DoorCreak.wav",
            "scratch/usr/share/scratch/Media/Sounds/Effects/Rattle.wav",
        ],
    ),
    (
        "a street",
        &[
            "scratch/usr/share/scratch/Media/Sounds/Effects/CarPassing.wav",
            "scratch/usr/share/scratch/Media/Sounds/Effects/MotorcyclePassing.wav",
            "scratch/usr/share/scratch/Media/Sounds/Animal/Dog1.wav",
        ],
    ),
    (
        "paper",
        &["sound-theme-freedesktop/usr/share/sounds/freedesktop/stereo/trash-empty.oga"],
    ),
    (
        "a telephone that rings",
        &[
            "sound-theme-freedesktop/usr/share/sounds/freedesktop/stereo/phone-incoming-call.oga",
            "sound-theme-freedesktop/usr/share/sounds/freedesktop/stereo/alarm-clock-elapsed.oga",
            "sound-theme-freedesktop/usr/share/sounds/freedesktop/stereo/phone-outgoing-busy.oga",
        ],
    ),
    (
        "music on hold",
        &[
            "asterisk-moh-opsound-wav/usr/share/asterisk/moh/manolo_camp-morning_coffee.wav",
            "asterisk-moh-opsound-wav/usr/share/asterisk/moh/macroform-the_simplicity.wav",
        ],
    ),
];

/// Of a piece of music this much is enough.
const LONGEST: usize = 6 * 16_000;

#[tokio::test(flavor = "multi_thread")]
async fn noises_give_no_line_in_russian_that_does_not_say_that_it_is_doubtful() {
    noises_give_no_sure_line(Language::RUSSIAN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noises_give_no_line_in_kazakh_that_does_not_say_that_it_is_doubtful() {
    noises_give_no_sure_line(Language::KAZAKH).await;
}

async fn noises_give_no_sure_line(language: Language) {
    let mut wrong = Vec::new();
    for (name, files) in NOISES {
        let mut sound = silence(1_000);
        for file in files {
            let mut noise = recording(&speech(Path::new(file)));
            noise.truncate(LONGEST);
            let loudest = noise.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
            // As loud as somebody who speaks.
            for sample in &mut noise {
                *sample *= 0.4 / loudest;
            }
            sound.extend(noise);
            sound.extend(silence(1_500));
        }
        for line in lines(&webm(&sound), language).await {
            if line.doubt.is_none() {
                wrong.push(format!("{name}: {:?}", line.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_speak_at_once_at_least_a_third_was_said_or_it_is_doubtful() {
    let said = russian(4);
    let mut heard = 0;
    for pair in said.chunks_exact(2) {
        let length = pair.iter().map(|one| one.samples.len()).max().unwrap();
        let at = |n: usize| {
            pair.iter()
                .map(|one| one.samples.get(n).unwrap_or(&0.0))
                .sum::<f32>()
        };
        let both: Vec<f32> = (0..length).map(|n| 0.6 * at(n)).collect();
        for line in lines(&webm(&both), Language::RUSSIAN).await {
            heard += 1;
            let words = normalised_words(&line.text);
            let of_pair: Vec<_> = pair
                .iter()
                .flat_map(|one| normalised_words(&one.text))
                .collect();
            let known = words.iter().filter(|word| of_pair.contains(word)).count();
            assert!(
                line.doubt.is_some() || known * 3 >= words.len(),
                "{:?} of {:?} and {:?}",
                line.text,
                pair[0].text,
                pair[1].text
            );
        }
    }
    assert!(heard > 0, "somebody was heard");
}

async fn lines(file: &[u8], language: Language) -> Vec<Line> {
    let (recogniser, mut events) = recogniser();
    let feed = recogniser
        .open_feed(FeedInfo {
            language,
            names: [
                "Ахметова Гүлнар",
                "Иванов",
                "Сейткали",
                "Алматинский городской суд",
            ]
            .map(str::to_owned)
            .into(),
            starts_ms: 0,
            known_until_ms: 0,
        })
        .unwrap();
    feed.push(file.to_vec().into()).unwrap();
    drop(feed);
    let mut lines = Vec::new();
    loop {
        match events.recv().await.unwrap() {
            RecogniserEvent::Line(line) => lines.push(line),
            RecogniserEvent::FeedFinished { .. } => break,
            RecogniserEvent::Failed { reason, .. } => panic!("{reason}"),
            RecogniserEvent::Guess(_)
            | RecogniserEvent::GuessOver { .. }
            | RecogniserEvent::Behind { .. } => {}
        }
    }
    recogniser.shutdown().await;
    lines
}
