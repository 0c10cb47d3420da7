#!/usr/bin/env bash
# Runs the fuzz targets (media/src/fuzz) one after another, from the corpus of tests/fuzz/corpus.
#   .ci/fuzz.sh SECONDS [TARGET...]     so long each; fails when one of them found something
#   .ci/fuzz.sh minimise [TARGET...]    takes the smallest inputs of all runs into the repository
# A failing input is put into tests/fuzz/regressions, where `make test` replays it.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

mode=${1:?seconds for each target, or: minimise}
shift
targets=("$@")
((${#targets[@]} > 0)) || mapfile -t targets < <(sed -nE 's/^ *name: "([a-z]+)",$/\1/p' media/src/fuzz/mod.rs)

# Beside the ordinary build, which it shares the dependencies with: cargo keeps what a workspace
# wrapper made apart. A library without counters is still driven, through ours.
say "building the fuzz targets"
RUSTC_WORKSPACE_WRAPPER=$ROOT/.ci/coverage-rustc.sh \
    cargo build --quiet --locked --workspace --bin otyrys-fuzz ||
    fail "cargo build of the fuzz targets" "read the compiler's message above"
# The ordinary build writes the same file.
fuzzer=$OTYRYS_CACHE/otyrys-fuzz
cp "$CARGO_TARGET_DIR/debug/otyrys-fuzz" "$fuzzer"

logs=$OTYRYS_CACHE/fuzz-logs
mkdir -p "$logs"
found=0
for target in "${targets[@]}"; do
    export OTYRYS_FUZZ=$target
    kept=tests/fuzz/corpus/$target
    grown=$OTYRYS_CACHE/fuzz-corpus/$target
    log=$logs/$target.log
    mkdir -p "$kept" "$grown"

    if [[ $mode == minimise ]]; then
        small=$(mktemp -d)
        # It lies in git and is replayed by `make test`: no input that is large for what it adds.
        "$fuzzer" -merge=1 -max_len=512 "$small" "$kept" "$grown" >"$log" 2>&1 ||
            fail "minimising the corpus of $target (log: $log)" "run .ci/fuzz.sh 60 $target"
        rm -rf "$kept"
        mkdir "$kept"
        mv "$small"/* "$kept"
        rmdir "$small"
        printf '%-10s %4d inputs, %s\n' "$target" "$(find "$kept" -type f | wc -l)" \
            "$(du -sh --apparent-size "$kept" | cut -f1)"
        continue
    fi

    status=0
    nice -n 10 "$fuzzer" -max_total_time="$mode" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$logs/$target-" "$grown" "$kept" >"$log" 2>&1 || status=$?
    if ((status == 0)); then
        inputs=$(sed -nE 's/^stat::number_of_executed_units: *([0-9]+)/\1/p' "$log")
        printf '%-10s clean: %s inputs in %s s\n' "$target" "${inputs:-?}" "$mode"
        continue
    fi
    found=1
    artifact=$(sed -nE 's/.*Test unit written to (.*)$/\1/p' "$log" | tail -n1)
    grep -m1 -A1 -E 'panicked at|ERROR: libFuzzer' "$log" || tail -n 20 "$log"
    if [[ -f $artifact ]]; then
        mkdir -p "tests/fuzz/regressions/$target"
        mv "$artifact" "tests/fuzz/regressions/$target/"
        printf '%-10s FOUND: tests/fuzz/regressions/%s/%s (log: %s)\n' \
            "$target" "$target" "$(basename "$artifact")" "$log"
    else
        printf '%-10s FAILED (log: %s)\n' "$target" "$log"
    fi
done
exit "$found"
