# shellcheck shell=bash
# Sourced by the other scripts of this folder: where things are kept, how a step reports,
# and how a step that is already done is skipped.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Outside the clone, so that a fresh clone on the same machine starts warm.
export OTYRYS_CACHE=${OTYRYS_CACHE:-$HOME/.cache/otyrys}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$OTYRYS_CACHE/target}
export PATH=$OTYRYS_CACHE/tools/bin:$HOME/.cargo/bin:$PATH
STAMPS=$OTYRYS_CACHE/stamps
mkdir -p "$STAMPS"
cd "$ROOT"

say() { printf '==> %s\n' "$*" >&2; }

# fail WHAT TODO: says what was tried and what a person can do about it, then ends the step.
fail() {
    printf '\nFAILED: %s\n    To do: %s\n' "$1" "$2" >&2
    exit 1
}

# input_hash PATH...: one hash over the files under the paths, by name and content.
# Folders that a tool fills are not inputs.
input_hash() {
    find "$@" -type d \( -name node_modules -o -name dist -o -name output \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# A stamp belongs to one step in one clone: its outputs lie in that clone.
stamp_file() { printf '%s/%s-%s' "$STAMPS" "$1" "$(printf '%s' "$ROOT" | sha256sum | cut -c1-12)"; }
is_done() { [[ -f $(stamp_file "$1") && $(<"$(stamp_file "$1")") == "$2" ]]; }
mark_done() { printf '%s' "$2" >"$(stamp_file "$1")"; }

# logged LOG COMMAND...: runs quietly; the log is shown only when the command fails.
logged() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        return 1
    fi
}
