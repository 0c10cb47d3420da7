use super::{STARTS_MS, append, begun, recorded_sound};
use crate::{
    config::Config, edge::invitations::seat_cookie, recording::muxing_process, serve::Server,
};
use jiff::Timestamp;
use otyrys_signaling::{
    Role, TrackRef, TrackSource,
    wire::{Listen, ListeningId, RecordList},
};
use otyrys_storage::{NewEvent, SegmentFacts, ids::ParticipantId};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use tempfile::TempDir;

/// A demo court on this machine: the judge is in the hearing, the witness waits, and the witness'
/// seat holder has a file of 20 s in the record.
struct Court {
    server: Server,
    client: Client,
    people: HashMap<Role, ParticipantId>,
    cookies: HashMap<ParticipantId, String>,
    facts: SegmentFacts,
    _folder: TempDir,
}

impl Court {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.data_dir = folder.path().join("data");
        config.media.listen = "127.0.0.1:0".parse().unwrap();
        config.draft.enabled = false;
        let server = Server::start(config, muxing_process::program(), true)
            .await
            .unwrap();
        let demo = server.demo.clone().unwrap().hearing;
        let mut people = HashMap::new();
        for row in server.stores.database.participants(demo.id).await.unwrap() {
            let role = serde_json::from_value(row.role.into()).unwrap();
            people.insert(role, row.id);
        }
        let (judge, witness) = (people[&Role::Judge], people[&Role::Witness]);
        // Before the hearing is loaded: it begins with what is stored.
        let waiting = |id| json!({"participant": id, "microphone": true, "camera": false});
        let connected = |id| json!({"participant": id, "rehearsal": false});
        let story = [
            ("lobby_opened", Value::Null),
            ("connected", connected(judge)),
            ("waiting", waiting(judge)),
            ("admitted", json!({"participant": judge})),
            ("connected", connected(witness)),
            ("waiting", waiting(witness)),
        ];
        let story = story.map(|(kind, data)| NewEvent {
            at: Timestamp::now(),
            kind: kind.to_owned(),
            actor: None,
            origin: None,
            data,
        });
        let database = &server.stores.database;
        database.append_events(demo.id, story.into()).await.unwrap();
        let keys = server.stores.spool.keys();
        keys.ensure(database, demo.id).await.unwrap();
        let (facts, mut writer) = begun(&server.stores.spool, demo.id, witness);
        append(&mut writer, &recorded_sound(folder.path(), 20, 1), 0, 100);
        writer.finish().unwrap();

        let client = Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        let mut cookies = HashMap::new();
        for (id, link) in &demo.links {
            let token = link.rsplit('/').next().unwrap();
            let url = format!("https://{}/api/v1/invitations/{token}", server.address);
            let body = json!({"client": "browser"});
            let answer = client.post(url).json(&body).send().await.unwrap();
            let set = answer.headers()["set-cookie"].to_str().unwrap();
            cookies.insert(*id, set.split(';').next().unwrap().to_owned());
        }
        Self {
            server,
            client,
            people,
            cookies,
            facts,
            _folder: folder,
        }
    }

    /// A request by a role, with the cookie of its own seat.
    fn request(&self, role: Role, method: Method, path: &str) -> RequestBuilder {
        let id = self.people[&role];
        let url = format!("https://{}/api/v1/seats/{id}{path}", self.server.address);
        self.client
            .request(method, url)
            .header("cookie", &self.cookies[&id])
    }

    async fn get(&self, role: Role, path: &str) -> reqwest::Response {
        let request = self.request(role, Method::GET, path);
        request.send().await.unwrap()
    }

    async fn listen(&self, role: Role, tracks: BTreeSet<TrackRef>) -> reqwest::Response {
        let body = Listen {
            tracks,
            from_ms: 7_000,
        };
        let request = self.request(role, Method::POST, "/listenings");
        request.json(&body).send().await.unwrap()
    }

    fn voice(&self, role: Role) -> TrackRef {
        TrackRef {
            participant: self.people[&role],
            source: TrackSource::Microphone,
        }
    }

    fn sound_path(&self, listening: u32, from_ms: u64) -> String {
        let segment = self.facts.segment;
        format!("/record/{segment}/sound?listening={listening}&from_ms={from_ms}")
    }

    /// Kind, actor and data of what was stored about listening.
    async fn noted(&self) -> Vec<(String, Option<String>, Value)> {
        let events = self.server.stores.database.events(self.facts.hearing);
        let events = events.await.unwrap().into_iter();
        events
            .filter(|event| event.kind.starts_with("listen"))
            .map(|event| (event.kind, event.actor, event.data))
            .collect()
    }
}

