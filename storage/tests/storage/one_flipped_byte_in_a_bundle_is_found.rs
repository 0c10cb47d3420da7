//! A sealed bundle proves itself, and whatever was changed in it is named.

use crate::common::{at, chunk, closed_hearing, files_under, segment};
use otyrys_storage::{
    Archive, Bundle, BundleInput, Digest, NodeKey, StorageError, Verdict, Violation, verify,
};
use std::{fs, path::Path};

fn violations(dir: &Path) -> Vec<Violation> {
    match verify(dir, None).unwrap() {
        Verdict::Broken(violations) => violations,
        Verdict::Holds(_) => Vec::new(),
    }
}

/// Changes a file of the bundle.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn an_untouched_bundle_holds_and_says_what_was_checked() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    let Verdict::Holds(report) = verify(&out, Some(&key.public())).unwrap() else {
        panic!("{:?}", violations(&out));
    };
    assert_eq!((report.events, report.segments, report.chunks), (5, 2, 8));
    // A line for each event and chunk, and for the end of each segment; the manifest.
    assert_eq!((report.leaves, report.checkpoints), (5 + 8 + 2 + 1, 3 + 1));
    assert_eq!(
        (report.hearing, report.key_id),
        (court.hearing, key.public().id())
    );
    assert_eq!(report.manifest_sha256, bundle.manifest_sha256);
    assert_eq!(report.files, files_under(&out).len() as u64);
    let bytes = files_under(&out)
        .into_iter()
        .map(|file| fs::metadata(out.join(file)).unwrap().len());
    assert_eq!(report.bytes, bytes.sum::<u64>());

    let other = NodeKey::load_or_create(&court.dir.path().join("other.pem")).unwrap();
    let Verdict::Broken(found) = verify(&out, Some(&other.public())).unwrap() else {
        panic!("another key's seal was taken");
    };
    assert_eq!(found[0].file, "key.txt");
    assert_eq!(court.sealed(&out, &input, &key).unwrap(), bundle);
}

#[tokio::test]
async fn one_flipped_bit_anywhere_is_found_in_the_file_where_it_is() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    court.sealed(&out, &input, &key).unwrap();
    let files = files_under(&out);
    assert_eq!(files.len(), 4 + 2 + 2 + 6);
    // A fixed seed: the same positions in every run (xorshift64, Marsaglia 2003).
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for file in files {
        let path = out.join(&file);
        let whole = fs::read(&path).unwrap();
        let mut positions = vec![0, whole.len() - 1];
        for _ in 0..40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            positions.push(usize::try_from(random % whole.len() as u64).unwrap());
        }
        for position in positions {
            let mut changed = whole.clone();
            changed[position] ^= 1 << (position % 8);
            overwrite(&path, &changed);
            let found = violations(&out);
            assert!(!found.is_empty(), "{file}, byte {position} went unseen");
            let named = found.iter().any(|violation| violation.file == file);
            assert!(named, "{file}, byte {position}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|violation| violation.offset <= position as u64),
                "{found:?}"
            );
            if file.ends_with(".webm") {
                let first = position as u64 / 700 * 700;
                assert_eq!((found.len(), found[0].offset), (1, first));
            }
        }
        overwrite(&path, &whole);
    }
    assert!(violations(&out).is_empty());
}

/// Nothing lists seal and key, so each of their bytes is tried, with the bit that makes another
/// digit and the bit that makes the same digit in upper case.
#[tokio::test]
async fn no_byte_of_the_seal_and_the_key_can_be_changed() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    court.sealed(&out, &input, &key).unwrap();
    for file in ["seal.txt", "key.txt"] {
        let path = out.join(file);
        let whole = fs::read(&path).unwrap();
        for (byte, mask) in (0..whole.len()).flat_map(|byte| [(byte, 0x01), (byte, 0x20)]) {
            let mut changed = whole.clone();
            changed[byte] ^= mask;
            fs::write(&path, &changed).unwrap();
            let found = violations(&out);
            assert!(
                matches!(&found[..], [only] if only.file == file),
                "{file}, byte {byte}: {found:?}"
            );
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_violation_in_the_record_names_the_second_of_the_hearing() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    let witness = &bundle.manifest.segments[1].path;
    let path = witness.under(&out);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * 700 + 5] ^= 0x80;
    overwrite(&path, &bytes);
    let found = violations(&out);
    assert_eq!((found[0].offset, found[0].second), (1400, Some(3.5)));
    assert_eq!(
        found[0].to_string(),
        format!(
            "{witness}, byte 1400, second 3.500 of the record: chunk 3 is not what was recorded"
        )
    );
}

