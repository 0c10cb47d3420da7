#!/usr/bin/env bash
# Builds the web client into web/ui/dist, from where the server's binary embeds it.
# Called with --packages it only installs the npm packages.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

packages=$(input_hash web/ui/package.json web/ui/package-lock.json)
if ! is_done ui-packages "$packages" || [[ ! -d web/ui/node_modules ]]; then
    say "web client: installing npm packages"
    logged "$OTYRYS_CACHE/ui-packages.log" npm --prefix web/ui ci --no-audit --no-fund ||
        fail "npm ci in web/ui (log: $OTYRYS_CACHE/ui-packages.log)" \
            "check the network; if package-lock.json is out of step: npm --prefix web/ui install"
    mark_done ui-packages "$packages"
fi
[[ ${1:-} == --packages ]] && exit 0

sources=$(input_hash web/ui)
if ! is_done ui-build "$sources" || [[ ! -f web/ui/dist/index.html ]]; then
    say "web client: building"
    logged "$OTYRYS_CACHE/ui-build.log" npm --prefix web/ui run build ||
        fail "npm run build in web/ui (log: $OTYRYS_CACHE/ui-build.log)" \
            "read the compiler's message above"
    mark_done ui-build "$sources"
fi
