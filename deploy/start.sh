#!/bin/sh
# Start the daemon for supervisor, which restarts at once and without end: a daemon that dies again within ten seconds
# gets a breath. With startsecs above 0 supervisor would pause by itself, but give up after a few tries and also retry
# an end that it was told to expect, such as 78 for settings that are wrong.
mark=@PREFIX@/var/lib/processor/.started
if [ -n "$(find "$mark" -newermt '-10 seconds' 2>/dev/null)" ]; then
    sleep 5
fi
: >"$mark"
exec @PREFIX@/opt/processor/current/bin/processor run
