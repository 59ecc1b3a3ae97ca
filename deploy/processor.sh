#!/bin/sh
# The command for people: the same release, settings and user as the daemon, so that no file of its ledger ever belongs to
# somebody else. `convert` and `extract` work on the caller's own files and stay with the caller.
export PROCESSOR_ENV_FILE="${PROCESSOR_ENV_FILE:-@PREFIX@/etc/processor/processor.env}"
program=@PREFIX@/opt/processor/current/bin/processor
case ${1:-} in
convert | extract) exec "$program" "$@" ;;
esac
if [ "$(id -u)" = 0 ] && [ "@USER@" != root ]; then
    exec setpriv --reuid=@USER@ --regid=@USER@ --init-groups "$program" "$@"
fi
exec "$program" "$@"
