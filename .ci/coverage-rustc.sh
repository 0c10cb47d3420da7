#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of fuzz.sh: compiles the crates of the workspace with the counters that
# libFuzzer reads. The flags are those of `cargo fuzz run --sanitizer none`, which needs no
# nightly compiler; sanitizers would, and find little in safe Rust.
exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
