#!/bin/sh
# Build dist/data-file-processor_VERSION_ARCH.deb: the complete virtual environment, so that installing needs no network.
# With CYCLONEDX=cyclonedx-py (of cyclonedx-bom), a list of what is in it lies inside and beside it.
# It belongs to the Python it is built with: Debian's own, of the release the package is for.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$here")
python=${PYTHON:-/usr/bin/python3}
output=${1:-$source/dist}

interpreter=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
version=$("$python" -c 'import sys, tomllib; print(tomllib.load(open(sys.argv[1], "rb"))["project"]["version"])' \
    "$source/pyproject.toml")
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
release=$root/opt/processor/releases/$version

prefix=
. "$here/host.sh"
umask 022

build_environment() {
    mkdir -p "$(dirname "$release")"
    PIP_NO_COMPILE=1 "$here/make-release.sh" "$interpreter" "$release"
    "$release/bin/python" -m pip uninstall --quiet --yes pip setuptools
    find "$release" -name __pycache__ -type d -prune -exec rm -rf {} +
    rm -f "$release"/bin/activate* "$release"/bin/Activate*
    # Scripts name the interpreter by the place it is built in.
    grep -lIr "$root" "$release/bin" "$release/pyvenv.cfg" | xargs sed -i "s|$root||g"
    "$interpreter" -m compileall -q -s "$root" -p / --invalidation-mode unchecked-hash "$release/lib"
    ln -s "releases/$version" "$root/opt/processor/current"
}

place_files() {
    place "$here/start.sh" 0755 "$root/opt/processor/start"
    place "$here/processor.sh" 0755 "$root/usr/bin/processor"
    place "$here/supervisor.conf" 0644 "$root/etc/supervisor/conf.d/processor.conf"
    place "$here/logrotate.conf" 0644 "$root/etc/logrotate.d/processor"
    place "$here/processor.service" 0644 "$root/lib/systemd/system/processor.service"
    place "$here/processor-dashboard.service" 0644 "$root/lib/systemd/system/processor-dashboard.service"
    mkdir -p "$root/usr/share/processor" "$root/usr/share/doc/data-file-processor"
    cp "$here/host.sh" "$here/processor.env" "$root/usr/share/processor/"
    cp "$source/LICENSE" "$root/usr/share/doc/data-file-processor/copyright"
    place_documents "$root/usr/share/doc/data-file-processor"
}

# The man page and the completion are made by the program itself.
place_made() {
    mkdir -p "$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" \
        "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
    "$release/bin/python" -B -m processor.cli.manual | gzip -9n >"$root/usr/share/man/man1/processor.1.gz"
    for shell in bash:bash-completion/completions/processor zsh:zsh/vendor-completions/_processor \
        fish:fish/vendor_completions.d/processor.fish; do
        "$release/bin/python" -B -m processor completion "${shell%%:*}" >"$root/usr/share/${shell#*:}"
    done
}

# What an operator copies from: pages, alert rules, the board, rights and life cycle of the bucket, feeds.
place_documents() { # DIRECTORY
    mkdir -p "$1/docs" "$1/examples"
    cp "$source/README.md" "$1/"
    cp -R "$source/docs/." "$1/docs/"
    gzip -9n <"$source/CHANGELOG.md" >"$1/changelog.gz"
    cp "$source/.env.example" "$1/examples/env.example"
    for each in prometheus-alerts.yml grafana-dashboard.json iam-policy.json lifecycle.json feeds.example.toml; do
        cp "$here/$each" "$1/examples/"
    done
}

# The list has names, versions, licences and what needs what; hashes of the files are in requirements.lock.
describe() { # DIRECTORY
    cp "$source/requirements.lock" "$1/"
    [ -n "${CYCLONEDX:-}" ] || return 0
    "$CYCLONEDX" environment --pyproject "$source/pyproject.toml" --mc-type application --output-reproducible \
        --output-format JSON --output-file "$1/sbom.cdx.json" "$release/bin/python"
    mkdir -p "$output"
    cp "$1/sbom.cdx.json" "$output/data-file-processor_${version}_$architecture.cdx.json"
}

place_control() {
    mkdir "$root/DEBIAN"
    sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" -e "s|@PYTHON@|$(basename "$interpreter")|" \
        -e "s|@SIZE@|$(du -sk "$root" | cut -f1)|" "$here/deb/control" >"$root/DEBIAN/control"
    cp "$here/deb/conffiles" "$root/DEBIAN/"
    for script in postinst prerm postrm; do
        install -m 0755 "$here/deb/$script" "$root/DEBIAN/"
    done
}

build_environment
place_files
place_made
describe "$root/usr/share/doc/data-file-processor"
place_control
mkdir -p "$output"
dpkg-deb --root-owner-group -Zzstd --build "$root" "$output/data-file-processor_${version}_$architecture.deb"
