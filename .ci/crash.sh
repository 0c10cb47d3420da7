#!/usr/bin/env bash
# Kills the server so many times in a live hearing: tests/crash/crash-test.mjs.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

otyrys=$(.ci/binary.sh)
.ci/speech.sh "$otyrys"
.ci/browser.sh --packages
exec env OTYRYS_BINARY="$otyrys" N="$1" node tests/crash/crash-test.mjs
