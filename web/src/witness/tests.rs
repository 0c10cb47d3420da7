//! What c2sp.org/tlog-witness says that a witness answers.

use super::*;
use crate::test_court::TestCourt;
use otyrys_storage::WitnessQuestion;
use tokio::net::TcpListener;

async fn answer(url: &str, body: String) -> (StatusCode, String, String) {
    let sent = reqwest::Client::new().post(url).body(body).send().await;
    let response = sent.expect("an answer");
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    let kind = kind.map(|kind| kind.to_str().expect("text").to_owned());
    let status = response.status();
    let body = response.text().await.expect("text");
    (status, kind.unwrap_or_default(), body)
}

#[tokio::test]
async fn the_codes_are_those_of_the_specification() {
    let court = TestCourt::open().await;
    let hearing = court.hearing(Timestamp::UNIX_EPOCH).await;
    let dir = tempfile::tempdir().expect("a folder");
    let key = NodeKey::load_or_create(&dir.path().join("key.pem")).expect("a key");
    let courts = vec![court.stores.node_key().expect("a key").public()];
    let ledger = WitnessLedger::open(dir.path(), "witness.example", key, courts);
    let ledger = ledger.expect("a ledger");
    let witness = ledger.public();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, router(ledger)).await });
    let url = format!("http://{address}/add-checkpoint");
    let (database, spool) = (&court.stores.database, &court.stores.spool);
    let question = async || {
        let question = WitnessQuestion::of_log(database, spool, hearing).await;
        question.expect("read").expect("a checkpoint")
    };
    court.happened(hearing).await;
    let first = question().await;
    court.happened(hearing).await;
    let second = question().await;
    let body = |question: &WitnessQuestion, old| question.body(old).expect("a body");

    let (status, _, line) = answer(&url, body(&first, 0)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        first.answered(&line, &witness).as_deref(),
        Ok(line.as_str())
    );
    let (status, kind, size) = answer(&url, body(&second, 0)).await;
    let conflict = (StatusCode::CONFLICT, "text/x.tlog.size", "1\n");
    assert_eq!((status, kind.as_str(), size.as_str()), conflict);
    let right = body(&second, 1);
    for (wrong, expected) in [
        (right.replace("old 1", "old 3"), StatusCode::BAD_REQUEST),
        (right.replace("old 1", "new 1"), StatusCode::BAD_REQUEST),
        (right.replace("otyrys/", "other/"), StatusCode::NOT_FOUND),
        (right.replace("\n2\n", "\n3\n"), StatusCode::FORBIDDEN),
        (
            "old 1\n\n".to_owned() + second.note(),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            " ".repeat(MAX_REQUEST_BYTES + 1),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        assert_eq!(answer(&url, wrong).await.0, expected);
    }
    assert_eq!(answer(&url, right).await.0, StatusCode::OK);
}
