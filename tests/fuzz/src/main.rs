//! libFuzzer over the fuzz targets, which lie in the crates that they test. `OTYRYS_FUZZ` names
//! the one to run; see `make fuzz`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use otyrys_media::fuzz::{TARGETS, Target};
use std::sync::LazyLock;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    bear_the_stack();
    let name = std::env::var("OTYRYS_FUZZ").unwrap_or_default();
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            panic!("OTYRYS_FUZZ is {name:?}, not one of {names:?}")
        })
});

/// The core survives a panic of the WebRTC stack, which ends the session of whoever caused it; so
/// does the fuzzer, whose own hook ends the process at any panic.
fn bear_the_stack() {
    let ends_the_process = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_the_stack = panic
            .location()
            .is_some_and(|location| location.file().contains("/str0m-"));
        if !of_the_stack {
            ends_the_process(panic);
        }
    }));
}

fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(bytes);
});
