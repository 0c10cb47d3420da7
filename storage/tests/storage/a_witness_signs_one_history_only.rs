//! What a witness has seen it holds a court to, over every restart.

use crate::common::{Court, at, closed_hearing, event, published_key};
use otyrys_storage::{
    Bundle, HearingLog, NodeKey, Reach, Trust, Verdict, WitnessLedger, WitnessQuestion,
    WitnessRefusal, manifest::COSIGNED_NAME, verify_trusting,
};
use std::{fs, path::Path};

const NAME: &str = "witness.example/court-2";

/// A witness of this court, as a process that has just been started finds it.
fn witness(dir: &Path, court: &NodeKey) -> WitnessLedger {
    let key = NodeKey::load_or_create(&dir.join("witness.pem")).unwrap();
    WitnessLedger::open(&dir.join("witness"), NAME, key, vec![court.public()]).unwrap()
}

async fn grown(court: &Court, log: &mut HearingLog, key: &NodeKey, second: i64) -> WitnessQuestion {
    let happened = vec![event("act", second)];
    court
        .database
        .append_events(court.hearing, happened)
        .await
        .unwrap();
    court.sign(log, key, Reach::Whole).await.unwrap();
    question(court).await
}

async fn question(court: &Court) -> WitnessQuestion {
    let found = WitnessQuestion::of_log(&court.database, &court.spool(), court.hearing).await;
    found.unwrap().unwrap()
}

#[tokio::test]
async fn a_log_that_grows_is_signed_and_what_was_seen_outlives_the_process() {
    let court = Court::open().await;
    let dir = court.dir.path();
    let key = published_key(dir);
    let mut log = court.log(&key).await.unwrap();
    for second in 1..=9 {
        let asked = grown(&court, &mut log, &key, second).await;
        let old = court.database.witnessed(court.hearing, NAME).await.unwrap();
        // A new process each time.
        let witness = witness(dir, &key);
        let line = witness.add(&asked.body(old).unwrap(), at(second)).unwrap();
        let line = asked.answered(&line, &witness.public()).unwrap();
        let (size, hearing) = (asked.size(), court.hearing);
        court
            .database
            .add_cosignature(hearing, size, NAME, &line)
            .await
            .unwrap();
    }
    // The log is built anew from notes that carry both signatures.
    court.log(&key).await.unwrap();
    let notes = court
        .database
        .hearing_log(court.hearing)
        .await
        .unwrap()
        .checkpoints;
    assert!(notes.iter().all(|note| note.contains(NAME)), "{notes:?}");
}

#[tokio::test]
async fn a_court_that_takes_something_back_gets_no_signature() {
    // Two courts that say they were the same one: up to here they say the same.
    let (court, _, key) = closed_hearing().await;
    let (forked, _, _) = closed_hearing().await;
    let witness = witness(court.dir.path(), &key);
    let add = |body: String| witness.add(&body, at(0)).map(|_| ());
    let mut log = court.log(&key).await.unwrap();
    let mut other = forked.log(&key).await.unwrap();
    let first = question(&court).await;
    let second = grown(&court, &mut log, &key, 7).await;
    add(second.body(0).unwrap()).unwrap();

    let seen = second.size();
    let back = add(first.body(0).unwrap());
    assert!(matches!(back, Err(WitnessRefusal::OtherSize(size)) if size == seen));
    let body = first.body(first.size()).unwrap();
    let lies = body.replacen(&format!("old {}", first.size()), &format!("old {seen}"), 1);
    assert!(matches!(add(lies), Err(WitnessRefusal::Malformed)));
    // An answer was lost: the same again is signed again.
    add(second.body(seen).unwrap()).unwrap();

    let fork = grown(&forked, &mut other, &key, 8).await;
    assert_eq!(fork.size(), seen);
    let fork = add(fork.body(seen).unwrap());
    assert!(matches!(fork, Err(WitnessRefusal::Forked(size)) if size == seen));
    let longer = grown(&forked, &mut other, &key, 9).await;
    let fork = add(longer.body(seen).unwrap());
    assert!(matches!(fork, Err(WitnessRefusal::NotConsistent)));

    // After all of that it goes on from where it was.
    let third = grown(&court, &mut log, &key, 10).await;
    add(third.body(seen).unwrap()).unwrap();
}

