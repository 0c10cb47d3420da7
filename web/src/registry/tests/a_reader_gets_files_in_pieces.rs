use super::*;
use reqwest::header;

const PAGE: &[u8] = b"<!doctype html><script>alert(1)</script>";

#[tokio::test]
async fn a_player_seeks_by_asking_for_ranges() {
    let court = Court::open().await;
    let media: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    court.put_package("k", &[("record/a.webm", &media)]).await;
    let url = court.url("/packages/k/files/record/a.webm");
    let get = |range: &str| {
        court
            .client
            .get(&url)
            .bearer_auth(TOKEN)
            .header(header::RANGE, range)
            .send()
    };

    let response = get("bytes=1000-1999").await.unwrap();
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        response.headers()[header::CONTENT_RANGE],
        "bytes 1000-1999/100000"
    );
    assert_eq!(response.headers()[header::CONTENT_TYPE], "video/webm");
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    assert_eq!(response.bytes().await.unwrap(), media[1000..2000]);

    let response = get("bytes=-10").await.unwrap();
    assert_eq!(response.bytes().await.unwrap(), media[99_990..]);
    let response = get("bytes=100000-").await.unwrap();
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let whole = court
        .client
        .get(&url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()[header::ACCEPT_RANGES], "bytes");
    let digest = otyrys_storage::Digest::of(&media);
    assert_eq!(
        whole.headers()[header::ETAG],
        format!("\"{digest}\"").as_str()
    );
    assert_eq!(whole.bytes().await.unwrap(), media);
    let head = court
        .client
        .head(&url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(head.headers()[header::CONTENT_LENGTH], "100000");
}

#[tokio::test]
async fn a_page_in_a_package_is_shown_and_runs_nothing() {
    let court = Court::open().await;
    let files: [(&str, &[u8]); 3] = [
        ("documents/p.html", PAGE),
        ("documents/p.docx", b"PK"),
        ("x.exe", b"MZ"),
    ];
    court.put_package("k", &files).await;
    let expected = [
        (
            "documents/p.html",
            "text/html; charset=utf-8",
            "inline; filename=\"p.html\"",
        ),
        (
            "documents/p.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "attachment; filename=\"p.docx\"",
        ),
        (
            "x.exe",
            "application/octet-stream",
            "attachment; filename=\"x.exe\"",
        ),
    ];
    for (path, media_type, disposition) in expected {
        let url = court.url(&format!("/packages/k/files/{path}"));
        let response = court
            .client
            .get(url)
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap();
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], media_type);
        assert_eq!(headers[header::CONTENT_DISPOSITION], disposition);
        assert_eq!(headers[header::CACHE_CONTROL], "private, no-store");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("sandbox"),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_file_shows_only_once_its_package_is_committed() {
    let court = Court::open().await;
    court.put("k", "a.txt", b"not yet").await;
    for path in [
        "/packages/k/files/a.txt",
        "/packages/k",
        "/cases/none",
        "/nothing",
    ] {
        let (status, body) = court.get(path).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{path}"
        );
    }
}
