//! Each input of the corpus, and each that once failed, is given to its fuzz target again.

use otyrys_media::fuzz::TARGETS;
use std::fs;
use std::path::{Path, PathBuf};

/// `tests/fuzz/corpus` has what covers the most with the least, `tests/fuzz/regressions` what failed.
fn replay(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target of that name");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = inputs(&here.join("corpus").join(name));
    assert!(!corpus.is_empty(), "the corpus of {name} is missing");
    for path in corpus
        .into_iter()
        .chain(inputs(&here.join("regressions").join(name)))
    {
        let input = fs::read(&path).expect("an input");
        let outcome = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(outcome.is_ok(), "{name} fails on {}", path.display());
    }
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_target_is_replayed() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(
        names,
        [
            "demux",
            "rewriter",
            "feedback",
            "payloads",
            "recorder",
            "sections",
            "datagrams",
            "commands"
        ]
    );
}

#[test]
fn demux() {
    replay("demux");
}

#[test]
fn feedback() {
    replay("feedback");
}

#[test]
fn rewriter() {
    replay("rewriter");
}

#[test]
fn payloads() {
    replay("payloads");
}

#[test]
fn recorder() {
    replay("recorder");
}

#[test]
fn sections() {
    replay("sections");
}

#[test]
fn datagrams() {
    replay("datagrams");
}

#[test]
fn commands() {
    replay("commands");
}
