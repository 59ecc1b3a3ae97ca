#!/bin/sh
# Programs that tests need and Python packages do not bring: a browser for the dashboard, strace for errors of the kernel, a C
# compiler for a clock that jumps, logrotate, Prometheus' promtool for alerts. Does nothing where they are, or where we may not install them: those tests then
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

# promtool alone: Debian's package would start a server on this host.
bin=$(cd "$(dirname "$0")/.." && pwd)/.venv/bin
if ! command -v promtool >/dev/null && [ ! -x "$bin/promtool" ] && [ -d "$bin" ] && command -v apt-get >/dev/null; then
    work=$(mktemp -d)
    if [ "$(id -u)" = 0 ]; then apt-get update --quiet=2 || true; fi
    if (cd "$work" && apt-get download --quiet=2 prometheus >/dev/null 2>&1 && dpkg-deb --extract prometheus_*.deb out); then
        mv "$work/out/usr/bin/promtool" "$bin/promtool"
    else
        echo "tests of alerts will be skipped, for want of promtool (Debian: prometheus)" >&2
    fi
    rm -rf "$work"
fi

if [ -z "$missing" ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "some tests will be skipped, for want of (Debian: apt-get install)$missing" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# shellcheck disable=SC2086 # several words
apt-get install --yes --quiet=2 --no-install-recommends $missing >/dev/null
