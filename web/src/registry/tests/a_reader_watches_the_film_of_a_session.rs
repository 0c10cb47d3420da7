use super::*;
use reqwest::header;
use std::{fs, io::Write};

const FILM: &[u8] = b"0123456789";

/// Puts a file of a film where this server keeps it.
async fn make(court: &Court, name: &str, content: &[u8]) {
    let data = court.dir.path();
    let dir = data.join("derived").join(court.hearing.to_string());
    fs::create_dir_all(&dir).unwrap();
    let keys = HearingKeys::new(data.join("record"), Arc::new(master_key(data).await));
    keys.create(court.hearing).unwrap();
    let mut file = keys.create_file(court.hearing, &dir.join(name)).unwrap();
    file.write_all(content).unwrap();
    file.finish().unwrap();
}

#[tokio::test]
async fn the_film_is_there_when_it_is_whole_and_for_readers_only() {
    let court = Court::open().await;
    let hearing = court.hearing.to_string();
    let manifest = json!({ "case_number": CASE, "hearing_id": hearing, "files": [] });
    let committed = court.commit("k", &manifest).await;
    assert_eq!(committed.0, StatusCode::OK, "{}", committed.1);
    court.put_package("other", &[]).await;
    let get = async |path: &str| {
        let url = court.url(&format!("/packages/{path}"));
        let request = court.client.get(url).bearer_auth(TOKEN);
        request
            .header(header::RANGE, "bytes=2-4")
            .send()
            .await
            .unwrap()
    };

    make(&court, "room.vtt", b"WEBVTT\n").await;
    assert_eq!(get("k/room/room.vtt").await.status(), StatusCode::NOT_FOUND);
    make(&court, "room.mp4", FILM).await;

    let film = get("k/room/room.mp4").await;
    assert_eq!(film.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(film.headers()[header::CONTENT_TYPE], "video/mp4");
    assert_eq!(film.headers()[header::CACHE_CONTROL], "private, no-store");
    assert_eq!(film.bytes().await.unwrap(), FILM[2..5]);
    let captions = get("k/room/room.vtt").await;
    assert_eq!(
        captions.headers()[header::CONTENT_TYPE],
        "text/vtt; charset=utf-8"
    );
    for path in [
        "other/room/room.mp4",
        "none/room/room.mp4",
        "k/room/hearing.key",
    ] {
        assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let stranger = court.client.get(court.url("/packages/k/room/room.mp4"));
    assert_eq!(
        stranger.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}
