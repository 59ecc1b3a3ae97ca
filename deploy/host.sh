# What the installer and the package have in common: the system user, the directories, the settings, the service.
# To be sourced. All paths lie below $prefix, which is empty except for a trial run.

prefix=${prefix:-}
service_user=${service_user:-processor}
settings=$prefix/etc/processor/processor.env
state=$prefix/var/lib/processor
logs=$prefix/var/log/processor
files=$prefix/srv/processor
program=$prefix/opt/processor

say() { echo "processor: $*"; }
die() {
    echo "processor: $*" >&2
    exit 1
}

ensure_user() {
    if ! getent passwd "$service_user" >/dev/null; then
        useradd --system --user-group --home-dir "$state" --no-create-home --shell /usr/sbin/nologin "$service_user"
    fi
}

# Directories that exist keep their owner and mode: the operator may have had reasons.
ensure_directory() { # PATH MODE OWNER GROUP
    if [ ! -d "$1" ]; then
        mkdir -p "$(dirname "$1")"
        mkdir -m "$2" "$1"
        [ "$(id -u)" != 0 ] || chown "$3:$4" "$1"
    fi
}

ensure_directories() {
    group=$(id -gn "$service_user")
    ensure_directory "$prefix/etc/processor" 0750 root "$group"
    ensure_directory "$state" 0750 "$service_user" "$group"
    ensure_directory "$logs" 0750 root "$group"
    ensure_directory "$files" 0755 root root
    # Whoever may deliver files joins the group; setgid lets the daemon read what they drop.
    ensure_directory "$files/incoming" 2775 "$service_user" "$group"
    # Failed files are the daemon's alone. The first releases let the group write there, in which case it does not start.
    ensure_directory "$files/errors" 0700 "$service_user" "$group"
    [ -L "$files/errors" ] || chmod go-w "$files/errors"
}

# Settings are made once and never touched again; the secret is in them before anyone else can read the file.
ensure_settings() { # TEMPLATE
    if [ ! -e "$settings" ]; then
        (umask 077 && render "$1" >"$settings.new")
        [ "$(id -u)" != 0 ] || chown "root:$(id -gn "$service_user")" "$settings.new"
        chmod 0640 "$settings.new"
        mv "$settings.new" "$settings"
    fi
}

render() { # TEMPLATE
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@USER@|$service_user|g" "$1"
}

# Put a rendered template in its place; true when that changed anything.
place() { # TEMPLATE MODE PATH
    mkdir -p "$(dirname "$3")"
    render "$1" >"$3.new"
    chmod "$2" "$3.new"
    if cmp -s "$3.new" "$3"; then
        rm "$3.new"
        return 1
    fi
    mv "$3.new" "$3"
}

# A trial run must not meet the machine's own services; it names its own supervisor, if it has one.
supervisor() {
    if [ -n "${SUPERVISORCTL:-}" ]; then
        $SUPERVISORCTL "$@"
    elif [ -z "$prefix" ]; then
        supervisorctl "$@"
    fi
}

has_supervisor() { [ -n "${SUPERVISORCTL:-}" ] || command -v supervisorctl >/dev/null; }
has_systemd() { [ -z "$prefix" ] && [ -d /run/systemd/system ]; }

# Begin, or go on with what is installed now. A first start without a bucket ends by itself and is not repeated.
start_service() { # supervisor|systemd
    case $1 in
    supervisor)
        running=$(supervisor pid processor 2>/dev/null) || running=
        supervisor update || say "supervisord does not answer; the program starts with it"
        # `update` begins or restarts only what its own configuration says; a new release needs a restart.
        if [ -n "$running" ] && [ "$running" = "$(supervisor pid processor 2>/dev/null)" ]; then
            supervisor restart processor || true
        fi
        ;;
    systemd)
        has_systemd || return 0
        systemctl daemon-reload
        systemctl enable --quiet processor.service
        systemctl restart processor.service || say "not started: journalctl -u processor"
        systemctl try-restart processor-dashboard.service || true
        ;;
    esac
}

stop_service() {
    if has_supervisor; then supervisor stop processor >/dev/null 2>&1 || true; fi
    if has_systemd && systemctl cat processor.service >/dev/null 2>&1; then
        systemctl disable --quiet --now processor.service processor-dashboard.service || true
    fi
}

# After the configuration is gone, whoever ran it forgets it.
forget_service() {
    if has_supervisor; then supervisor update >/dev/null 2>&1 || true; fi
    if has_systemd; then systemctl daemon-reload; fi
}

# Everything that the daemon wrote and was told; never the users' files.
purge() {
    rm -rf "$prefix/etc/processor" "$state" "$logs"
}
