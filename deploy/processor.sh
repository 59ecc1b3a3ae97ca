#!/bin/sh
# The command for people: the same release, settings and user as the daemon, so that no file of its ledger ever belongs to
# somebody else. `convert`, `extract` and `plan` work on the caller's own files and stay with the caller, who need not be able
# to read the settings, since these hold the store's secret: then the defaults are in force.
export PROCESSOR_ENV_FILE="${PROCESSOR_ENV_FILE:-@PREFIX@/etc/processor/processor.env}"
program=@PREFIX@/opt/processor/current/bin/processor
case ${1:-} in
convert | extract | plan)
    [ -r "$PROCESSOR_ENV_FILE" ] || PROCESSOR_ENV_FILE=/dev/null
    exec "$program" "$@"
    ;;
esac
if [ "$(id -u)" = 0 ] && [ "@USER@" != root ]; then
    exec setpriv --reuid=@USER@ --regid=@USER@ --init-groups "$program" "$@"
fi
exec "$program" "$@"
