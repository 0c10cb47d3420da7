//! The registry over real sockets on the loopback, on a real database in a temporary folder.

mod a_package_is_delivered_exactly_once;
mod a_reader_gets_files_in_pieces;
mod a_reader_watches_the_film_of_a_session;
mod nobody_gets_in_without_a_key;
mod the_contract_is_written_down;

use super::{API_ROOT, RegistryState, delivery::DeliveryPackage, router};
use crate::{room_file::Films, secrets::hash_of};
use jiff::{Timestamp, tz::Offset};
use otyrys_storage::{
    Bundle, BundleInput, Database, HearingKeys, KeySource, MasterKey, NewHearing, NodeKey,
    RecordSpool, Registry, StoredLog,
    ids::HearingId,
    registry::{Case, Limits, Party, Sitting},
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

const CASE: &str = "7520-26-00-2/4711";
const KEY: &str = "the readers' key";
const TOKEN: &str = "the deliverer's token";

/// A court's node with the embedded registry: a database, a closed hearing and its bundle.
struct Court {
    dir: TempDir,
    database: Database,
    hearing: HearingId,
    state: RegistryState,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
    client: Client,
}

impl Court {
    /// With the case in the registry, and the registry up.
    async fn open() -> Self {
        let mut court = Self::without_case().await;
        court.register_case().await;
        court.start().await;
        court
    }

    /// Without the case, and with the registry down.
    async fn without_case() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).await.unwrap();
        database.migrate().await.unwrap();
        let hearing = HearingId::generate();
        let new = NewHearing {
            id: hearing,
            case_number: CASE.into(),
            case_title: "Title".into(),
            court_name: "Court".into(),
            court_names: json!({}),
            courtroom: "3".into(),
            language: "kk".into(),
            scheduled_at: Timestamp::UNIX_EPOCH,
            court_offset: Offset::constant(5),
            participants: Vec::new(),
        };
        database.create_hearing(&new).await.unwrap();
        let limits = Limits {
            max_file_bytes: 1 << 20,
            max_files: 50,
        };
        let store = Registry::open(
            database.clone(),
            &dir.path().join("registry"),
            limits,
            &master_key(dir.path()).await,
        )
        .unwrap();
        let master = Arc::new(master_key(dir.path()).await);
        let keys = HearingKeys::new(dir.path().join("record"), master);
        let films = Films::new(dir.path().join("derived"), keys);
        let state = RegistryState::new(store, films, hash_of(KEY), hash_of(TOKEN));
        // The port stays the same when the registry goes down and comes back.
        let address = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            dir,
            database,
            hearing,
            state,
            address,
            server: None,
            client,
        }
    }

    async fn register_case(&self) {
        let case = Case {
            number: CASE.into(),
            title: "Әбілова А. мен Петров Б. арасындағы дау".into(),
            kind: "civil".into(),
            court: "Алмалы аудандық соты".into(),
            parties: vec![Party {
                name: "Әбілова А.".into(),
                role: "plaintiff".into(),
            }],
            schedule: vec![Sitting {
                hearing: self.hearing.to_string(),
                courtroom: "3".into(),
                scheduled_at: "2026-11-21T05:00:00Z".parse().unwrap(),
            }],
        };
        self.state.store().put_case(&case).await.unwrap();
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (app, _) = router(self.state.clone());
        self.server = Some(tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap()
        }));
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{API_ROOT}{path}", self.address)
    }

    /// The sealed bundle of the hearing as a package. Documents: name and content.
    async fn package(&self, documents: &[(&str, &str)]) -> DeliveryPackage {
        let dir = self.dir.path();
        let input = BundleInput {
            hearing: self.hearing,
            facts: json!({ "case_number": CASE }),
            sealed_at: "2026-11-21T07:00:00Z".parse().unwrap(),
            events: Vec::new(),
            log: StoredLog::default(),
            documents: documents
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            attachments: Vec::new(),
        };
        let key = NodeKey::load_or_create(&dir.join("node.key")).unwrap();
        let out = dir.join("bundles").join(HearingId::generate().to_string());
        let spool = RecordSpool::new(dir.join("spool"), Arc::new(master_key(dir).await));
        spool.keys().create(self.hearing).unwrap();
        let bundle = Bundle::write(&out, &input, &spool, &key).unwrap();
        let keys = spool.keys().clone();
        DeliveryPackage::of_bundle(self.hearing.to_string(), CASE.into(), bundle, keys)
            .await
            .unwrap()
    }

    /// Uploads and commits a package of these files by hand.
    async fn put_package(&self, key: &str, files: &[(&str, &[u8])]) {
        let mut listed = Vec::new();
        for (path, bytes) in files {
            let answer = self.put(key, path, bytes).await;
            assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
            listed.push(answer.1);
        }
        let manifest = json!({ "case_number": CASE, "hearing_id": "h", "files": listed });
        let answer = self.commit(key, &manifest).await;
        assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    }

    async fn put(&self, key: &str, path: &str, bytes: &[u8]) -> (StatusCode, Value) {
        let url = self.url(&format!("/packages/{key}/files/{path}"));
        let request = self.client.put(url).bearer_auth(TOKEN).body(bytes.to_vec());
        answer(request).await
    }

    async fn commit(&self, key: &str, manifest: &Value) -> (StatusCode, Value) {
        let url = self.url(&format!("/packages/{key}"));
        let request = self
            .client
            .post(url)
            .bearer_auth(TOKEN)
            .header("Idempotency-Key", key);
        answer(request.json(manifest)).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.client.get(self.url(path)).bearer_auth(TOKEN)).await
    }

    /// How many packages the case has.
    async fn packages(&self) -> usize {
        self.state.store().packages_of(CASE).await.unwrap().len()
    }
}

impl Drop for Court {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

async fn master_key(dir: &Path) -> MasterKey {
    let source = KeySource::File(dir.join("master.key"));
    MasterKey::load_or_create(&source).await.unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let bytes = response.bytes().await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}
