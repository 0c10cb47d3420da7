use super::*;
use crate::registry::delivery::{CaseRegistry, DeliveryError, HttpRegistry, Outcome, deliver_once};
use otyrys_storage::DeliveryState;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const DOCUMENTS: [(&str, &str); 2] = [
    ("protocol.json", "{\"lines\":[]}"),
    ("protocol.html", "<!doctype html><p>Хаттама"),
];

fn http(address: SocketAddr) -> HttpRegistry {
    HttpRegistry::new(&format!("http://{address}{API_ROOT}/"), TOKEN.into(), None).unwrap()
}

impl Court {
    async fn attempt(&self, registry: &HttpRegistry, package: &DeliveryPackage) -> Outcome {
        deliver_once(&self.database, registry, self.hearing, package)
            .await
            .unwrap()
    }

    async fn delivery(&self) -> DeliveryState {
        self.database
            .delivery(self.hearing)
            .await
            .unwrap()
            .unwrap()
            .state
    }
}

/// A line to the registry that passes everything on, and swallows the answers to the first
/// `losses` requests that contain `marker` after the registry has acted on them.
struct ChaosProxy {
    address: SocketAddr,
    losses: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ChaosProxy {
    async fn before(upstream: SocketAddr, marker: &'static str, losses: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let losses = Arc::new(AtomicUsize::new(losses));
        let left = Arc::clone(&losses);
        let task = tokio::spawn(async move {
            let mut lines = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let left = Arc::clone(&left);
                lines.spawn(async move { pass_on(client, upstream, marker, &left).await });
            }
        });
        Self {
            address,
            losses,
            task,
        }
    }

    fn losses_left(&self) -> usize {
        self.losses.load(Ordering::SeqCst)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(
    mut client: TcpStream,
    upstream: SocketAddr,
    marker: &str,
    left: &AtomicUsize,
) -> Option<()> {
    let mut server = TcpStream::connect(upstream).await.ok()?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut lose = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let bytes = up.get(..read.ok().filter(|read| *read > 0)?)?;
                lose |= String::from_utf8_lossy(bytes).contains(marker)
                    && left.load(Ordering::SeqCst) > 0;
                server.write_all(bytes).await.ok()?;
            }
            read = server.read(&mut down) => {
                let bytes = down.get(..read.ok().filter(|read| *read > 0)?)?;
                if lose {
                    // The answer is here, so the registry has acted: now the line breaks.
                    left.fetch_sub(1, Ordering::SeqCst);
                    return None;
                }
                client.write_all(bytes).await.ok()?;
            }
        }
    }
}