/// Chunk 3 of the witness is replaced and the chunk log written anew from there on, so that the
/// chain holds: its leaves tell all the same where the change begins.
#[tokio::test]
async fn a_chunk_log_written_anew_is_found_at_its_first_line_that_is_not_in_the_log() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    let media = &bundle.manifest.segments[1].path;
    let log = media.as_str().replace(".webm", ".chunks.jsonl");
    let (forged_media, forged_log) = forged(&out.join(media.as_str()), &out.join(&log));
    overwrite(&out.join(media.as_str()), &forged_media);
    overwrite(&out.join(&log), forged_log.as_bytes());
    let third_line: usize = forged_log.split_inclusive('\n').take(2).map(str::len).sum();
    let places: Vec<_> = violations(&out)
        .into_iter()
        .map(|found| (found.file, found.offset, found.second))
        .collect();
    let expected = [
        (log, third_line as u64, Some(3.5)),
        (media.to_string(), 1400, Some(3.5)),
    ];
    assert_eq!(places, expected);
}

/// A record file with another third chunk, and a chunk log that holds with it.
fn forged(media: &Path, log: &Path) -> (Vec<u8>, String) {
    let mut media = fs::read(media).unwrap();
    media[1400..2100].fill(7);
    let log = fs::read_to_string(log).unwrap();
    let mut forged = String::new();
    let mut prev: Option<String> = None;
    for (n, line) in log.lines().enumerate() {
        let line = line.replace(
            &Digest::of(&chunk(3, 700)).to_string(),
            &Digest::of(&[7; 700]).to_string(),
        );
        let (body, _) = line.split_at(line.len() - 75);
        let (members, old) = body.split_at(body.len() - 65);
        let prev_is = prev.as_deref().unwrap_or(&old[..64]);
        let body = format!("{members}{prev_is}\"}}");
        let hash = Digest::of(body.as_bytes()).to_string();
        let open = &body[..body.len() - 1];
        forged.push_str(&format!("{open},\"hash\":\"{hash}\"}}\n"));
        assert_eq!(
            n < 2,
            forged.ends_with(&format!("{}\n", log.lines().nth(n).unwrap()))
        );
        prev = Some(hash);
    }
    (media, forged)
}

#[tokio::test]
async fn missing_added_shortened_and_lengthened_files_are_found() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    court.sealed(&out, &input, &key).unwrap();
    for file in files_under(&out) {
        let path = out.join(&file);
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(
            violations(&out).iter().any(|found| found.file == file),
            "{file} removed"
        );
        for changed in [&whole[..whole.len() - 1], &[&whole[..], b"\n"].concat()] {
            fs::write(&path, changed).unwrap();
            let found = violations(&out);
            assert!(
                found.iter().any(|found| found.file == file),
                "{file}: {found:?}"
            );
        }
        fs::write(&path, &whole).unwrap();
    }
    fs::write(out.join("documents/added.txt"), "x").unwrap();
    assert_eq!(violations(&out)[0].file, "documents/added.txt");
}

