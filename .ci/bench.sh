#!/usr/bin/env bash
# Builds and runs one bench of tests/benches, in the release profile. Takes its name.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

bench=$1
if [[ $bench == forward ]] && ! command -v janus >/dev/null; then
    .ci/system-packages.sh janus
    # The package starts a server of its own, which nobody asked for.
    if [[ -d /run/systemd/system ]]; then
        as_root=()
        ((EUID == 0)) || as_root=(sudo)
        "${as_root[@]}" systemctl disable --now --quiet janus || true
    fi
fi

say "building bench-$bench (the first time takes minutes)"
cargo bench --quiet --locked --package otyrys-tests --bench "$bench" --no-run ||
    fail "cargo bench --no-run" "read the compiler's message above"

# Ahead of other programs where that is allowed: they would be measured otherwise. Both servers
# inherit it alike.
ahead=()
if nice -n -10 true 2>/dev/null && [[ $(nice -n -10 nice) == -10 ]]; then ahead=(nice -n -10); fi
exec "${ahead[@]}" cargo bench --quiet --locked --package otyrys-tests --bench "$bench"
