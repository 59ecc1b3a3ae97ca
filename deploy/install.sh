#!/bin/sh
# Install, upgrade and uninstall the daemon on a Linux host. Safe to repeat; see usage below.
set -eu

usage() {
    cat <<'END'
Usage: install.sh [install|upgrade|uninstall] [options]

  install      user, virtual environment, settings, service; on an installed host the same as upgrade
  upgrade      a new release beside the old one, then one restart; settings, ledger and logs stay as they are
  uninstall    remove program and service; keeps /etc/processor, /var/lib/processor, /var/log/processor

  --service supervisor|systemd|none   who runs it (default: supervisor where it is installed, else systemd)
  --wheelhouse DIRECTORY   install from wheels in there, without a network; default: from the sources around this script.
                           Made by: pip wheel --wheel-dir DIRECTORY --require-hashes -r requirements.lock; then: --no-deps .
  --tables                 with what Iceberg tables take (docs/TABLES.md); an upgrade keeps it
  --python PROGRAM         Python 3.11 or later (default: python3)
  --purge                  with uninstall: also remove settings, ledger, logs and user; never /srv/processor
  --prefix DIRECTORY       put everything below it and leave user and services of this machine alone: a trial run

Then: fill in /etc/processor/processor.env, `processor check`, `supervisorctl start processor`.
END
}

here=$(cd "$(dirname "$0")" && pwd)
action=install
service=auto
wheelhouse=
lock=requirements.lock
python=python3
purge=no
prefix=

while [ $# -gt 0 ]; do
    case $1 in
    install | upgrade | uninstall) action=$1 ;;
    --purge) purge=yes ;;
    --tables) lock=requirements-tables.lock ;;
    --service | --wheelhouse | --python | --prefix)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        case $1 in
        --service) service=$2 ;;
        --wheelhouse) wheelhouse=$2 ;;
        --python) python=$2 ;;
        --prefix) prefix=$2 ;;
        esac
        shift
        ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

case $prefix in
'' | /*) ;;
*) echo "--prefix must be an absolute path" >&2; exit 2 ;;
esac
case $prefix in
*[!A-Za-z0-9/._-]* | */) echo "--prefix: only letters, digits and / . _ -, no slash at the end" >&2; exit 2 ;;
esac
case $service in
auto | supervisor | systemd | none) ;;
*) usage >&2; exit 2 ;;
esac
[ -z "$prefix" ] || service_user=$(id -un)
. "$here/host.sh"
umask 022

program_conf=$prefix/etc/supervisor/conf.d/processor.conf
if [ ! -d "$prefix/etc/supervisor/conf.d" ] && [ -d "$prefix/etc/supervisord.d" ]; then
    program_conf=$prefix/etc/supervisord.d/processor.ini
fi
unit=$prefix/etc/systemd/system/processor.service
dashboard=$prefix/etc/systemd/system/processor-dashboard.service
rotation=$prefix/etc/logrotate.d/processor
command=$prefix/usr/local/bin/processor

choose_service() {
    [ "$service" = auto ] || return 0
    if [ -e "$unit" ]; then
        service=systemd # as it was installed before
    elif [ -e "$program_conf" ] || has_supervisor; then
        service=supervisor
    elif has_systemd; then
        service=systemd
    else
        die "neither supervisor nor systemd is here: install supervisor, or say --service none"
    fi
}

check_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than Python 3.11"
    # The service's user has to reach the interpreter: one below /root, such as uv and pyenv make, is the superuser's alone.
    hidden=$("$python" - <<'END'
import os, sys
place = os.path.dirname(os.path.realpath(sys.executable))
above = [place[:end] for end in range(1, len(place) + 1) if place[end:end + 1] in ("/", "")]
print(next((each for each in above if not os.stat(each).st_mode & 0o001), ""))
END
    )
    [ -n "$prefix" ] || [ -z "$hidden" ] || die "$python lies below $hidden, which $service_user may not enter:" \
        "take one that all users may run, such as --python /usr/bin/python3"
}

# A release is complete before anything refers to it; what fails half-way leaves the host as it was.
build_release() {
    release=$program/releases/$(date -u +%Y%m%dT%H%M%S)-$$
    mkdir -p "$program/releases"
    for each in "$program"/current/lib/python*/site-packages/pyiceberg; do
        [ ! -d "$each" ] || lock=requirements-tables.lock
    done
    trap 'rm -rf "$release"' EXIT
    if [ -n "$wheelhouse" ]; then
        "$python" -m venv "$release"
        pip="$release/bin/python -m pip install --quiet --disable-pip-version-check --no-index"
        # Whoever may write there chooses our code; but what the lock file knows is compared by hash.
        if [ -e "$here/../$lock" ]; then
            $pip --find-links "$wheelhouse" --require-hashes --requirement "$here/../$lock"
            $pip --find-links "$wheelhouse" --no-deps data-file-processor
        else
            $pip --find-links "$wheelhouse" data-file-processor
        fi
    else
        [ -e "$here/../pyproject.toml" ] || die "no sources around this script: say --wheelhouse"
        "$here/make-release.sh" "$python" "$release" "$lock"
    fi
    "$release/bin/processor" --help >/dev/null
    trap - EXIT
}

switch_release() {
    before=$(readlink -f "$program/current" || true)
    ln -s "$release" "$program/current.new"
    mv -T "$program/current.new" "$program/current"
    # The one before stays: the running daemon still reads from it, and the way back is one link.
    for old in "$program"/releases/*; do
        [ "$old" = "$release" ] || [ "$old" = "$before" ] || rm -rf "$old"
    done
}

install_files() {
    place "$here/start.sh" 0755 "$program/start" || true
    place "$here/processor.sh" 0755 "$command" || true
    case $service in
    supervisor)
        place "$here/logrotate.conf" 0644 "$rotation" || true
        place "$here/supervisor.conf" 0644 "$program_conf" || true
        ;;
    systemd)
        place "$here/processor.service" 0644 "$unit" || true
        place "$here/processor-dashboard.service" 0644 "$dashboard" || true
        ;;
    esac
}

install() {
    choose_service
    [ -n "$prefix" ] || [ "$(id -u)" = 0 ] || die "must be run as root (or with --prefix)"
    check_python
    [ -n "$prefix" ] || ensure_user
    ensure_directories
    build_release
    ensure_settings "$here/processor.env"
    install_files
    switch_release
    start_service "$service"
    say "installed. Settings: $settings; check them with: $command check"
}

uninstall() {
    [ -n "$prefix" ] || [ "$(id -u)" = 0 ] || die "must be run as root (or with --prefix)"
    stop_service
    rm -rf "$program" "$program_conf" "$unit" "$dashboard" "$rotation" "$command"
    forget_service
    if [ "$purge" = yes ]; then
        purge
        if [ -z "$prefix" ] && getent passwd "$service_user" >/dev/null; then userdel "$service_user"; fi
    else
        say "kept: $prefix/etc/processor $state $logs"
    fi
    say "uninstalled. Files waiting in $files are left alone"
}

case $action in
install | upgrade) install ;;
uninstall) uninstall ;;
esac
