# make run     a hearing with rehearsal participants; open the links it prints
# make test    every check and test; the last line is `N passed, N failed`
# make demo    the whole path unattended: hearing, record, draft, seal, registry, verify
# make fuzz    each fuzz target for T seconds (default 60), from the corpus in tests/fuzz
# make crash-test       kills the server N times (default 100) in a live hearing; nothing is lost
# make recorder-crash-test  crashes GStreamer each 20 s for T seconds (default 300)
# make bench-forward    what a forwarded packet costs, here and in Janus (docs/benchmarks.md)
# make bench-record     what it costs to record a track
# make bench-speech     words wrong, processor time, memory of the recogniser, beside faster-whisper
# make bench-live       how soon a line stands in the draft, in a hearing of rehearsal participants
# make bench-limit      what protecting and sending a packet costs on this machine at least
#
# Each installs what is missing (Debian packages through apt-get) and skips what is done.
# OTYRYS_CACHE               models, speech, tools, build outputs  (default: ~/.cache/otyrys)
# OTYRYS_SERVER__DATA_DIR    where `make run` keeps its data       (default: ./data)
# Every line of otyrys.toml can be set in this way.

SHELL := /bin/bash
# OpenBLAS reads it when a program is loaded; without it, it keeps an idle thread for each core.
export OPENBLAS_NUM_THREADS := 1

.PHONY: help run test demo fuzz crash-test recorder-crash-test bench-forward bench-record bench-speech bench-live bench-limit ready

help:
	@sed -nE 's/^# ?//p; /^$$/q' $(firstword $(MAKEFILE_LIST))

# What a run needs before its first build.
ready:
	@.ci/toolchain.sh
	@.ci/system-packages.sh

run: ready
	@otyrys=$$(.ci/binary.sh) && .ci/speech.sh "$$otyrys" && exec "$$otyrys" serve --demo --rehearse

demo: ready
	@otyrys=$$(.ci/binary.sh) && .ci/speech.sh "$$otyrys" && exec "$$otyrys" demo

test:
	@.ci/test.sh

T ?= 60
fuzz: ready
	@.ci/fuzz.sh $(T)

N ?= 100
crash-test: ready
	@N=$(N) .ci/crash.sh crash-test

recorder-crash-test: T = 300
recorder-crash-test: ready
	@T=$(T) .ci/crash.sh recorder-crash-test

bench-forward: ready
	@.ci/bench.sh forward

bench-record: ready
	@.ci/bench.sh record

bench-speech: ready
	@.ci/bench.sh speech

# On the build that `make run` starts.
bench-live: ready
	@set -o pipefail; otyrys=$$(.ci/binary.sh) && .ci/speech.sh "$$otyrys" && \
		"$$otyrys" demo --rounds 3 | tee /dev/stderr | grep '^live: '

bench-limit: ready
	@.ci/bench.sh limit
