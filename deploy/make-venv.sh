#!/bin/sh
# Make a virtual environment with what builds and installs, chosen by hash: make-venv.sh PYTHON DIRECTORY
# Debian splits venv from Python; where it is missing and may be installed, it is.
set -eu
python=$1
directory=$2
if ! "$python" -m venv "$directory" 2>/dev/null; then
    rm -rf "$directory"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv "$directory"
    else
        echo "Python's venv is missing: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$(dirname "$0")/build.lock"
