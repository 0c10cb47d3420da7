//! `tests/vectors/seal/bundle` is what this version seals, and it holds. Other verifiers are tried
//! on it; `docs/RECORD-FORMAT.md` says how.

use crate::{
    authority::TestAuthority,
    common::{at, closed_hearing, files_under, published_key},
};
use otyrys_storage::{
    Authorities, Bundle, NodeKey, TimeStampQuery, Trust, Verdict, WitnessLedger, WitnessQuestion,
    manifest::{COSIGNED_NAME, TIME_STAMP_NAME},
    verify_trusting,
};
use std::{collections::BTreeMap, env, fs, path::Path};

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |file: String| {
        let bytes = fs::read(dir.join(&file)).unwrap();
        (file, bytes)
    };
    files_under(dir).into_iter().map(read).collect()
}

/// Has an authority and a witness vouch for the published bundle. No test can make the stamp again.
fn vouch(bundle: &Bundle, question: &WitnessQuestion, key: &NodeKey, vouched: &Path) {
    fs::remove_dir_all(vouched).unwrap_or_default();
    fs::create_dir(vouched).unwrap();
    let authority = TestAuthority::new();
    let query = TimeStampQuery::of(&bundle.seal().unwrap()).unwrap();
    let answer = authority.answer(&query.to_der().unwrap());
    fs::write(vouched.join(TIME_STAMP_NAME), answer).unwrap();
    fs::copy(authority.roots(), vouched.join("authority.pem")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // The witness has the court's key too: a vector needs no second secret.
    let own = published_key(dir.path());
    let name = "witness.example/published";
    let witness = WitnessLedger::open(dir.path(), name, own, vec![key.public()]).unwrap();
    let line = witness.add(&question.body(0).unwrap(), at(61)).unwrap();
    let cosigned = format!("{}{line}", question.note());
    fs::write(vouched.join(COSIGNED_NAME), cosigned).unwrap();
    fs::write(vouched.join("witness.txt"), witness.public().to_string()).unwrap();
}

/// After a change of the format: `OTYRYS_UPDATE_VECTORS=1` writes the published bundle anew.
#[tokio::test]
async fn the_published_bundle_is_the_one_that_this_version_seals() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/seal");
    let (published, vouched) = (vectors.join("bundle"), vectors.join("vouched"));
    let (court, input, key) = closed_hearing().await;
    let out = court.dir.path().join("bundle");
    let bundle = court.sealed(&out, &input, &key).unwrap();
    if env::var_os("OTYRYS_UPDATE_VECTORS").is_some() {
        fs::remove_dir_all(&published).unwrap_or_default();
        bundle.export(court.spool().keys(), &published).unwrap();
        let question = WitnessQuestion::of_seal(&bundle, court.spool().keys()).unwrap();
        vouch(&bundle, &question, &key, &vouched);
    }
    let (sealed, published_bytes) = (contents(&out), contents(&published));
    assert!(sealed.keys().eq(published_bytes.keys()));
    for (file, bytes) in sealed {
        assert_eq!(bytes, published_bytes[&file], "{file}");
    }
    for name in [TIME_STAMP_NAME, COSIGNED_NAME] {
        fs::copy(vouched.join(name), out.join(name)).unwrap();
    }
    let authorities = fs::read(vouched.join("authority.pem")).unwrap();
    let witness = fs::read_to_string(vouched.join("witness.txt")).unwrap();
    let trust = Trust {
        key: Some(key.public()),
        authorities: Some(Authorities::from_pem(&authorities).unwrap()),
        witnesses: vec![witness.parse().unwrap()],
    };
    let verdict = verify_trusting(&out, &trust).unwrap();
    let Verdict::Holds(report) = verdict else {
        panic!("the published bundle does not hold: {verdict:?}");
    };
    assert_eq!((report.leaves, report.checkpoints), (16, 4));
    let attested = report.attested;
    assert_eq!(attested.time_stamp.unwrap().authority, "CN=Test authority");
    assert_eq!(attested.witnesses["witness.example/published"].seal, at(61));
}
