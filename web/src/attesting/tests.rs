//! The authority is OpenSSL's, and the witness is ours, each behind a small server.

#[path = "../../../storage/tests/storage/authority.rs"]
mod authority;

use super::{Attestation, Attestors, authority::Authority};
use crate::{
    config::{SealConfig, TimeStampConfig, WitnessConfig},
    test_court::TestCourt,
    witness,
};
use authority::TestAuthority;
use axum::{Router, body::Bytes, routing::post};
use jiff::{SignedDuration, Timestamp};
use otyrys_storage::{
    Authorities, Bundle, NodeKey, Trust, Verdict, WitnessLedger, manifest::ATTESTATION_NAMES,
    verify_trusting,
};
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// Serves at a free port until the test ends.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// An authority that answers so.
async fn answering(answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + Sync + 'static) -> String {
    let app = post(move |query: Bytes| async move { answer(&query) });
    format!("http://{}", serve(Router::new().route("/", app)).await)
}

fn stamped_at(url: String, authority: &TestAuthority) -> TimeStampConfig {
    TimeStampConfig {
        url,
        authority_file: Some(authority.roots()),
    }
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

async fn said(authority: &TestAuthority, url: String) -> String {
    let authority = Authority::new(&stamped_at(url, authority)).expect("settings");
    let answer = authority.expect("an authority").stamp(b"seal").await;
    answer.expect_err("no stamp")
}

#[tokio::test]
async fn what_an_authority_does_wrong_is_told_in_words() {
    let authority = Arc::new(TestAuthority::new());
    let another = Arc::new(TestAuthority::new());
    let stranger = answering(move |query| another.answer(query)).await;
    let kept = {
        let authority = Arc::clone(&authority);
        let first = std::sync::OnceLock::new();
        let first = Arc::new(first);
        answering(move |query| first.get_or_init(|| authority.answer(query)).clone()).await
    };
    let signer = Arc::clone(&authority);
    let of_another_trade = answering(move |query| {
        signer.answer_by_another(query, "extendedKeyUsage = critical, codeSigning")
    });
    let settings = stamped_at(kept.clone(), &authority);
    let honest = Authority::new(&settings).expect("settings").expect("one");
    honest.stamp(b"seal").await.expect("a stamp");
    for (url, expected) in [
        (nobody().await, "error sending request"),
        (stranger, "the authority is not trusted"),
        (of_another_trade.await, "not one for time stamps alone"),
        // It keeps its first answer for ever.
        (kept, "it answers another question"),
        (
            answering(|_| b"<html>".to_vec()).await,
            "it is not the answer",
        ),
        (
            answering(|_| vec![0; 100_000]).await,
            "its answer is too long",
        ),
        (
            format!("http://{}", serve(Router::new()).await),
            "404 Not Found",
        ),
    ] {
        let words = said(&authority, url).await;
        assert!(
            words.starts_with("the time-stamping authority: "),
            "{words}"
        );
        assert!(words.contains(expected), "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_never_answers_is_left_after_a_while() {
    let authority = TestAuthority::new();
    let silent = Router::new().route("/", post(std::future::pending::<String>));
    let words = said(&authority, format!("http://{}", serve(silent).await)).await;
    assert!(words.contains("timed out"), "{words}");
}

#[tokio::test]
async fn an_authority_without_certificates_to_check_it_by_is_refused_at_the_start() {
    let config = TimeStampConfig {
        url: nobody().await,
        authority_file: None,
    };
    let refused = Authority::new(&config).err().expect("refused").to_string();
    assert!(refused.contains("authority_file is not"), "{refused}");
}

/// A witness of this court, which was started anew.
async fn witness_of(court: &TestCourt, dir: &Path) -> WitnessConfig {
    let key = NodeKey::load_or_create(&dir.join("witness.pem")).expect("a key");
    let courts = vec![court.stores.node_key().expect("a key").public()];
    let ledger = WitnessLedger::open(&dir.join("seen"), "witness.example", key, courts);
    let ledger = ledger.expect("a ledger");
    let key = ledger.public().to_string();
    let url = format!("http://{}/", serve(witness::router(ledger)).await);
    let trust = None;
    WitnessConfig { url, key, trust }
}

#[tokio::test]
async fn a_record_waits_for_who_is_to_vouch_for_it_and_goes_on_without() {
    let court = TestCourt::open().await;
    let hearing = court.sealed_hearing().await;
    let bundle = Bundle::read(&court.stores.bundle_dir(hearing)).expect("a bundle");
    let authority = Arc::new(TestAuthority::new());
    let dir = tempfile::tempdir().expect("a folder");
    let witness = witness_of(&court, dir.path()).await;
    let down = WitnessConfig {
        url: nobody().await,
        ..witness.clone()
    };
    let asked = |url: String, witness: &WitnessConfig| {
        let config = SealConfig {
            time_stamp: stamped_at(url, &authority),
            witness: vec![witness.clone()],
            ..SealConfig::default()
        };
        Attestors::new(&config).expect("settings")
    };
    let after = |seconds| {
        let waited = SignedDuration::from_secs(seconds);
        bundle
            .manifest
            .sealed_at
            .checked_add(waited)
            .expect("a time")
    };
    let attest = async |attestors: &Attestors, at: Timestamp| {
        let attested = attestors.attest(&court.stores, &bundle, at).await;
        attested.expect("asked")
    };

    let lonely = asked(nobody().await, &down);
    for (seconds, pause) in [(-5, 2), (0, 2), (40, 40), (1_499, 300)] {
        let found = attest(&lonely, after(seconds)).await;
        let Attestation::Later { after, cause } = found else {
            panic!("{found:?}");
        };
        assert_eq!(after, Duration::from_secs(pause));
        assert!(
            cause.contains("authority") && cause.contains("witness.example"),
            "{cause}"
        );
    }
    let found = attest(&lonely, after(1_500)).await;
    assert!(matches!(found, Attestation::Without { .. }), "{found:?}");
    assert_eq!(bundle.unlisted().expect("names").len(), 2);

    let there = Arc::clone(&authority);
    let url = answering(move |query| there.answer(query)).await;
    // One comes after the other, and what is there is not asked for again.
    let found = attest(&asked(url, &down), after(1)).await;
    assert!(matches!(found, Attestation::Later { .. }), "{found:?}");
    let whole = asked(nobody().await, &witness);
    assert_eq!(attest(&whole, after(2)).await, Attestation::Whole);
    assert_eq!(attest(&lonely, after(3)).await, Attestation::Whole);

    // Archive and registry get both files, and whoever believes them finds that they hold.
    court.stores.archive.put(&bundle).await.expect("archived");
    let archived = court.stores.bundle(hearing).expect("a bundle");
    assert_ne!(archived.dir, bundle.dir);
    let target = dir.path().join("exported");
    archived
        .export(court.stores.spool.keys(), &target)
        .expect("exported");
    for name in ATTESTATION_NAMES {
        assert!(target.join(name).exists(), "{name}");
    }
    assert!(authority.is_verified_by_openssl(&target.join("seal.txt"), &target.join("seal.tsr")));
    let roots = fs::read(authority.roots()).expect("roots");
    let trust = Trust {
        authorities: Some(Authorities::from_pem(&roots).expect("roots")),
        witnesses: vec![witness.key.parse().expect("a key")],
        ..Trust::default()
    };
    match verify_trusting(&target, &trust).expect("read") {
        Verdict::Holds(report) => assert_eq!(report.attested.witnesses.len(), 1),
        Verdict::Broken(found) => panic!("{found:?}"),
    }
}

#[tokio::test]
async fn a_witness_that_was_away_signs_what_came_since() {
    let court = TestCourt::open().await;
    let hearing = court.hearing(Timestamp::UNIX_EPOCH).await;
    let dir = tempfile::tempdir().expect("a folder");
    let database = &court.stores.database;
    let mut up = true;
    for n in 1..=4 {
        court.happened(hearing).await;
        let mut config = witness_of(&court, dir.path()).await;
        if !up {
            config.url = nobody().await;
        }
        let witnesses = super::Witnesses::new(&[config]).expect("settings");
        let asked = witnesses.sign_checkpoint(&court.stores, hearing).await;
        asked.expect("asked");
        let seen = database.witnessed(hearing, "witness.example").await;
        assert_eq!(seen.expect("a size"), if up { n } else { n - 1 });
        up = !up;
    }
}

#[tokio::test]
async fn a_signature_that_was_lost_on_its_way_is_asked_for_again() {
    let court = TestCourt::open().await;
    let hearing = court.hearing(Timestamp::UNIX_EPOCH).await;
    let dir = tempfile::tempdir().expect("a folder");
    court.happened(hearing).await;
    // Whoever was killed before it could keep the answer knows of none.
    let (database, spool) = (&court.stores.database, &court.stores.spool);
    let question = otyrys_storage::WitnessQuestion::of_log(database, spool, hearing).await;
    let body = question
        .expect("read")
        .expect("a checkpoint")
        .body(0)
        .expect("a body");
    let config = witness_of(&court, dir.path()).await;
    let sent = reqwest::Client::new()
        .post(format!("{}add-checkpoint", config.url))
        .body(body);
    assert!(sent.send().await.expect("an answer").status().is_success());
    court.happened(hearing).await;
    let witnesses = super::Witnesses::new(&[config]).expect("settings");
    witnesses
        .sign_checkpoint(&court.stores, hearing)
        .await
        .expect("asked");
    let seen = database.witnessed(hearing, "witness.example").await;
    assert_eq!(seen.expect("a size"), 2);
}