#[tokio::test]
async fn an_event_left_out_by_the_sealer_itself_is_found() {
    let (court, mut input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    input.events.remove(2);
    let refused = court.sealed(&out, &input, &key);
    assert!(matches!(refused, Err(StorageError::Conflict(_))));
    assert!(!out.exists());
}

#[tokio::test]
async fn a_log_that_is_not_the_one_of_record_and_events_is_not_sealed() {
    let (court, whole, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let refused = |input: &BundleInput| court.sealed(&out, input, &key);
    let mut input = whole.clone();
    input.log.runs.pop();
    assert!(
        matches!(refused(&input), Err(StorageError::Conflict(_))),
        "a line without a leaf"
    );
    input = whole.clone();
    input.log.runs[0].lines += 7;
    assert!(
        matches!(refused(&input), Err(StorageError::Conflict(_))),
        "a leaf without a line"
    );
    input = whole.clone();
    input.log.runs.swap(0, 1);
    assert!(
        matches!(refused(&input), Err(StorageError::Corrupt { .. })),
        "another order"
    );
    input = whole.clone();
    input.log.checkpoints.swap(0, 1);
    assert!(
        matches!(refused(&input), Err(StorageError::Corrupt { .. })),
        "a smaller checkpoint"
    );
    let other = NodeKey::load_or_create(&court.dir.path().join("other.pem")).unwrap();
    let refused = court.sealed(&out, &whole, &other);
    assert!(
        matches!(refused, Err(StorageError::Corrupt { .. })),
        "another key"
    );
    assert!(!out.exists());
}

/// The process may die between the seal and the name of the bundle. A second seal would say
/// something else of the same log.
#[tokio::test]
async fn a_bundle_that_has_its_seal_is_not_sealed_again() {
    let (court, mut input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let sealed = court.sealed(&out, &input, &key).unwrap();
    let made = &sealed.dir;
    fs::rename(made, made.with_extension("at-rest.partial")).unwrap();
    input.sealed_at = at(61);
    let found = court.sealed(&out, &input, &key).unwrap();
    assert_eq!(found, sealed);
    assert!(violations(&out).is_empty());
}

#[tokio::test]
async fn an_open_segment_and_one_with_a_damaged_line_are_not_sealed() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let facts = segment(court.hearing, court.judge, 9000);
    let mut writer = court.spool().open_segment(facts.clone()).unwrap();
    writer.append(&chunk(1, 10), 9500).unwrap();
    let open = court.sealed(&out, &input, &key);
    assert!(matches!(open, Err(StorageError::Conflict(_))));
    writer.finish().unwrap();
    let log = court
        .spool()
        .media_path(&facts)
        .with_extension("chunks.jsonl");
    let mut lines = fs::read(&log).unwrap();
    lines[10] ^= 1;
    fs::write(&log, lines).unwrap();
    let damaged = court.sealed(&out, &input, &key);
    assert!(matches!(damaged, Err(StorageError::Corrupt { .. })));
}

#[tokio::test]
async fn a_bundle_comes_out_of_the_archive_as_it_went_in() {
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    let root = court.dir.path().join("archive");
    let archive = Archive::in_folder(&root).unwrap();
    assert!(!archive.has(court.hearing).await.unwrap());
    archive.put(&bundle).await.unwrap();
    archive.put(&bundle).await.unwrap();
    assert!(archive.has(court.hearing).await.unwrap());

    let kept = root.join("bundles").join(court.hearing.to_string());
    let taken_out = court.dir.path().join("taken-out");
    let found = Bundle::read(&kept).unwrap();
    found.export(court.spool().keys(), &taken_out).unwrap();
    assert!(matches!(
        verify(&taken_out, Some(&key.public())).unwrap(),
        Verdict::Holds(_)
    ));
    let listed = archive.list(court.hearing).await.unwrap();
    let names: Vec<_> = listed
        .iter()
        .map(|(path, _)| path.as_str().to_owned())
        .collect();
    let mut expected = files_under(&out);
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn the_key_is_made_once_and_kept_from_others() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/node.pem");
    let made = NodeKey::load_or_create(&path).unwrap().public();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(NodeKey::load_or_create(&path).unwrap().public(), made);
    assert_eq!(
        made.to_string()
            .parse::<otyrys_storage::PublicKey>()
            .unwrap(),
        made
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        NodeKey::load_or_create(&path),
        Err(StorageError::Invalid(_))
    ));
}