#[tokio::test]
async fn a_package_arrives_whole_and_twice_is_once() {
    let court = Court::open().await;
    let package = court.package(&DOCUMENTS).await;
    let registry = http(court.address);

    let Outcome::Acknowledged(receipt) = court.attempt(&registry, &package).await else {
        panic!("not acknowledged")
    };
    assert_eq!(
        court.delivery().await,
        DeliveryState::Acknowledged {
            receipt: serde_json::to_value(&receipt).unwrap()
        }
    );
    // From the database, and from the registry itself, by a process that knows nothing.
    assert_eq!(
        court.attempt(&registry, &package).await,
        Outcome::Acknowledged(receipt.clone())
    );
    assert_eq!(
        http(court.address).deliver(&package).await.unwrap(),
        receipt
    );
    assert_eq!(court.packages().await, 1);

    let (status, view) = court.get(&format!("/packages/{}", court.hearing)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(view["receipt"], json!(receipt.receipt));
    assert_eq!(view["case_number"], CASE);
    let paths: Vec<_> = view["manifest"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["path"])
        .collect();
    assert_eq!(
        paths,
        [
            "documents/protocol.html",
            "documents/protocol.json",
            "events.jsonl",
            "key.txt",
            "log/checkpoints.txt",
            "log/leaves.txt",
            "manifest.json",
            "seal.txt"
        ]
        .map(|path| json!(path))
        .iter()
        .collect::<Vec<_>>()
    );
    let (_, case) = court.get("/cases/7520-26-00-2%2F4711").await;
    assert_eq!(
        case["packages"][0]["hearing_id"],
        json!(court.hearing.to_string())
    );
    assert_eq!(case["parties"][0]["role"], "plaintiff");
    assert_eq!(case["schedule"][0]["at"], "2026-11-21T05:00:00Z");
    let (_, rows) = court.get("/cases").await;
    assert_eq!(rows[0]["packages"], 1);
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_costs_nothing_but_time() {
    let court = Court::open().await;
    let package = court.package(&DOCUMENTS).await;
    let proxy = ChaosProxy::before(court.address, "POST /", 1).await;
    let registry = http(proxy.address);

    let first = court.attempt(&registry, &package).await;
    assert!(matches!(first, Outcome::Later(_)), "{first:?}");
    assert_eq!(proxy.losses_left(), 0);
    assert_eq!(court.delivery().await, DeliveryState::Sent);
    let taken = court
        .state
        .store()
        .package(package.key())
        .await
        .unwrap()
        .receipt;

    let Outcome::Acknowledged(receipt) = court.attempt(&registry, &package).await else {
        panic!("not acknowledged")
    };
    assert_eq!(receipt.receipt, taken.package_id.to_string());
    assert_eq!(receipt.received_at, taken.received_at);
    assert_eq!(court.packages().await, 1);
}

#[tokio::test]
async fn a_line_that_breaks_at_every_file_gets_the_package_through() {
    let court = Court::open().await;
    let package = court.package(&DOCUMENTS).await;
    let files = package.manifest().files.len();
    let proxy = ChaosProxy::before(court.address, "PUT /", files).await;
    let registry = http(proxy.address);
    let mut attempts = 0;
    loop {
        attempts += 1;
        assert!(attempts <= files + 1, "an attempt did not get on");
        match court.attempt(&registry, &package).await {
            Outcome::Acknowledged(_) => break,
            Outcome::Later(_) => assert_eq!(court.delivery().await, DeliveryState::Pending),
            Outcome::Rejected(reason) => panic!("{reason}"),
        }
    }
    assert_eq!(proxy.losses_left(), 0);
    assert_eq!(court.packages().await, 1);
}

#[tokio::test]
async fn a_registry_that_is_down_gets_the_package_when_it_is_up() {
    let mut court = Court::without_case().await;
    court.register_case().await;
    let package = court.package(&DOCUMENTS).await;
    let registry = http(court.address);

    let down = court.attempt(&registry, &package).await;
    assert!(matches!(down, Outcome::Later(_)), "{down:?}");
    assert_eq!(court.delivery().await, DeliveryState::Pending);

    court.start().await;
    let up = court.attempt(&registry, &package).await;
    assert!(matches!(up, Outcome::Acknowledged(_)), "{up:?}");
}

#[tokio::test]
async fn a_package_for_an_unknown_case_is_rejected_with_the_reason() {
    let mut court = Court::without_case().await;
    court.start().await;
    let package = court.package(&DOCUMENTS).await;
    let registry = http(court.address);

    let Outcome::Rejected(reason) = court.attempt(&registry, &package).await else {
        panic!("not rejected")
    };
    assert!(
        reason.contains("the case is not in this registry"),
        "{reason}"
    );
    assert_eq!(court.delivery().await, DeliveryState::Rejected { reason });

    // A person adds the case and makes the delivery pending again.
    court.register_case().await;
    let again = court.attempt(&registry, &package).await;
    assert!(
        matches!(again, Outcome::Rejected(_)),
        "a refusal is final: {again:?}"
    );
    let pending = DeliveryState::Pending;
    court
        .database
        .move_delivery(court.hearing, &pending, Timestamp::now())
        .await
        .unwrap();
    let again = court.attempt(&registry, &package).await;
    assert!(matches!(again, Outcome::Acknowledged(_)), "{again:?}");
}

#[tokio::test]
async fn a_wrong_token_waits_for_the_operator() {
    let court = Court::open().await;
    let package = court.package(&DOCUMENTS).await;
    let url = format!("http://{}{API_ROOT}", court.address);
    let registry = HttpRegistry::new(&url, "wrong".into(), None).unwrap();
    let error = registry.deliver(&package).await.unwrap_err();
    assert!(matches!(&error, DeliveryError::Retry { sent: false, cause } if cause.contains("401")));
    assert_eq!(court.packages().await, 0);
}

#[tokio::test]
async fn another_manifest_under_the_same_key_is_a_conflict() {
    let court = Court::open().await;
    let first = court.package(&DOCUMENTS).await;
    let registry = http(court.address);
    registry.deliver(&first).await.unwrap();

    let other = court.package(&[("protocol.json", "{}")]).await;
    assert_eq!(other.key(), first.key());
    let error = registry.deliver(&other).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Rejected(reason) if reason.contains("409")),
        "{error}"
    );

    let manifest = serde_json::to_value(other.manifest()).unwrap();
    let (status, body) = court.commit(first.key(), &manifest).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );
    let (status, body) = court.put(first.key(), "documents/more.txt", b"more").await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::CONFLICT, &json!("conflict"))
    );
    assert_eq!(court.packages().await, 1);
}

