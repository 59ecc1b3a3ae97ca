"""Commands that deliver: `run`, and the words of `make run`."""

import argparse

from processor.cli.parser import UsageError
from processor.cli.runtime import OK, run_daemon, settings_for


def run(arguments: argparse.Namespace) -> int:
    """Deliver until told to stop, or once."""
    if arguments.as_json and not arguments.once:
        raise UsageError("--json goes with --once: the daemon's log is JSON already")
    run_daemon(once=arguments.once, as_json=arguments.as_json)
    return OK


def welcome(_arguments: argparse.Namespace) -> int:
    """Say where to drop files and how to look at what arrived."""
    settings = settings_for()
    print(f"""
Drop files into   {settings.watch_path}
They go to        {settings.s3_endpoint or "AWS"}, bucket {settings.s3_bucket}
Look at them by   .venv/bin/processor status          what has arrived, what is on its way, what failed
                  .venv/bin/processor ls              the stored objects
                  .venv/bin/processor why FILE        one file's history
Settings are in   .env (all of them are explained there); end with Ctrl-C.
""")
    return OK
