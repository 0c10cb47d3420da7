use super::{STARTS_MS, append, begun, record, recorded_sound};
use crate::playback::Playback;
use otyrys_storage::ids::ParticipantId;

/// Half of full scale is -6.02 dBFS: 255 * (1 - 6.02 / 60).
const TONE: u8 = 229;

#[tokio::test]
async fn a_tone_has_its_level_and_silence_has_none_while_the_file_grows() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, hearing) = record(dir.path()).await;
    let (facts, mut writer) = begun(&spool, hearing, ParticipantId::generate());
    assert_eq!(facts.starts_ms, STARTS_MS);
    let playback = Playback::new(spool);
    let sound = recorded_sound(dir.path(), 5, 5);
    let mut levels: Vec<u8> = Vec::new();
    for percent in (20..=100).step_by(20) {
        append(&mut writer, &sound, percent - 20, percent);
        let from = u32::try_from(levels.len()).unwrap();
        let more = playback.loudness(facts.clone(), from).await.unwrap();
        assert_eq!((more.from, more.more), (from, false));
        levels.extend(more.levels);
    }
    writer.finish().unwrap();
    let from = u32::try_from(levels.len()).unwrap();
    levels.extend(playback.loudness(facts.clone(), from).await.unwrap().levels);

    let seconds = levels.len() / 10;
    assert!((8..=10).contains(&seconds), "{seconds} s");
    // Opus rings a little where a tone begins and ends.
    for level in &levels[2..48] {
        assert!(level.abs_diff(TONE) <= 4, "{levels:?}");
    }
    for level in &levels[53..] {
        assert!(*level < 30, "{levels:?}");
    }
    let again = Playback::new(playback.spool.clone());
    let whole = again.loudness(facts, 0).await.unwrap();
    let differ = |a: &u8, b: &u8| a.abs_diff(*b) > 8 && (*a > 30 || *b > 30);
    let different = whole
        .levels
        .iter()
        .zip(&levels)
        .filter(|(a, b)| differ(a, b));
    assert!(
        different.count() <= 3,
        "pieces and the whole agree:\n{levels:?}\n{:?}",
        whole.levels
    );
}