#[tokio::test]
async fn a_file_that_is_missing_or_damaged_is_asked_for_again() {
    let court = Court::open().await;
    let (_, file) = court.put("k", "a.txt", b"right").await;
    let missing = json!({ "path": "b.txt", "size": 1, "sha256": "00".repeat(32) });
    let manifest =
        |files: &[&Value]| json!({ "case_number": CASE, "hearing_id": "h", "files": files });

    let (status, body) = court.commit("k", &manifest(&[&file, &missing])).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::CONFLICT, &json!("incomplete"))
    );
    assert_eq!(body["reason"], "b.txt is missing");
    court.put("k", "a.txt", b"wrong").await;
    let (status, body) = court.commit("k", &manifest(&[&file])).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::CONFLICT, &json!("incomplete"))
    );

    court.put("k", "a.txt", b"right").await;
    let (status, body) = court.commit("k", &manifest(&[&file])).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_when_it_is_named_and_only_then() {
    let court = Court::open().await;
    let package = court.package(&DOCUMENTS).await;
    // Made as the server makes its own at the first start.
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".into(), "127.0.0.1".into()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let tls = axum_server::tls_rustls::RustlsConfig::from_pem(
        pem.clone().into_bytes(),
        key.serialize_pem().into_bytes(),
    );
    let handle = axum_server::Handle::<SocketAddr>::new();
    let server = axum_server::bind_rustls("127.0.0.1:0".parse().unwrap(), tls.await.unwrap())
        .handle(handle.clone())
        .serve(router(court.state.clone()).0.into_make_service());
    let server = tokio::spawn(server);
    let port = handle.listening().await.unwrap().port();
    let url = format!("https://127.0.0.1:{port}{API_ROOT}");

    let stranger = HttpRegistry::new(&url, TOKEN.into(), None).unwrap();
    let error = stranger.deliver(&package).await.unwrap_err();
    assert!(
        matches!(error, DeliveryError::Retry { sent: false, .. }),
        "{error}"
    );
    assert_eq!(court.packages().await, 0);

    let friend = HttpRegistry::new(&url, TOKEN.into(), Some(pem.as_bytes())).unwrap();
    friend.deliver(&package).await.unwrap();
    assert_eq!(court.packages().await, 1);
    assert!(HttpRegistry::new(&url, TOKEN.into(), Some(b"-----BEGIN nonsense")).is_err());
    server.abort();
}
