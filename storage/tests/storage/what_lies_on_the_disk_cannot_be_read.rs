//! Record and bundle lie encrypted on the disk; what of it is damaged, missing or foreign is said.

use crate::common::{Court, chunk, closed_hearing, files_under, master_key, segment, spool_of};
use otyrys_storage::{
    Archive, BlockReader, Bundle, Damage, KeySource, MasterKey, RecordSpool, StorageError, Verdict,
    ids::{HearingId, ParticipantId},
    verify,
};
use std::{
    collections::HashSet,
    fs,
    io::{Cursor, Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

/// What is said in a hearing of these tests; it is nowhere else.
const SPOKEN: &[u8] = b"these words were spoken in the courtroom and may not be found";

/// The files in which these bytes are found.
fn files_with(root: &Path, bytes: &[u8]) -> Vec<String> {
    let holds = |file: &String| {
        let found = fs::read(root.join(file)).unwrap();
        found.windows(bytes.len()).any(|window| window == bytes)
    };
    files_under(root).into_iter().filter(holds).collect()
}

#[tokio::test]
async fn nothing_that_was_spoken_is_found_in_any_file_of_the_data_folder() {
    let (court, mut input, key) = closed_hearing().await;
    let (root, hearing) = (court.dir.path(), court.hearing);
    let mut writer = court
        .spool()
        .open_segment(segment(hearing, court.judge, 9000))
        .unwrap();
    writer.append(SPOKEN, 9700).unwrap();
    assert!(files_with(root, SPOKEN).is_empty(), "while it is recorded");
    writer.finish().unwrap();

    let copy = root.join("copy.webm");
    let mut file = court.spool().keys().create_file(hearing, &copy).unwrap();
    file.write_all(SPOKEN).unwrap();
    file.finish().unwrap();
    input.attachments = vec![("playback/copy.webm".parse().unwrap(), copy)];
    input.documents = vec![("protocol.html".to_owned(), SPOKEN.to_vec())];
    let mut log = court.log(&key).await.unwrap();
    let whole = otyrys_storage::Reach::Whole;
    court.sign(&mut log, &key, whole).await.unwrap();
    input.log = court.database.hearing_log(hearing).await.unwrap();
    let bundle = Bundle::write(&root.join("bundle"), &input, &court.spool(), &key).unwrap();
    let archive = Archive::in_folder(&root.join("archive")).unwrap();
    archive.put(&bundle).await.unwrap();
    assert!(files_with(root, SPOKEN).is_empty(), "closed and archived");

    let exported = tempfile::tempdir().unwrap();
    let target = exported.path().join("bundle");
    bundle.export(court.spool().keys(), &target).unwrap();
    assert_eq!(files_with(&target, SPOKEN).len(), 3, "handed out");
    assert!(matches!(verify(&target, None).unwrap(), Verdict::Holds(_)));
    let again = bundle.export(court.spool().keys(), &target);
    assert!(matches!(again, Err(StorageError::Conflict(_))));

    let zip = exported.path().join("bundle.zip");
    bundle.export(court.spool().keys(), &zip).unwrap();
    let unpacked = exported.path().join("unpacked");
    let mut archive = zip::ZipArchive::new(fs::File::open(&zip).unwrap()).unwrap();
    archive.extract(&unpacked).unwrap();
    assert!(matches!(
        verify(&unpacked, None).unwrap(),
        Verdict::Holds(_)
    ));
}

#[tokio::test]
async fn a_flipped_byte_of_a_chunk_costs_that_chunk_and_is_told_with_its_second() {
    let dir = tempfile::tempdir().unwrap();
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 0);
    let spool = spool_of(dir.path(), facts.hearing).await;
    let mut writer = spool.open_segment(facts.clone()).unwrap();
    for n in 1..=3 {
        writer.append(&chunk(n, 100), 1500 * u64::from(n)).unwrap();
    }
    writer.finish().unwrap();
    let path = spool.media_path(&facts);
    let whole = fs::read(&path).unwrap();
    let record = spool.segment(&facts).unwrap();
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        fs::write(&path, bytes).unwrap();
        // 32 bytes of header, without which nothing can be read; 28 beside each chunk.
        let damaged = match position.checked_sub(32).map(|byte| byte / 128) {
            Some(n) => n..n + 1,
            None => 0..3,
        };
        let expected = Damage {
            first_chunk: damaged.start as u64 + 1,
            last_chunk: damaged.end as u64,
            offset: damaged.start as u64 * 100,
            len: damaged.len() as u64 * 100,
            from_ms: damaged.start as u64 * 1500,
            to_ms: damaged.end as u64 * 1500,
        };
        let mut reader = spool.reader(&record).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(reader.damage(), [expected], "{position}");
        let whole = |n: usize| match damaged.contains(&n) {
            true => vec![0; 100],
            false => chunk(n as u8 + 1, 100),
        };
        assert_eq!(read, (0..3).flat_map(whole).collect::<Vec<_>>());
    }
    // Two chunks of the same size in each other's places.
    let mut bytes = whole.clone();
    bytes[32..32 + 256].rotate_left(128);
    fs::write(&path, bytes).unwrap();
    let (_, damage) = spool.reader(&record).unwrap().examine().unwrap();
    let damaged: Vec<_> = damage
        .iter()
        .map(|d| (d.first_chunk, d.last_chunk))
        .collect();
    assert_eq!(damaged, [(1, 2)]);
}

