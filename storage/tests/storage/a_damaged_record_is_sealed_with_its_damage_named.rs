//! What rotted on the disk keeps nobody from sealing the rest.

use crate::common::{Court, chunk, closed_hearing, files_under};
use otyrys_storage::{Damage, SegmentRecord, Verdict, VerifyReport, verify};
use std::{fs, path::Path};

/// Bytes on disk before the first chunk of 700, and of each chunk.
const HEADER: usize = 32;
const STORED: usize = 700 + 28;

fn holds(dir: &Path) -> VerifyReport {
    match verify(dir, None).unwrap() {
        Verdict::Holds(report) => report,
        Verdict::Broken(violations) => panic!("{violations:?}"),
    }
}

/// The witness's record, of four chunks that end at 2.5, 3.5, 4.5 and 5.5 s.
fn witness(court: &Court) -> SegmentRecord {
    court.spool().segments(court.hearing).unwrap().remove(1)
}

/// Damage of chunks in a row, by their numbers.
fn damage(first_chunk: u64, last_chunk: u64) -> Damage {
    Damage {
        first_chunk,
        last_chunk,
        offset: (first_chunk - 1) * 700,
        len: (last_chunk - first_chunk + 1) * 700,
        from_ms: 1500 + 1000 * (first_chunk - 1),
        to_ms: 1500 + 1000 * last_chunk,
    }
}

#[tokio::test]
async fn a_flipped_byte_a_lost_end_and_a_lost_file_cost_what_they_hit_and_nothing_else() {
    type Rot = fn(&mut Vec<u8>);
    let cases: [(Rot, Vec<Damage>); 5] = [
        (|bytes| bytes[HEADER + STORED + 5] ^= 1, vec![damage(2, 2)]),
        (
            |bytes| {
                bytes[HEADER] ^= 1;
                bytes[HEADER + 4 * STORED - 1] ^= 1;
            },
            vec![damage(1, 1), damage(4, 4)],
        ),
        (
            |bytes| bytes.truncate(HEADER + 3 * STORED - 1),
            vec![damage(3, 4)],
        ),
        (|bytes| bytes[3] ^= 1, vec![damage(1, 4)]),
        (Vec::clear, vec![damage(1, 4)]),
    ];
    for (number, (rot, expected)) in cases.into_iter().enumerate() {
        let (court, input, key) = closed_hearing().await;
        let record = witness(&court);
        let media = court.spool().media_path(&record.facts);
        let mut bytes = fs::read(&media).unwrap();
        rot(&mut bytes);
        // The last case: the file is gone.
        match bytes.is_empty() {
            true => fs::remove_file(&media).unwrap(),
            false => fs::write(&media, bytes).unwrap(),
        }
        let out = court.dir.path().join("bundle");
        let bundle = court.sealed(&out, &input, &key).unwrap();
        let report = holds(&out);
        let [file] = report.damaged.as_slice() else {
            panic!("case {number}: {:?}", report.damaged);
        };
        assert_eq!(file.damage, expected, "case {number}");
        assert_eq!(bundle.damage(record.facts.segment), expected);
        let sealed = fs::read(file.path.under(&out)).unwrap();
        for n in 1..=4_u8 {
            let place = (usize::from(n) - 1) * 700;
            let damaged = expected.iter().any(|damage| {
                (damage.offset..damage.offset + damage.len).contains(&(place as u64))
            });
            let whole = if damaged { vec![0; 700] } else { chunk(n, 700) };
            assert_eq!(
                sealed[place..place + 700],
                whole,
                "case {number}, chunk {n}"
            );
        }
        // What was damaged stays where it is, for whoever may read more of it.
        court.spool().remove_media(&bundle).unwrap();
        let left = files_under(court.spool().dir());
        let left = left.iter().filter(|file| file.ends_with(".webm")).count();
        assert_eq!(left, usize::from(number != 4));
    }
}

#[tokio::test]
async fn what_was_not_damaged_when_it_was_sealed_is_found_if_it_is_changed_to_look_so() {
    let (court, input, key) = closed_hearing().await;
    let record = witness(&court);
    let media = court.spool().media_path(&record.facts);
    let mut bytes = fs::read(&media).unwrap();
    bytes[HEADER + STORED] ^= 1;
    fs::write(&media, bytes).unwrap();
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    let path = bundle.manifest.segments[1].path.under(&out);
    let sealed = fs::read(&path).unwrap();
    // Zeros over another chunk, a bit in the zeros, and the true bytes where zeros were sealed.
    type Change = fn(&mut [u8]);
    let changes: [(Change, u64, &str); 3] = [
        (
            |b| b[1400..2100].fill(0),
            1400,
            "chunk 3 is not what was recorded",
        ),
        (|b| b[900] = 1, 700, "chunk 2 is not what was recorded"),
        (
            |b| b[700..1400].copy_from_slice(&chunk(2, 700)),
            700,
            "chunk 2 is listed as damaged, and holds",
        ),
    ];
    for (change, offset, reason) in changes {
        let mut changed = sealed.clone();
        change(&mut changed);
        fs::write(&path, changed).unwrap();
        let Verdict::Broken(found) = verify(&out, None).unwrap() else {
            panic!("went unseen: {reason}");
        };
        let found: Vec<_> = found
            .iter()
            .map(|v| (v.offset, v.reason.as_str()))
            .collect();
        assert_eq!(found, [(offset, reason)]);
    }
}
