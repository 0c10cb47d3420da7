//! The TypeScript types of the web client are generated from the wire types. This test fails when
//! they differ; with `OTYRYS_WRITE_WIRE=1` it writes them.
#![expect(clippy::unwrap_used, reason = "a test that fails here says where")]

use otyrys_signaling::wire::{
    ClientMessage, Listen, ListeningId, Loudness, RecordList, ServerMessage,
};
use std::{collections::BTreeMap, fs, path::Path};
use ts_rs::{Config, TS};

#[test]
fn the_types_of_the_web_client_are_those_of_the_server() {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/ui/src/wire");
    if std::env::var_os("OTYRYS_WRITE_WIRE").is_some() {
        fs::remove_dir_all(&client).unwrap();
        export(&client);
    }
    let fresh = tempfile::tempdir().unwrap();
    export(fresh.path());
    let (expected, found) = (files(fresh.path()), files(&client));
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&expected),
        names(&found),
        "write them with OTYRYS_WRITE_WIRE=1"
    );
    for (name, text) in expected {
        assert_eq!(
            text, found[&name],
            "{name}: write it with OTYRYS_WRITE_WIRE=1"
        );
    }
}

fn export(dir: &Path) {
    let config = Config::new().with_out_dir(dir);
    ClientMessage::export_all(&config).unwrap();
    ServerMessage::export_all(&config).unwrap();
    RecordList::export_all(&config).unwrap();
    Listen::export_all(&config).unwrap();
    ListeningId::export_all(&config).unwrap();
    Loudness::export_all(&config).unwrap();
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}
