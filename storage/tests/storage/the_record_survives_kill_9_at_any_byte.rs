//! Whatever moment the process dies at, acknowledged chunks stay and torn ends go.

use crate::common::{chunk, segment, spool_of};
use otyrys_storage::{
    RecordSpool, SegmentFacts, StorageError,
    chunk_log::Ending,
    ids::{HearingId, ParticipantId},
};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes on disk before the first chunk.
const HEADER: u64 = 32;
/// Bytes on disk that each chunk has beside its own: nonce and tag.
const OVERHEAD: u64 = 12 + 16;

/// A segment of three chunks of 100 bytes whose writer was killed.
async fn killed(dir: &Path) -> (RecordSpool, SegmentFacts, PathBuf, PathBuf) {
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 500);
    let spool = spool_of(dir, facts.hearing).await;
    let mut writer = spool.open_segment(facts.clone()).unwrap();
    for n in 1..=3 {
        writer
            .append(&chunk(n, 100), 500 + 1000 * u64::from(n))
            .unwrap();
    }
    drop(writer);
    let media = spool.media_path(&facts);
    let log = media.with_extension("chunks.jsonl");
    (spool, facts, media, log)
}

#[tokio::test]
async fn a_log_cut_at_every_byte_of_its_last_line_keeps_the_chunks_before() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, facts, media, log) = killed(dir.path()).await;
    let (whole_log, whole_media) = (fs::read(&log).unwrap(), fs::read(&media).unwrap());
    let line = whole_log[..whole_log.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    for cut in line..=whole_log.len() {
        fs::write(&log, &whole_log[..cut]).unwrap();
        fs::write(&media, &whole_media).unwrap();
        let recovery = spool.recover().unwrap();
        assert!(recovery.damaged.is_empty());
        let kept = if cut == whole_log.len() { 3 } else { 2 };
        let mended = &recovery.mended[0];
        assert_eq!(
            (mended.kept, mended.cut),
            (kept * 100, (3 - kept) * (100 + OVERHEAD)),
            "cut at {cut}"
        );

        let record = &spool.segments(facts.hearing).unwrap()[0];
        assert_eq!(record.ending, Some(Ending::Recovered));
        assert_eq!((record.chunks.len() as u64, record.len), (kept, kept * 100));
        assert_eq!(record.ends_ms, 500 + 1000 * kept);
        let stored = HEADER + kept * (100 + OVERHEAD);
        assert_eq!(fs::read(&media).unwrap(), whole_media[..stored as usize]);
        let mut plain = Vec::new();
        let mut reader = spool.reader(record).unwrap();
        reader.read_to_end(&mut plain).unwrap();
        let chunks = (1..=kept).flat_map(|n| chunk(n as u8, 100));
        assert_eq!(plain, chunks.collect::<Vec<_>>());
        assert!(spool.recover().unwrap().mended.is_empty(), "mended once");
    }
}

#[tokio::test]
async fn bytes_that_were_never_acknowledged_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, facts, media, log) = killed(dir.path()).await;
    let (whole_log, whole_media) = (fs::read(&log).unwrap(), fs::read(&media).unwrap());
    for torn in 0..(100 + OVERHEAD as usize) {
        fs::write(&log, &whole_log).unwrap();
        fs::write(&media, [&whole_media[..], &chunk(4, torn)].concat()).unwrap();
        assert_eq!(spool.recover().unwrap().mended[0].cut, torn as u64);
        assert_eq!(spool.segment(&facts).unwrap().len, 300);
        assert_eq!(fs::read(&media).unwrap(), whole_media);
    }
}

#[tokio::test]
async fn a_power_cut_that_leaves_zeros_for_the_last_line_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, facts, _, log) = killed(dir.path()).await;
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend([0; 4096]);
    fs::write(&log, bytes).unwrap();
    assert_eq!(spool.recover().unwrap().mended.len(), 1);
    assert_eq!(spool.segment(&facts).unwrap().chunks.len(), 3);
}

#[tokio::test]
async fn a_damaged_line_that_no_crash_explains_is_reported_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for victim in ["first line", "last line"] {
        let (spool, facts, _, log) = killed(&dir.path().join(victim)).await;
        let mut bytes = fs::read(&log).unwrap();
        let position = match victim {
            "first line" => 30,
            _ => bytes.len() - 100,
        };
        bytes[position] ^= 1;
        fs::write(&log, &bytes).unwrap();
        let recovery = spool.recover().unwrap();
        assert!(recovery.mended.is_empty(), "{victim}");
        assert!(
            matches!(recovery.damaged[..], [StorageError::Corrupt { .. }]),
            "{victim}"
        );
        assert_eq!(fs::read(&log).unwrap(), bytes, "{victim} untouched");
        assert!(spool.segment(&facts).is_err());
    }
}

