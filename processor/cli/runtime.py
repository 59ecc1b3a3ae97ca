"""Settings, error reporting and exit codes for every command.

Exit codes: 0 done, 1 a failure or a bug, 2 usage, 75 files are left (EX_TEMPFAIL of sysexits.h), 78 configuration
(EX_CONFIG).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processor import logs
from processor.cli.output import complain, show
from processor.config.environment import ConfigurationError, absolute, given
from processor.config.load import load
from processor.config.settings import Settings
from processor.domain.errors import DeliveryError
from processor.ledger.database import LedgerBusyError, LedgerDamagedError, LedgerTooNewError

OK, FAILED, USAGE, CONFIGURATION = 0, 1, 2, 78


def settings_for(*, log_to_stderr: bool = False, **otherwise: Any) -> Settings:
    """Return the settings and set up the logs, or exit; `otherwise` stands in for what a command does not need."""
    try:
        settings = load(otherwise)
    except ConfigurationError as error:
        told = "\n".join(filter(None, (str(error), _mistakes_of_feeds())))
        complain(f"the configuration is not usable:\n{told}")
        sys.exit(CONFIGURATION)
    logs.configure(settings.log_level, pretty=settings.log_pretty, to_stderr=log_to_stderr)
    return settings


def _mistakes_of_feeds() -> str:
    """Return what is wrong in FEEDS, too: nobody wants to mend one mistake to be told of the next."""
    from processor.feeds.load import read_feeds  # noqa: PLC0415 - only where something is wrong

    try:
        path = given().get("feeds")
        if path:
            read_feeds(absolute(Path(path)))
    except ConfigurationError as error:
        return str(error)
    return ""


@contextmanager
def told_plainly() -> Iterator[None]:
    """End with one line and the right exit code instead of a traceback, for whatever an operator can mend."""
    try:
        yield
    except DeliveryError as error:
        complain(error)
        configured = error.failure.code.startswith("store.")
        sys.exit(CONFIGURATION if configured else FAILED)
    except ConfigurationError as error:
        complain(error)
        sys.exit(CONFIGURATION)
    except TimeoutError as error:
        complain(f"{str(error) or 'no answer in time'} (is this host overloaded? try again)")
        sys.exit(FAILED)
    except (LedgerBusyError, LedgerDamagedError, LedgerTooNewError, FileNotFoundError, PermissionError) as error:
        complain(error)
        sys.exit(FAILED)


def run_daemon(*, once: bool, as_json: bool = False) -> None:
    """Do what `processor run` does, and exit."""
    settings = settings_for(log_to_stderr=as_json)
    from processor.commands.progress import ProgressLine  # noqa: PLC0415
    from processor.daemon.app import run  # noqa: PLC0415 - wrong settings are told at once

    with told_plainly(), ProgressLine("files") as progress:

        def tell(done: int, found: int) -> None:
            progress.total = found
            progress.reach(done)

        is_log_here = as_json or (sys.stdout is not None and sys.stdout.isatty())  # and tells of each file
        report = run(settings, once=once, tell=tell if once and not is_log_here else None)
        progress.clear()
        if as_json:
            show(report, lambda _: (), as_json=True)
        sys.exit(report.exit_code)
