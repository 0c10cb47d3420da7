#!/bin/sh
# Brings the real speech that the tests recognise: Debian packages, unpacked, not installed.
# Usage: tests/speech/fetch.sh   (again: does nothing)
# Result: ${OTYRYS_CACHE:-$HOME/.cache/otyrys}/speech/<package>/usr/share/...
set -eu

speech="${OTYRYS_CACHE:-$HOME/.cache/otyrys}/speech"
mkdir -p "$speech"
cd "$speech"

# festvox-ru: one man reading Russian, 16 kHz, with transcripts. asterisk: telephone prompts, music on
# hold. scratch, sound-theme-freedesktop: coughs, steps, doors, paper, telephones.
for package in festvox-ru \
    asterisk-core-sounds-ru asterisk-core-sounds-ru-g722 \
    asterisk-core-sounds-en asterisk-core-sounds-en-wav \
    asterisk-moh-opsound-wav scratch sound-theme-freedesktop; do
    [ -d "$package" ] && continue
    # A file of an earlier, interrupted run is taken again by apt-get and checked by its hash.
    apt-get download "$package"
    rm -rf "$package.part"
    dpkg-deb -x "$package"_*.deb "$package.part"
    mv "$package.part" "$package"
    rm -f "$package"_*.deb
done
echo "speech is in $speech"
