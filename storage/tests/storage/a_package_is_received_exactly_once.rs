//! The registry takes a package whole or not at all, and once however often it is sent.

use crate::common::{Court, at, files_under, master_key};
use bytes::Bytes;
use futures_util::stream;
use otyrys_storage::{
    ArchivePath, Digest, Registry, StorageError,
    registry::{Case, FileInPackage, Limits, PackageFile, PackageManifest, Party, Sitting},
};
use serde_json::json;
use std::{convert::Infallible, fs, io::Read};

const NUMBER: &str = "7599-26-00-2/41";

async fn registry(court: &Court) -> Registry {
    let limits = Limits {
        max_file_bytes: 1000,
        max_files: 5,
    };
    let dir = court.dir.path().join("registry");
    let registry = Registry::open(
        court.database.clone(),
        &dir,
        limits,
        &*master_key(court.dir.path()).await,
    )
    .unwrap();
    registry.put_case(&case()).await.unwrap();
    registry
}

fn case() -> Case {
    Case {
        number: NUMBER.to_owned(),
        title: "A test".to_owned(),
        kind: "civil".to_owned(),
        court: "Almaty".to_owned(),
        parties: vec![Party {
            name: "P".to_owned(),
            role: "plaintiff".to_owned(),
        }],
        schedule: vec![Sitting {
            hearing: "h".to_owned(),
            courtroom: "3".to_owned(),
            scheduled_at: at(0),
        }],
    }
}

fn path(text: &str) -> ArchivePath {
    text.parse().unwrap()
}

async fn put(
    registry: &Registry,
    key: &str,
    name: &str,
    bytes: &[u8],
) -> Result<PackageFile, StorageError> {
    let pieces: Vec<Result<Bytes, Infallible>> = bytes
        .chunks(7)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    registry
        .put_file(key, &path(name), stream::iter(pieces))
        .await
}

fn contents(mut file: FileInPackage) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.bytes.read_to_end(&mut bytes).unwrap();
    bytes
}

fn manifest(files: Vec<PackageFile>) -> PackageManifest {
    let (case_number, hearing) = (NUMBER.to_owned(), "h".to_owned());
    PackageManifest {
        case_number,
        hearing,
        facts: json!({"n": 1}),
        files,
    }
}

#[tokio::test]
async fn sending_a_package_again_gives_the_same_receipt() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let manifest = manifest(vec![
        put(&registry, "k", "documents/protocol.html", b"<html>")
            .await
            .unwrap(),
        put(&registry, "k", "manifest.json", b"{}").await.unwrap(),
    ]);
    let receipt = registry.commit("k", &manifest, at(1)).await.unwrap();
    // The sender died before it read the receipt, and does everything again.
    for (name, bytes) in [
        ("documents/protocol.html", &b"<html>"[..]),
        ("manifest.json", b"{}"),
    ] {
        put(&registry, "k", name, bytes).await.unwrap();
    }
    assert_eq!(
        registry.commit("k", &manifest, at(2)).await.unwrap(),
        receipt
    );
    let packages = registry.packages_of(NUMBER).await.unwrap();
    assert_eq!(packages.len(), 1);
    assert_eq!(
        (&packages[0].manifest, packages[0].receipt.received_at),
        (&manifest, at(1))
    );
    assert_eq!(registry.package("k").await.unwrap(), packages[0]);
    let file = registry.file("k", &path("manifest.json")).await.unwrap();
    assert_eq!(contents(file), b"{}");
    assert_eq!(registry.case(NUMBER).await.unwrap(), case());
    assert_eq!(registry.cases().await.unwrap(), [case()]);
}

#[tokio::test]
async fn many_commits_at_once_are_one_package() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let manifest = manifest(vec![put(&registry, "k", "a", b"a").await.unwrap()]);
    let commits = (0..8).map(|n| registry.commit("k", &manifest, at(n)));
    let receipts = futures_util::future::try_join_all(commits).await.unwrap();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    assert_eq!(registry.packages_of(NUMBER).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_committed_package_is_never_changed() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let first = manifest(vec![put(&registry, "k", "a", b"a").await.unwrap()]);
    registry.commit("k", &first, at(1)).await.unwrap();
    let mut other = first.clone();
    other.facts = json!({"n": 2});
    let recommit = registry.commit("k", &other, at(2)).await;
    assert!(matches!(recommit, Err(StorageError::Conflict(_))));
    for (name, bytes) in [("a", b"b"), ("b", b"a")] {
        let refused = put(&registry, "k", name, bytes).await;
        assert!(matches!(refused, Err(StorageError::Conflict(_))));
    }
    let file = registry.file("k", &path("a")).await.unwrap();
    assert_eq!(contents(file), b"a");
}

