#!/bin/sh
# Programs that tests need and Python packages do not bring: a browser for the dashboard, strace for errors of the kernel, a C
# compiler for a clock that jumps, logrotate. Does nothing where they are, or where we may not install them: those tests then
# skip.
set -eu

missing=
need() { # need PACKAGES COMMAND...: any of the commands will do
    packages=$1
    shift
    for name in "$@"; do
        if command -v "$name" >/dev/null; then return; fi
    done
    missing="$missing $packages"
}
need chromium chromium chromium-browser google-chrome
need strace strace
need "gcc libc6-dev" cc
need logrotate logrotate

if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "some tests will be skipped, for want of (Debian: apt-get install)$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# shellcheck disable=SC2086 # several words
apt-get install --yes --quiet=2 --no-install-recommends $missing >/dev/null