#[tokio::test]
async fn a_file_of_a_bundle_that_was_changed_or_cut_off_at_any_block_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let hearing = HearingId::generate();
    let spool = spool_of(dir.path(), hearing).await;
    let path = dir.path().join("file");
    let plain = chunk(7, 200_000);
    let mut file = spool.keys().create_file(hearing, &path).unwrap();
    file.write_all(&plain).unwrap();
    file.finish().unwrap();
    let whole = fs::read(&path).unwrap();
    let block = (64 << 10) + 28;
    assert_eq!(whole.len(), 32 + 4 * 28 + plain.len());
    let read = || {
        let mut file = spool.keys().open_file(hearing, &path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| StorageError::NotWritable {
                what: "x".to_owned(),
                source: error,
            })?;
        Ok::<_, StorageError>(bytes)
    };
    assert_eq!(read().unwrap(), plain);
    let mut damaged = vec![Vec::new(), whole[..20].to_vec(), whole[..32].to_vec()];
    for cut in 1..4 {
        damaged.push(whole[..32 + cut * block].to_vec());
        damaged.push(whole[..whole.len() - cut * 30_000].to_vec());
    }
    for position in [0, 16, 31, 32, 44, 32 + block, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x40;
        damaged.push(bytes);
    }
    let mut swapped = whole.clone();
    swapped[32..32 + 2 * block].rotate_left(block);
    damaged.push(swapped);
    damaged.push([whole.as_slice(), b"more"].concat());
    damaged.push(plain.clone());
    for (case, bytes) in damaged.into_iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        assert!(read().is_err(), "case {case}");
    }
}

