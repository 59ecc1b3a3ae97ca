#!/bin/sh
# A browser for the tests of the dashboard. Does nothing where one is, or where we may not install it: those tests then skip.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "no Chromium here: the browser tests will be skipped (Debian: apt-get install chromium)" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
apt-get install --yes --quiet=2 --no-install-recommends chromium >/dev/null
