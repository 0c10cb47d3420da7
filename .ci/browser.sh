#!/usr/bin/env bash
# Installs the browser tests' npm packages and runs those that node runs by itself.
# They start the built server themselves, and stop it.
# Called with --packages it only installs.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

[[ -f tests/browser/package-lock.json ]] || exit 0
packages=$(input_hash tests/browser/package.json tests/browser/package-lock.json)
if ! is_done browser-packages "$packages" || [[ ! -d tests/browser/node_modules ]]; then
    say "browser tests: installing npm packages"
    logged "$OTYRYS_CACHE/browser-packages.log" npm --prefix tests/browser ci --no-audit --no-fund ||
        fail "npm ci in tests/browser (log: $OTYRYS_CACHE/browser-packages.log)" "check the network"
    mark_done browser-packages "$packages"
fi
[[ ${1:-} == --packages ]] && exit 0

npm --prefix tests/browser test
