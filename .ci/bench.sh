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

if [[ $bench == speech ]]; then
    otyrys=$(.ci/binary.sh)
    .ci/speech.sh "$otyrys"
    .ci/faster-whisper.sh
fi

# What recording costs is compared with what forwarding costs, in the same run.
benches=("$bench")
[[ $bench == record ]] && benches+=(forward)
say "building bench-$bench (the first time takes minutes)"
bench() { cargo bench --quiet --locked --package otyrys-tests "$@"; }
bench "${benches[@]/#/--bench=}" --no-run ||
    fail "cargo bench --no-run" "read the compiler's message above"

# Ahead of other programs where that is allowed: they would be measured otherwise. Both servers
# inherit it alike.
if nice -n -10 true 2>/dev/null && [[ $(nice -n -10 nice) == -10 ]]; then
    renice -n -10 $$ >/dev/null
fi
options=()
if [[ $bench == record ]]; then
    say "measuring what a packet costs that is forwarded to one receiver"
    # A room is a voice and a picture. More than 100 are too many for the load process.
    forward_us() {
        bench --bench=forward -- --only otyrys --rooms "$1" --receivers 1 --rounds 3 |
            awk '$1 == "otyrys" { print $(NF - 10) }' | sort -g | sed -n 2p
    }
    options=(-- --forward-us "$(forward_us 5)" "$(forward_us 100)")
fi
bench --bench="$bench" "${options[@]}"