#[tokio::test]
async fn everybody_but_the_bench_is_refused_everything() {
    let court = Court::open().await;
    let loudness = format!("/record/{}/loudness?from=0", court.facts.segment);
    // The clerk has a seat, and is not in the hearing.
    for role in [Role::Witness, Role::Defendant, Role::Clerk] {
        for path in ["/record", &loudness, &court.sound_path(1, 0)] {
            let answer = court.get(role, path).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{role:?} {path}");
        }
        let own = BTreeSet::from([court.voice(Role::Witness)]);
        let answer = court.listen(role, own).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{role:?}");
    }
    let judge = court.people[&Role::Judge];
    let url = format!(
        "https://{}/api/v1/seats/{judge}/record",
        court.server.address
    );
    // With no seat, and with somebody else's under the judge's name.
    let witness = &court.cookies[&court.people[&Role::Witness]];
    let (_, secret) = witness.split_once('=').unwrap();
    let forged = format!("{}={secret}", seat_cookie(judge));
    for cookie in ["", witness, &forged] {
        let request = court.client.get(&url).header("cookie", cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(court.noted().await, []);
    court.server.stop().await;
}

#[tokio::test]
async fn what_the_judge_listens_to_is_stored_before_and_after() {
    let court = Court::open().await;
    let list: RecordList = court
        .get(Role::Judge, "/record")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list.people.len(), 1);
    assert_eq!(list.people[0].id, court.people[&Role::Witness]);
    assert_eq!(u64::from(list.segments[0].starts_ms), STARTS_MS);
    assert!(!list.segments[0].growing);

    // Nothing is given to whoever has not said that they listen, or to what.
    let path = court.sound_path(1, 7_000);
    let answer = court.get(Role::Judge, &path).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let of = |role| BTreeSet::from([court.voice(role)]);
    let answer = court.listen(Role::Judge, of(Role::Judge)).await;
    let other: ListeningId = answer.json().await.unwrap();
    let path = court.sound_path(other.listening, 7_000);
    let answer = court.get(Role::Judge, &path).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "another track");

    let answer = court.listen(Role::Judge, of(Role::Witness)).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let ListeningId { listening } = answer.json().await.unwrap();
    let answer = court
        .get(Role::Judge, &court.sound_path(listening, 7_000))
        .await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["content-type"],
        "audio/webm; codecs=\"opus\""
    );
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    let ms = |name: &str| -> u64 {
        let value = answer.headers()[name].to_str().unwrap();
        value.parse().unwrap()
    };
    let (from_ms, to_ms) = (ms("otyrys-from-ms"), ms("otyrys-to-ms"));
    assert!(from_ms <= 7_000 && to_ms > 15_000);
    assert_eq!(answer.bytes().await.unwrap()[..4], [0x1a, 0x45, 0xdf, 0xa3]);

    let path = format!("/listenings/{listening}");
    // Ended twice: the second time nothing happens.
    for _ in 0..2 {
        let request = court.request(Role::Judge, Method::DELETE, &path);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
    let judge = Some(court.people[&Role::Judge].to_string());
    let voice = |role| json!([{"participant": court.people[&role], "source": "microphone"}]);
    let began = |role| json!({"tracks": voice(role), "from_ms": 7_000});
    let heard = json!({"tracks": voice(Role::Witness), "from_ms": from_ms, "to_ms": to_ms});
    assert_eq!(
        court.noted().await,
        [
            (
                "listening_began".to_owned(),
                judge.clone(),
                began(Role::Judge)
            ),
            (
                "listening_began".to_owned(),
                judge.clone(),
                began(Role::Witness)
            ),
            ("listened".to_owned(), judge, heard),
        ]
    );
    let answer = court
        .get(Role::Judge, &court.sound_path(listening, 7_000))
        .await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "it has ended");
    court.server.stop().await;
}
