use super::*;
use reqwest::{Method, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Everything that needs a key, with whether a reader's session is enough.
const DOORS: [(Method, &str, bool); 6] = [
    (Method::GET, "/cases", true),
    (Method::GET, "/cases/1", true),
    (Method::GET, "/packages/k", true),
    (Method::GET, "/packages/k/files/a.txt", true),
    (Method::PUT, "/packages/k/files/a.txt", false),
    (Method::POST, "/packages/k", false),
];

#[tokio::test]
async fn every_door_is_closed_to_strangers() {
    let court = Court::open().await;
    for (method, path, _) in DOORS {
        let request = || {
            court
                .client
                .request(method.clone(), court.url(path))
                .json(&json!({}))
        };
        for stranger in [
            request(),
            request().bearer_auth("wrong"),
            request().bearer_auth(KEY),
            request().basic_auth(TOKEN, Some(TOKEN)),
            request().header(header::COOKIE, format!("otyrys_registry={KEY}")),
            request().header(header::COOKIE, "otyrys_registry="),
        ] {
            let (status, body) = answer(stranger).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(body, json!({ "error": "not_signed_in" }));
        }
    }
    assert_eq!(court.packages().await, 0);
}

#[tokio::test]
async fn a_reader_signs_in_reads_and_writes_nothing() {
    let court = Court::open().await;
    court.put_package("k", &[("a.txt", b"text")]).await;
    let session = court.url("/session");
    for wrong in ["", "wrong", TOKEN] {
        let (status, _) = answer(court.client.post(&session).json(&json!({ "key": wrong }))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let response = court
        .client
        .post(&session)
        .json(&json!({ "key": KEY }))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    for word in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/registry"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains(KEY));
    let pair = cookie.split(';').next().unwrap().to_owned();
    let with = |method: Method, path: &str| {
        let request = court.client.request(method, court.url(path));
        request.header(header::COOKIE, &pair).json(&json!({}))
    };
    for (method, path, enough) in DOORS {
        let (status, _) = answer(with(method.clone(), path)).await;
        assert_eq!(
            status == StatusCode::UNAUTHORIZED,
            !enough,
            "{method} {path}"
        );
    }
    assert_eq!(
        answer(with(Method::GET, "/packages/k/files/a.txt")).await.0,
        StatusCode::OK
    );

    assert_eq!(
        answer(with(Method::DELETE, "/session")).await.0,
        StatusCode::NO_CONTENT
    );
    let (status, _) = answer(with(Method::GET, "/cases")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_path_cannot_leave_its_package() {
    let court = Court::open().await;
    let secret = court.dir.path().join("otyrys.db");
    assert!(secret.exists());
    for target in [
        "packages/k/files/../../../../otyrys.db",
        "packages/k/files/%2e%2e/%2e%2e/%2e%2e/otyrys.db",
        "packages/k/files/..%2f..%2f..%2fotyrys.db",
        "packages/k/files/%2fetc%2fpasswd",
        "packages/k/files//etc/passwd",
        "packages/k/files/a%00b",
        "packages/k/files/.hidden",
        "packages/k/files/a%5cb",
        "packages/../files/a",
        "packages/%2e%2e/files/a",
        "packages/.incoming/files/a",
        "packages/a%2fb/files/a",
    ] {
        for method in ["GET", "PUT"] {
            let status = raw(court.address, method, &format!("{API_ROOT}/{target}")).await;
            assert!(
                matches!(status, 400 | 404 | 405),
                "{method} {target}: {status}"
            );
        }
    }
    assert!(!court.dir.path().join("registry/packages/a").exists());
}

#[tokio::test]
async fn what_does_not_follow_the_contract_is_refused() {
    let court = Court::open().await;
    let good = json!({ "case_number": CASE, "hearing_id": "h", "files": [] });
    let post = || {
        court
            .client
            .post(court.url("/packages/k"))
            .bearer_auth(TOKEN)
    };
    for bad in [
        post().json(&good),
        post().json(&good).header("Idempotency-Key", "another"),
        post()
            .header("Idempotency-Key", "k")
            .json(&json!({ "files": 1 })),
        post().header("Idempotency-Key", "k").body("{"),
        post().header("Idempotency-Key", "k").json(&json!({
            "case_number": CASE, "hearing_id": "h",
            "files": [{ "path": "../a", "size": 1, "sha256": "00".repeat(32) }],
        })),
    ] {
        let (status, body) = answer(bad).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::BAD_REQUEST, &json!("bad_request"))
        );
    }
    // More than a megabyte, the limit of this registry.
    let (status, body) = court.put("k", "large.bin", &vec![0; (1 << 20) + 1]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let many: Vec<_> = (0..51)
        .map(|n| json!({ "path": format!("f{n}"), "size": 0, "sha256": "00".repeat(32) }))
        .collect();
    let manifest = json!({ "case_number": CASE, "hearing_id": "h", "files": many });
    assert_eq!(
        court.commit("k", &manifest).await.0,
        StatusCode::BAD_REQUEST
    );
    let long = json!({ "case_number": "x".repeat(9 << 20), "hearing_id": "h", "files": [] });
    let (status, body) = court.commit("k", &long).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("limit_reached"))
    );
    assert_eq!(court.packages().await, 0);
}

/// Status of a request whose path is sent exactly as it is: clients tidy `..` away.
async fn raw(address: SocketAddr, method: &str, path: &str) -> u16 {
    let mut line = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: 1\r\nConnection: close\r\n\r\nx"
    );
    line.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).await.unwrap();
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap()
}