/// A muxer goes back into what it wrote. The same is done to a file in memory.
#[tokio::test]
async fn a_file_that_is_written_in_any_order_reads_as_if_it_were_plain() {
    let dir = tempfile::tempdir().unwrap();
    let hearing = HearingId::generate();
    let spool = spool_of(dir.path(), hearing).await;
    let path = dir.path().join("file");
    // A fixed seed: the same story in every run (xorshift64, Marsaglia 2003).
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for writes in [0, 1, 3, 60] {
        let mut file = spool.keys().create_file(hearing, &path).unwrap();
        let mut plain = Cursor::new(Vec::new());
        for n in 0..writes {
            let to = next(plain.get_ref().len() as u64 + 1);
            let to = if n % 3 == 0 {
                to
            } else {
                plain.get_ref().len() as u64
            };
            let bytes = chunk(
                u8::try_from(n).unwrap(),
                usize::try_from(next(90_000)).unwrap(),
            );
            for place in [&mut file as &mut dyn WriteSeek, &mut plain] {
                place.seek(SeekFrom::Start(to)).unwrap();
                place.write_all(&bytes).unwrap();
            }
        }
        file.finish().unwrap();
        let plain = plain.into_inner();
        let mut file: BlockReader = spool.keys().open_file(hearing, &path).unwrap();
        assert_eq!(file.len(), plain.len() as u64);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert!(bytes == plain, "{writes} writes");
        for _ in 0..20 {
            let from = next(plain.len() as u64 + 1);
            file.seek(SeekFrom::Start(from)).unwrap();
            let mut range = Vec::new();
            (&mut file).take(100_000).read_to_end(&mut range).unwrap();
            let from = usize::try_from(from).unwrap();
            assert!(range == plain[from..plain.len().min(from + 100_000)]);
        }
        assert_no_nonce_comes_twice(&path);
    }
}

trait WriteSeek: Write + Seek {}
impl<T: Write + Seek> WriteSeek for T {}

/// Of the pieces that lie in a file of blocks.
fn assert_no_nonce_comes_twice(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let mut nonces = HashSet::new();
    for block in bytes[32..].chunks((64 << 10) + 28) {
        assert!(nonces.insert(block[..12].to_vec()), "{}", path.display());
    }
}

/// Segments are begun, appended to, killed, mended, removed without a chunk and begun anew under
/// the same name. Every piece that ever stood in a file is kept here with its file's salt.
#[tokio::test]
async fn no_nonce_comes_twice_under_one_key_whatever_is_killed_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let facts = segment(HearingId::generate(), ParticipantId::generate(), 0);
    let spool = spool_of(dir.path(), facts.hearing).await;
    let (path, mut seen) = (spool.media_path(&facts), HashSet::new());
    for story in 0..30_u8 {
        let mut writer = spool.open_segment(facts.clone()).unwrap();
        let mut begins = 32;
        for n in 0..story % 4 {
            let bytes = chunk(story ^ n, 100 + usize::from(n));
            writer.append(&bytes, 100).unwrap();
            let stored = fs::read(&path).unwrap();
            let nonce_of_key = (
                stored[16..32].to_vec(),
                stored[begins..begins + 12].to_vec(),
            );
            assert!(seen.insert(nonce_of_key), "story {story}, chunk {n}");
            begins += bytes.len() + 28;
        }
        drop(writer);
        // The line of the first chunk is torn: its bytes were on the disk, and the segment goes.
        let log = path.with_extension("chunks.jsonl");
        if story % 4 == 1 {
            fs::write(&log, "{\"n\":1").unwrap();
        }
        assert!(spool.recover().unwrap().damaged.is_empty());
        if path.exists() {
            for file in [&path, &log, &path.with_extension("segment.json")] {
                fs::remove_file(file).unwrap();
            }
        }
    }
    assert_eq!(seen.len(), 7 * 6 + 1, "every chunk was looked at");
}

#[tokio::test]
async fn the_key_of_a_hearing_outlives_the_loss_of_its_file_or_its_row() {
    let (court, input, key) = closed_hearing().await;
    let (spool, hearing) = (court.spool(), court.hearing);
    let file = spool.hearing_dir(hearing).join("hearing.key");
    let line = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let bundle = court.dir.path().join("bundle");
    let lost = Bundle::write(&bundle, &input, &spool, &key).unwrap_err();
    assert!(
        matches!(lost, StorageError::KeyMissing(of) if of == hearing),
        "{lost}"
    );
    spool.keys().ensure(&court.database, hearing).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
    Bundle::write(&bundle, &input, &spool, &key).unwrap();

    // Another database, as after a disaster: the files are enough.
    let other = Court::open().await;
    let again = fs::read_dir(spool.hearing_dir(hearing)).unwrap().count();
    assert!(again > 1);
    other
        .database
        .create_hearing(&crate::common::new_hearing(
            hearing,
            ParticipantId::generate(),
            ParticipantId::generate(),
        ))
        .await
        .unwrap();
    spool.keys().ensure(&other.database, hearing).await.unwrap();
    fs::remove_file(&file).unwrap();
    spool.keys().ensure(&other.database, hearing).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
}