#[tokio::test]
async fn a_package_with_a_missing_changed_or_unlisted_file_is_not_received() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let a = put(&registry, "k", "a", b"a").await.unwrap();
    let missing = PackageFile {
        path: path("b"),
        ..a.clone()
    };
    let changed = PackageFile {
        sha256: Digest::of(b"other"),
        ..a.clone()
    };
    let longer = PackageFile {
        size: 2,
        ..a.clone()
    };
    let commit = |files| {
        let (registry, manifest) = (&registry, manifest(files));
        async move { registry.commit("k", &manifest, at(1)).await }
    };
    let result = commit(vec![a.clone(), missing]).await;
    assert!(matches!(result, Err(StorageError::NotFound(name)) if name == "b"));
    assert!(matches!(
        commit(vec![changed]).await,
        Err(StorageError::Corrupt { .. })
    ));
    assert!(matches!(
        commit(vec![longer]).await,
        Err(StorageError::Corrupt { .. })
    ));
    assert!(matches!(
        commit(vec![]).await,
        Err(StorageError::Conflict(_))
    ));
    assert!(matches!(
        commit(vec![a.clone(), a.clone()]).await,
        Err(StorageError::Invalid(_))
    ));
    assert!(matches!(
        registry.package("k").await,
        Err(StorageError::NotFound(_))
    ));
    commit(vec![a]).await.unwrap();
}

#[tokio::test]
async fn senders_cannot_leave_their_folder_or_fill_the_disk() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let long = "k".repeat(129);
    for key in ["..", "a/b", "", ".incoming", long.as_str()] {
        let refused = put(&registry, key, "a", b"a").await;
        assert!(matches!(refused, Err(StorageError::Invalid(_))), "{key:?}");
    }
    let large = put(&registry, "k", "a", &[0; 1001]).await;
    assert!(matches!(large, Err(StorageError::Invalid(_))));
    let broken = stream::iter([Ok(Bytes::from_static(b"a")), Err("the line went down")]);
    let broken = registry.put_file("k", &path("a"), broken).await;
    assert!(matches!(broken, Err(StorageError::Invalid(_))));
    let mut many = Vec::new();
    for n in 0..6 {
        many.push(put(&registry, "many", &n.to_string(), b"a").await.unwrap());
    }
    let many = registry.commit("many", &manifest(many), at(1)).await;
    assert!(matches!(many, Err(StorageError::Invalid(_))));
    let incoming = court.dir.path().join("registry/packages/.incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn a_package_lies_encrypted_and_a_flipped_byte_of_it_is_found() {
    let court = Court::open().await;
    let registry = registry(&court).await;
    let spoken = b"these words were spoken in the courtroom";
    let files = vec![put(&registry, "k", "a", spoken).await.unwrap()];
    let place = court.dir.path().join("registry/packages/k/a");
    let whole = fs::read(&place).unwrap();
    let mut damaged = whole.clone();
    damaged[50] ^= 1;
    fs::write(&place, damaged).unwrap();
    let refused = registry.commit("k", &manifest(files.clone()), at(1)).await;
    assert!(
        matches!(refused, Err(StorageError::Corrupt { .. })),
        "{refused:?}"
    );
    fs::write(&place, whole).unwrap();
    registry.commit("k", &manifest(files), at(1)).await.unwrap();
    assert_eq!(
        contents(registry.file("k", &path("a")).await.unwrap()),
        spoken
    );
    for file in files_under(court.dir.path()) {
        let bytes = fs::read(court.dir.path().join(&file)).unwrap();
        assert!(
            !bytes.windows(spoken.len()).any(|window| window == spoken),
            "{file}"
        );
    }
    fs::remove_file(&place).unwrap();
    let gone = registry.file("k", &path("a")).await;
    assert!(
        matches!(gone, Err(StorageError::Corrupt { .. })),
        "{gone:?}"
    );
}
