#!/usr/bin/env bash
# Everything that must hold, in the order in which a failure is found soonest. A failed suite
# does not stop the next; a build that fails does, since nothing after it would mean anything.
# The last line is `N passed, N failed`: tests by their number, every other check as one.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

logs=$OTYRYS_CACHE/test-logs
rm -rf "$logs"
mkdir -p "$logs"
passed=0
failed=0
failures=()
started=$SECONDS

count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

failure() {
    failures+=("$1")
    printf '    FAILED: %s\n' "$1"
}

finish() {
    local minutes=$(((SECONDS - started) / 60)) seconds=$(((SECONDS - started) % 60))
    printf '\n'
    if ((${#failures[@]} > 0)); then
        printf 'failed: %s\n' "${failures[@]}"
        printf 'logs: %s\n' "$logs"
    fi
    printf 'took %d min %d s\n' "$minutes" "$seconds"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0 && passed > 0))
    exit
}

# check NAME COMMAND...: one check, counted as one; its output is shown when it fails.
check() {
    local name=$1 at=$SECONDS
    shift
    printf '==> %s\n' "$name"
    if "$@" >"$logs/${name// /-}.log" 2>&1; then
        count 1 0
        printf '    ok (%d s)\n' "$((SECONDS - at))"
    else
        count 0 1
        tail -n 80 "$logs/${name// /-}.log"
        failure "$name"
        return 1
    fi
}

# required NAME COMMAND...: a check without which the rest cannot run.
required() { check "$@" || finish; }

# attribute NAME: the value of an attribute of the first element of a JUnit report on stdin.
attribute() { grep -oE "<testsuites[^>]*>" | head -n1 | grep -oE " $1=\"[0-9]+\"" | grep -oE '[0-9]+' || echo 0; }

# suite NAME REPORT COMMAND...: tests counted from the JUnit report that the command writes.
suite() {
    local name=$1 report=$2 at=$SECONDS status=0
    shift 2
    printf '==> %s\n' "$name"
    rm -f "$report"
    "$@" || status=$?
    local total=0 bad=0
    if [[ -f $report ]]; then
        total=$(attribute tests <"$report")
        bad=$(($(attribute failures <"$report") + $(attribute errors <"$report")))
    fi
    # Ended badly without a failed test: it did not build, or a test left something running.
    if ((status != 0 && bad == 0)); then
        bad=1
        total=$((total + 1))
    fi
    count "$((total - bad))" "$bad"
    printf '    %d passed, %d failed (%d s)\n' "$((total - bad))" "$bad" "$((SECONDS - at))"
    ((bad == 0)) || failure "$name"
}

# failed_tests LOG: the tests of a TAP log that failed, with why; those that only came after one
# are named. Nothing of another log.
failed_tests() {
    awk '/^ *not ok / { inside = 1; block = ""; name = $0 }
        inside { block = block $0 "\n" }
        inside && /^ *\.\.\.$/ {
            inside = 0
            printf "%s", block ~ /an earlier step failed/ ? name " (an earlier step failed)\n" : block
        }' "$1"
}

# lines NAME PATTERN_PASSED PATTERN_FAILED COMMAND...: tests counted from summary lines, each
# pattern capturing a number.
lines() {
    local name=$1 ok=$2 not_ok=$3 at=$SECONDS status=0 log
    log="$logs/${name// /-}.log"
    shift 3
    printf '==> %s\n' "$name"
    "$@" >"$log" 2>&1 || status=$?
    local good bad
    good=$(sed -nE "s/$ok/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }')
    bad=$(sed -nE "s/$not_ok/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }')
    if ((status != 0 && bad == 0)); then bad=1; fi
    count "$good" "$bad"
    printf '    %d passed, %d failed (%d s)\n' "$good" "$bad" "$((SECONDS - at))"
    if ((bad > 0)); then
        local what
        what=$(failed_tests "$log")
        if [[ -n $what ]]; then printf '%s\n' "$what"; else tail -n 80 "$log"; fi
        failure "$name"
    fi
}

required "toolchain" .ci/toolchain.sh
required "system packages" .ci/system-packages.sh
required "tools" .ci/tools.sh

check "rustfmt" cargo fmt --all --check || true
check "licences, layers and sources" cargo deny --locked check bans licenses sources || true
check "unused dependencies" cargo shear --locked || true

required "web client packages" .ci/ui.sh --packages
check "web client lint" npm --prefix web/ui run lint || true
check "web client types" npm --prefix web/ui run typecheck || true
suite "web client tests" "$logs/vitest.xml" npm --prefix web/ui run test -- \
    --reporter=default --reporter=junit --outputFile.junit="$logs/vitest.xml"
required "web client build" .ci/ui.sh

required "build" .ci/binary.sh
check "clippy" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings || true
check "rustdoc" env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --workspace --no-deps || true

required "model and speech" .ci/speech.sh "$CARGO_TARGET_DIR/debug/otyrys"
required "browser packages" .ci/browser.sh --packages
suite "tests" "$ROOT/target/nextest/default/junit.xml" cargo nextest run --locked --workspace
lines "doc tests" 'test result: .* ([0-9]+) passed;.*' 'test result: .* ([0-9]+) failed;.*' \
    cargo test --quiet --locked --workspace --doc
if compgen -G 'tests/browser/*.test.mjs' >/dev/null; then
    lines "browser tests" '^# pass ([0-9]+)' '^# fail ([0-9]+)' .ci/browser.sh
fi

finish
