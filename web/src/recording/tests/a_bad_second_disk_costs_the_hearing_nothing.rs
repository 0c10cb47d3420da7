use super::*;

/// How much sound there is of a hearing, in tenths of a second, by ffmpeg.
fn tenths(spool: &RecordSpool, hearing: HearingId, folder: &Path) -> Vec<usize> {
    let segments = spool.segments(hearing).unwrap();
    let decoded = segments.iter().map(|segment| {
        let path = folder.join(format!("{}.webm", SegmentId::generate()));
        let mut plain = std::fs::File::create(&path).unwrap();
        io::copy(&mut spool.reader(segment).unwrap(), &mut plain).unwrap();
        loudness(&path).len()
    });
    decoded.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hangs_is_waited_for_by_nobody_and_told_at_the_bench() {
    // A second of packets may wait.
    let court = Court::open_with(50).await;
    let mut microphone = court.microphone(1);
    let hearing = microphone.hearing;
    let voice = opus(350, 0.3);
    let mut clock = time::interval(PACKET);
    for packet in &voice[..50] {
        clock.tick().await;
        court.send(&mut microphone, packet, LOUD);
    }
    let disk = Arc::clone(&court.second_disk);
    let (hangs, let_go) = std::sync::mpsc::sync_channel::<()>(0);
    let holder = std::thread::spawn(move || {
        let _hangs = lock(&disk);
        // Until the test lets go.
        let _ = let_go.recv();
    });
    let mut longest = Duration::ZERO;
    for packet in &voice[50..300] {
        clock.tick().await;
        let before = Instant::now();
        court.send(&mut microphone, packet, LOUD);
        longest = longest.max(before.elapsed());
    }
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    assert!(court.recording.backup_fails(), "after 5 s");
    assert!(!court.recording.hangs());
    assert_eq!(court.recording.fault(hearing), None);
    drop(hangs);
    holder.join().unwrap();
    for packet in &voice[300..] {
        clock.tick().await;
        court.send(&mut microphone, packet, LOUD);
    }
    assert!(!court.recording.backup_fails(), "it writes again");
    let failures = court.backup_failures.clone();
    let (stores, folder) = court.close().await;
    assert!(failures.get() > 0, "what did not fit is counted");
    let record = tenths(&stores.spool, hearing, folder.path());
    assert!(matches!(record[..], [69..=71]), "{record:?}");
    assert!(!stores.backup.unwrap().segments(hearing).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_full_is_told_and_written_again_when_it_has_room() {
    let court = Court::open().await;
    let mut microphone = court.microphone(1);
    let hearing = microphone.hearing;
    let voice = opus(550, 0.3);
    let mut clock = time::interval(PACKET);
    for (number, packet) in voice.iter().enumerate() {
        clock.tick().await;
        court.send(&mut microphone, packet, LOUD);
        match number {
            100 => *lock(&court.second_disk) = true,
            200 => {
                assert!(court.recording.backup_fails(), "after 2 s");
                assert_eq!(court.recording.fault(hearing), None);
                *lock(&court.second_disk) = false;
            }
            _ => {}
        }
    }
    // It is left alone for 5 s, and then has 2 s of sound.
    assert!(!court.recording.backup_fails());
    let failures = court.backup_failures.clone();
    let (stores, folder) = court.close().await;
    assert!(failures.get() > 0);
    let record = tenths(&stores.spool, hearing, folder.path());
    assert!(matches!(record[..], [109..=111]), "{record:?}");
    let backup = stores.backup.unwrap();
    backup.recover().unwrap();
    let copies = tenths(&backup, hearing, folder.path());
    // The last chunk before it was full was not yet on it.
    assert!(matches!(copies[..], [12..=22, 20..=45]), "{copies:?}");
}
