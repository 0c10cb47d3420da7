use super::{STARTS_MS, append, begun, record, recorded_sound};
use crate::playback::{PIECE_CLUSTERS, Playback, Sound};
use otyrys_storage::ids::ParticipantId;
use std::process::{Command, Stdio};

/// The encoder of the tests is 312 samples of 48 kHz ahead, which ffprobe takes off (RFC 7845,
/// section 4.2).
const PRE_SKIP_MS: u64 = 7;

/// What ffprobe, which is not ours, finds in a piece: the time of its first and of its last packet,
/// in milliseconds on the record clock, and whether all of it decodes.
fn played(sound: &Sound) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("piece.webm");
    std::fs::write(&path, &sound.bytes).unwrap();
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(["-v", "error"])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && complaints.is_empty(),
            "{complaints}"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let file = path.to_str().unwrap();
    run("ffmpeg", &["-xerror", "-i", file, "-f", "null", "-"]);
    let packets = run(
        "ffprobe",
        &["-show_entries", "packet=pts_time", "-of", "csv=p=0", file],
    );
    let times: Vec<f64> = packets
        .lines()
        .map(|line| line.trim_end_matches(',').parse().unwrap())
        .collect();
    let record_ms = |seconds: &f64| STARTS_MS + (seconds * 1_000.0).round() as u64;
    (
        record_ms(times.first().unwrap()),
        record_ms(times.last().unwrap()),
    )
}

#[tokio::test]
async fn it_begins_with_the_cluster_that_holds_the_moment_and_the_next_one_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, hearing) = record(dir.path()).await;
    let (facts, mut writer) = begun(&spool, hearing, ParticipantId::generate());
    append(&mut writer, &recorded_sound(dir.path(), 30, 1), 0, 100);
    writer.finish().unwrap();
    let playback = Playback::new(spool);

    let asked_ms = STARTS_MS + 12_345;
    let first = playback
        .sound(facts.clone(), asked_ms)
        .await
        .unwrap()
        .unwrap();
    assert!(first.from_ms <= asked_ms && asked_ms < first.from_ms + 1_100);
    let length_ms = first.to_ms - first.from_ms;
    assert!(
        (9_000..=11_000).contains(&length_ms),
        "{PIECE_CLUSTERS} s: {length_ms} ms"
    );
    let (begins_ms, last_ms) = played(&first);
    assert!(begins_ms.abs_diff(first.from_ms) <= PRE_SKIP_MS);
    assert!(last_ms < first.to_ms && first.to_ms - last_ms <= 40 + PRE_SKIP_MS);

    let second = playback
        .sound(facts.clone(), first.to_ms)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.from_ms, first.to_ms);
    assert!(played(&second).0.abs_diff(second.from_ms) <= PRE_SKIP_MS);

    // Before the file there is its beginning, and after its last cluster nothing new.
    let beginning = playback.sound(facts.clone(), 0).await.unwrap().unwrap();
    assert_eq!(beginning.from_ms, STARTS_MS);
    let end = playback.sound(facts, u64::MAX).await.unwrap().unwrap();
    assert!(end.from_ms > STARTS_MS + 28_000);
    played(&end);
}

#[tokio::test]
async fn a_file_that_grows_gives_whole_clusters_as_soon_as_they_are_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, hearing) = record(dir.path()).await;
    let (facts, mut writer) = begun(&spool, hearing, ParticipantId::generate());
    let playback = Playback::new(spool);
    assert_eq!(
        playback.sound(facts.clone(), STARTS_MS).await.unwrap(),
        None
    );

    let sound = recorded_sound(dir.path(), 6, 1);
    let mut reached_ms = STARTS_MS;
    for percent in (5..=100).step_by(5) {
        append(&mut writer, &sound, percent - 5, percent);
        let Some(piece) = playback.sound(facts.clone(), reached_ms).await.unwrap() else {
            continue;
        };
        assert_eq!(
            piece.from_ms, reached_ms,
            "nothing is left out or said twice"
        );
        played(&piece);
        reached_ms = piece.to_ms;
    }
    assert!(reached_ms >= STARTS_MS + 5_000, "{reached_ms}");
    // The last cluster is whole when the file has ended.
    assert_eq!(
        playback.sound(facts.clone(), reached_ms).await.unwrap(),
        None
    );
    writer.finish().unwrap();
    let last = playback.sound(facts, reached_ms).await.unwrap().unwrap();
    assert_eq!(last.from_ms, reached_ms);
    played(&last);
}
