//! The recogniser invents nothing where nobody speaks.

use otyrys_transcribe::{FeedInfo, Language};

#[tokio::test]
async fn silence_noise_and_a_hum_give_no_lines() {
    let mut sound = crate::common::silence(10_000);
    // White noise from a fixed seed, then mains hum.
    let mut state = 1_u32;
    sound.extend((0..10 * 16_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 * 0.2 - 0.1
    }));
    sound.extend(
        (0..10 * 16_000).map(|n| (n as f32 * 50.0 * std::f32::consts::TAU / 16_000.0).sin() * 0.1),
    );
    // Taps on the table.
    for tap in 0..10 {
        sound.extend(
            (0..400).map(|n| if n % 7 < 3 { 0.5 } else { -0.3 } * (-n as f32 / 80.0).exp()),
        );
        sound.extend(crate::common::silence(700 + tap * 50));
    }

    let (recogniser, mut events) = crate::common::recogniser();
    let feed = recogniser
        .open_feed(FeedInfo {
            language: Language::RUSSIAN,
            names: ["Ахметова", "Иванов", "Сейткали"].map(str::to_owned).into(),
            starts_ms: 0,
            known_until_ms: 0,
        })
        .unwrap();
    feed.push(crate::common::webm(&sound).into()).unwrap();
    drop(feed);
    let Some(otyrys_transcribe::RecogniserEvent::FeedFinished { .. }) = events.recv().await else {
        panic!("something was heard where nobody spoke");
    };
    recogniser.shutdown().await;
}
