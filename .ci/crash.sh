#!/usr/bin/env bash
# Runs a test of tests/crash, by its name, against a live hearing.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

otyrys=$(.ci/binary.sh)
.ci/speech.sh "$otyrys"
.ci/browser.sh --packages
exec env OTYRYS_BINARY="$otyrys" node "tests/crash/$1.mjs"