#[tokio::test]
async fn strangers_and_garbage_are_refused_without_a_trace() {
    let court = Court::open().await;
    let dir = court.dir.path();
    let key = published_key(dir);
    let witness = witness(dir, &key);
    let refusal = |body: &str| witness.add(body, at(0)).unwrap_err();
    let stranger = NodeKey::load_or_create(&dir.join("stranger.pem")).unwrap();
    let strangers = Court::open().await;
    let mut log = strangers.log(&stranger).await.unwrap();
    let forged = grown(&strangers, &mut log, &stranger, 1).await;
    let forged = forged.body(0).unwrap();
    assert!(matches!(refusal(&forged), WitnessRefusal::UnknownKey));

    let mut log = court.log(&key).await.unwrap();
    let body = grown(&court, &mut log, &key, 1).await.body(0).unwrap();
    for head in [
        "",
        "old",
        "old ",
        "old 00",
        "old -1",
        "old 2",
        "old 0\nAAAA",
        "\u{2014}",
    ] {
        let changed = body.replacen("old 0", head, 1);
        assert!(
            matches!(refusal(&changed), WitnessRefusal::Malformed),
            "{head:?}"
        );
        assert!(
            matches!(refusal(head), WitnessRefusal::Malformed),
            "{head:?}"
        );
    }
    let node = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let long = |nodes| body.replacen("old 0\n", &format!("old 0\n{}", node.repeat(nodes)), 1);
    assert!(matches!(refusal(&long(64)), WitnessRefusal::Malformed));
    assert!(matches!(refusal(&long(63)), WitnessRefusal::NotConsistent));
    let elsewhere = body.replace("otyrys/", "../../");
    assert!(matches!(refusal(&elsewhere), WitnessRefusal::UnknownLog));
    assert_eq!(fs::read_dir(dir.join("witness")).unwrap().count(), 0);

    witness.add(&body, at(0)).unwrap();
    let state = dir.join("witness").join(court.hearing.to_string());
    fs::write(&state, "garbage").unwrap();
    // Who forgot what it saw must not begin anew.
    assert!(matches!(refusal(&body), WitnessRefusal::Storage(_)));
}

#[tokio::test]
async fn a_bundle_tells_which_witnesses_saw_it_and_when() {
    let (court, input, key) = closed_hearing().await;
    let folder = |name: &str| court.dir.path().join(name);
    let witness = witness(court.dir.path(), &key);
    let before = question(&court).await;
    let line = witness.add(&before.body(0).unwrap(), at(50)).unwrap();
    court
        .database
        .add_cosignature(court.hearing, before.size(), NAME, &line)
        .await
        .unwrap();
    let input = otyrys_storage::BundleInput {
        log: court.database.hearing_log(court.hearing).await.unwrap(),
        ..input
    };
    let bundle = Bundle::write(&folder("at-rest"), &input, &court.spool(), &key).unwrap();
    let sealed = WitnessQuestion::of_seal(&bundle, court.spool().keys()).unwrap();
    let line = witness
        .add(&sealed.body(before.size()).unwrap(), at(61))
        .unwrap();
    let believing = Trust {
        witnesses: vec![witness.public()],
        ..Trust::default()
    };
    let said = |name: &str, trust: &Trust| {
        if !folder(name).exists() {
            bundle.export(court.spool().keys(), &folder(name)).unwrap();
        }
        match verify_trusting(&folder(name), trust).unwrap() {
            Verdict::Holds(report) => report.to_string(),
            Verdict::Broken(found) => found[0].to_string(),
        }
    };
    assert!(said("bare", &Trust::default()).contains(&format!("with --witness: {NAME}.")));
    assert!(said("bare", &believing).contains("has not signed it"));

    let cosigned = format!("{}{line}", sealed.note());
    bundle.attest(COSIGNED_NAME, cosigned.as_bytes()).unwrap();
    let words = said("whole", &believing);
    let expected = format!(
        "The witness {NAME} saw the seal at {}, and 1 checkpoints before it, the first at {}.",
        at(61),
        at(50)
    );
    assert!(words.contains(&expected), "{words}");

    // No bit of the file can be another while its witness is believed.
    let path = folder("whole").join(COSIGNED_NAME);
    for bit in 0..8 * cosigned.len() {
        let mut changed = cosigned.clone().into_bytes();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, changed).unwrap();
        assert!(
            said("whole", &believing).starts_with("seal.cosigned.txt"),
            "bit {bit}"
        );
    }
}