#[tokio::test]
async fn a_hearing_whose_key_is_lost_gets_no_other_one_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (lost, lives) = (HearingId::generate(), HearingId::generate());
    for hearing in [lost, lives] {
        let spool = spool_of(dir.path(), hearing).await;
        let facts = segment(hearing, ParticipantId::generate(), 0);
        spool
            .open_segment(facts)
            .unwrap()
            .append(&chunk(1, 100), 1000)
            .unwrap();
    }
    let spool = spool_of(dir.path(), lives).await;
    fs::remove_file(spool.hearing_dir(lost).join("hearing.key")).unwrap();
    let made = spool.keys().create(lost);
    assert!(matches!(made, Err(StorageError::KeyMissing(of)) if of == lost));
    let recovery = spool.recover().unwrap();
    assert_eq!(recovery.mended.len(), 1, "the other hearing");
    assert_eq!(recovery.mended[0].facts.hearing, lives);
    assert!(matches!(recovery.damaged[..], [StorageError::KeyMissing(of)] if of == lost));
}

#[tokio::test]
async fn another_master_key_is_told_with_the_file_that_it_did_not_wrap() {
    let (court, ..) = closed_hearing().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = master_key(elsewhere.path()).await;
    let spool = RecordSpool::new(court.dir.path().join("record"), Arc::clone(&other));
    let refused = spool.keys().ensure(&court.database, court.hearing).await;
    let words = refused.unwrap_err().to_string();
    assert!(
        words.contains("master.key is not the master key"),
        "{words}"
    );
    assert!(words.contains("hearing.key"), "{words}");
    assert!(
        !format!("{other:?}")
            .contains(&fs::read_to_string(elsewhere.path().join("keys/master.key")).unwrap()[..8])
    );

    // A wrapped key under another hearing's name.
    let (from, to) = (
        court.spool().hearing_dir(court.hearing),
        HearingId::generate(),
    );
    let line = fs::read_to_string(from.join("hearing.key")).unwrap();
    let forged = line.replace(&court.hearing.to_string(), &to.to_string());
    fs::create_dir_all(court.spool().hearing_dir(to)).unwrap();
    fs::write(court.spool().hearing_dir(to).join("hearing.key"), forged).unwrap();
    let opened = court.spool().open_segment(segment(to, court.judge, 0));
    assert!(matches!(opened, Err(StorageError::Corrupt { .. })));
}

#[tokio::test]
async fn the_master_key_comes_from_a_private_file_or_from_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys/master.key");
    let source = KeySource::File(path.clone());
    let missing = MasterKey::load(&source).await;
    assert!(
        matches!(missing, Err(StorageError::MasterKey(_))),
        "{missing:?}"
    );
    let hearing = HearingId::generate();
    let spool = spool_of(dir.path(), hearing).await;
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let cat = |file: &str| KeySource::Command(vec!["cat".to_owned(), file.to_owned()]);
    let told = MasterKey::load(&cat(path.to_str().unwrap())).await.unwrap();
    let same = RecordSpool::new(spool.dir(), Arc::new(told));
    let facts = segment(hearing, ParticipantId::generate(), 0);
    same.open_segment(facts)
        .unwrap()
        .append(&chunk(1, 9), 9)
        .unwrap();
    for failing in [
        cat("/nowhere"),
        cat("/dev/null"),
        KeySource::Command(vec!["/nowhere".to_owned()]),
    ] {
        let refused = MasterKey::load(&failing).await;
        assert!(
            matches!(refused, Err(StorageError::MasterKey(_))),
            "{refused:?}"
        );
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let open = MasterKey::load(&source).await;
    assert!(matches!(open, Err(StorageError::Invalid(_))), "{open:?}");
}
