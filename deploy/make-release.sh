#!/bin/sh
# Make a virtual environment with the daemon in it, from the sources around this script:
# make-release.sh PYTHON DIRECTORY [LOCK FILE]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A copy is built: building leaves its traces beside the sources, and what an earlier build left would get in.
for each in pyproject.toml setup.cfg LICENSE README.md processor; do
    [ ! -e "$here/../$each" ] || cp -R "$here/../$each" "$work/"
done
"$here/make-venv.sh" "$1" "$2"
# What is installed was chosen once, by hash; nothing else gets in.
"$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$here/../${3:-requirements.lock}"
"$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation \
    --no-deps "$work"