#[tokio::test]
async fn a_segment_with_damaged_bytes_is_ended_with_its_damage_named_and_no_byte_changed() {
    let dir = tempfile::tempdir().unwrap();
    // 32 bytes of header, 128 for each chunk: a flipped bit, a lost end, a lost file.
    for (left, damaged) in [(Some(416), 2..=2), (Some(300), 3..=3), (None, 1..=3)] {
        let (spool, facts, media, _) = killed(&dir.path().join(format!("{left:?}"))).await;
        let mut bytes = fs::read(&media).unwrap();
        bytes.truncate(left.unwrap_or(0));
        match left {
            Some(_) => {
                bytes[200] ^= u8::from(damaged.contains(&2));
                fs::write(&media, &bytes).unwrap();
            }
            None => fs::remove_file(&media).unwrap(),
        }
        let recovery = spool.recover().unwrap();
        assert!(recovery.damaged.is_empty());
        let [mended] = recovery.mended.as_slice() else {
            panic!("{recovery:?}");
        };
        let [damage] = mended.damage.as_slice() else {
            panic!("{mended:?}");
        };
        assert_eq!(damage.first_chunk..=damage.last_chunk, damaged);
        assert_eq!((mended.kept, mended.cut), (300, 0));
        let record = spool.segment(&facts).unwrap();
        assert_eq!(record.ending, Some(Ending::Recovered));
        assert_eq!(fs::read(&media).unwrap_or_default(), bytes);
    }
}

#[tokio::test]
async fn who_reads_a_growing_file_is_led_past_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, facts, media, _) = killed(dir.path()).await;
    let mut bytes = fs::read(&media).unwrap();
    bytes[200] ^= 1;
    fs::write(&media, &bytes).unwrap();
    let read = |offset, max| {
        let tail = spool.read_from(&facts, offset, max).unwrap();
        (tail.bytes, tail.damaged_to)
    };
    assert_eq!(read(0, 1000), (chunk(1, 100), Some(200)));
    assert_eq!(read(0, 100), (chunk(1, 100), None));
    assert_eq!(read(150, 10), (Vec::new(), Some(200)));
    assert_eq!(read(200, 1000), (chunk(3, 100), None));
    // The first 32 bytes of the file are what the rest is read by.
    bytes[3] ^= 1;
    fs::write(&media, &bytes).unwrap();
    assert_eq!(read(0, 1000), (Vec::new(), Some(300)));
}

#[tokio::test]
async fn a_segment_that_never_got_a_chunk_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (hearing, participant) = (HearingId::generate(), ParticipantId::generate());
    let spool = spool_of(dir.path(), hearing).await;
    let died = segment(hearing, participant, 0);
    drop(spool.open_segment(died.clone()).unwrap());
    let ended = spool
        .open_segment(segment(hearing, participant, 0))
        .unwrap();
    ended.finish().unwrap();
    // Died before its facts were written.
    fs::remove_file(spool.media_path(&died).with_extension("segment.json")).unwrap();
    let recovery = spool.recover().unwrap();
    assert!(recovery.mended.is_empty() && recovery.damaged.is_empty());
    let left = crate::common::files_under(spool.dir());
    assert_eq!(left, [format!("{hearing}/hearing.key")]);
}

#[tokio::test]
async fn the_recogniser_reads_exactly_what_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 500);
    let spool = spool_of(dir.path(), facts.hearing).await;
    let mut writer = spool.open_segment(facts.clone()).unwrap();
    let tail = spool.read_from(&facts, 0, 1000).unwrap();
    assert_eq!(
        (
            tail.bytes.len(),
            tail.acknowledged,
            tail.ends_ms,
            tail.ended
        ),
        (0, 0, 500, false)
    );

    writer.append(&chunk(1, 100), 1500).unwrap();
    let acknowledged = writer.append(&chunk(2, 50), 1200).unwrap();
    assert_eq!(
        (acknowledged.chunks, acknowledged.len, acknowledged.ends_ms),
        (2, 150, 1500)
    );
    // Bytes in the file that no line speaks of do not count.
    let media = spool.media_path(&facts);
    let mut bytes = fs::read(&media).unwrap();
    bytes.extend(chunk(9, 30));
    fs::write(&media, bytes).unwrap();
    let tail = spool.read_from(&facts, 90, 1000).unwrap();
    assert_eq!(tail.bytes, [&chunk(1, 100)[90..], &chunk(2, 50)].concat());
    assert_eq!(
        (tail.acknowledged, tail.ends_ms, tail.ended),
        (150, 1500, false)
    );
    assert_eq!(spool.read_from(&facts, 90, 5).unwrap().bytes.len(), 5);

    writer.finish().unwrap();
    let tail = spool.read_from(&facts, 150, 1000).unwrap();
    assert_eq!(
        (tail.bytes.len(), tail.acknowledged, tail.ended),
        (0, 150, true)
    );
}
