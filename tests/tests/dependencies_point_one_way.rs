//! `web -> signaling -> media, transcribe, storage`, and never back.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Who may depend on whom within the workspace.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("otyrys-media", &[]),
    ("otyrys-transcribe", &[]),
    ("otyrys-storage", &[]),
    (
        "otyrys-signaling",
        &["otyrys-media", "otyrys-transcribe", "otyrys-storage"],
    ),
    (
        "otyrys-web",
        &[
            "otyrys-signaling",
            "otyrys-media",
            "otyrys-transcribe",
            "otyrys-storage",
        ],
    ),
    ("otyrys-tests", &["otyrys-media", "otyrys-transcribe"]),
    ("otyrys-fuzz", &["otyrys-media"]),
];

#[test]
fn crates_depend_only_on_those_below_them() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let found: BTreeMap<String, BTreeSet<String>> = metadata["packages"]
        .as_array()
        .expect("there are packages")
        .iter()
        .map(|package| (name(package), siblings(package)))
        .collect();
    assert_eq!(
        found.len(),
        ALLOWED.len(),
        "a crate is missing here: {found:?}"
    );
    for (package, allowed) in ALLOWED {
        for dependency in &found[package] {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

fn name(value: &Value) -> String {
    value["name"].as_str().expect("it has a name").to_owned()
}

fn siblings(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("it has a list");
    dependencies
        .iter()
        .map(name)
        .filter(|dependency| dependency.starts_with("otyrys-"))
        .collect()
}
