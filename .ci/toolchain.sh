#!/usr/bin/env bash
# Checks for the three things that the scripts do not install: Rust, Node.js, Python.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

# at_least HAVE WANT: version order.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1) == "$2" ]]; }

rust_wanted=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
command -v cargo >/dev/null && command -v rustc >/dev/null ||
    fail "cargo and rustc are not on PATH" "install Rust $rust_wanted or later (rustup.rs)"
rust_have=$(rustc --version | cut -d' ' -f2)
at_least "$rust_have" "$rust_wanted" ||
    fail "rustc is $rust_have, needed is $rust_wanted" "rustup update stable"
command -v node >/dev/null && command -v npm >/dev/null ||
    fail "node and npm are not on PATH" "install Node.js 20 or later (nodejs.org)"
node_have=$(node --version)
at_least "${node_have#v}" 20.0 ||
    fail "node is $node_have, needed is 20" "install Node.js 20 or later (nodejs.org)"
command -v python3 >/dev/null ||
    fail "python3 is not on PATH" "apt-get install python3"
