//! `tests/vectors/seal/bundle` is what this version seals, and it holds. Other verifiers are tried
//! on it; `docs/RECORD-FORMAT.md` says how.

use crate::common::{closed_hearing, files_under};
use otyrys_storage::{Verdict, verify};
use std::{collections::BTreeMap, env, fs, path::Path};

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |file: String| {
        let bytes = fs::read(dir.join(&file)).unwrap();
        (file, bytes)
    };
    files_under(dir).into_iter().map(read).collect()
}

/// After a change of the format: `OTYRYS_UPDATE_VECTORS=1` writes the published bundle anew.
#[tokio::test]
async fn the_published_bundle_is_the_one_that_this_version_seals() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/seal/bundle");
    let (court, input, key) = closed_hearing().await;
    if env::var_os("OTYRYS_UPDATE_VECTORS").is_some() {
        fs::remove_dir_all(&published).unwrap_or_default();
        court.sealed(&published, &input, &key).unwrap();
    }
    let out = court.dir.path().join("bundle");
    court.sealed(&out, &input, &key).unwrap();
    let (sealed, published_bytes) = (contents(&out), contents(&published));
    assert!(sealed.keys().eq(published_bytes.keys()));
    for (file, bytes) in sealed {
        assert_eq!(bytes, published_bytes[&file], "{file}");
    }
    let Verdict::Holds(report) = verify(&published, Some(&key.public())).unwrap() else {
        panic!("the published bundle does not hold");
    };
    assert_eq!((report.leaves, report.checkpoints), (16, 4));
}
