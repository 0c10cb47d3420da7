#!/usr/bin/env bash
# Builds the otyrys binary (after the web client, which it embeds) and prints its path.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

.ci/ui.sh
say "building otyrys (the first time takes minutes, the next seconds)"
# --workspace, so that features resolve as they do for the tests and nothing is built twice.
cargo build --locked --workspace --bins ||
    fail "cargo build" \
        "read the compiler's message above; a missing library: .ci/system-packages.sh"
printf '%s\n' "$CARGO_TARGET_DIR/debug/otyrys"
