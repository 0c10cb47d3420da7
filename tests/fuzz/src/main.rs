//! libFuzzer over the fuzz targets, which lie in the crates that they test. `OTYRYS_FUZZ` names
//! the one to run; see `make fuzz`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otyrys_media::fuzz::{TARGETS, Target};
use std::sync::LazyLock;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("OTYRYS_FUZZ").unwrap_or_default();
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            panic!("OTYRYS_FUZZ is {name:?}, not one of {names:?}")
        })
});

fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(bytes);
});
