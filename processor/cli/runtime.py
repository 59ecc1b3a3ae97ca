"""Settings, error reporting and exit codes for every command.

Exit codes: 0 done, 1 a failure or a bug, 2 usage, 75 files are left (EX_TEMPFAIL of sysexits.h), 78 configuration
(EX_CONFIG).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from processor import config, logs
from processor.domain.errors import DeliveryError
from processor.ledger.database import LedgerBusyError, LedgerDamagedError, LedgerTooNewError

OK, FAILED, USAGE, CONFIGURATION = 0, 1, 2, 78


def settings_for(**otherwise: Any) -> config.Settings:
    """Return the settings and set up the logs, or exit; `otherwise` stands in for what a command does not need."""
    try:
        settings = config.load(otherwise)
    except config.ConfigurationError as error:
        print(f"the configuration is not usable:\n{error}", file=sys.stderr)
        sys.exit(CONFIGURATION)
    logs.configure(settings.log_level, pretty=settings.log_pretty)
    return settings


@contextmanager
def told_plainly() -> Iterator[None]:
    """End with one line and the right exit code instead of a traceback, for whatever an operator can mend."""
    try:
        yield
    except DeliveryError as error:
        print(error, file=sys.stderr)
        configured = error.failure.code.startswith("store.")
        sys.exit(CONFIGURATION if configured else FAILED)
    except config.ConfigurationError as error:
        print(error, file=sys.stderr)
        sys.exit(CONFIGURATION)
    except (LedgerBusyError, LedgerDamagedError, LedgerTooNewError, FileNotFoundError, PermissionError) as error:
        print(error, file=sys.stderr)
        sys.exit(FAILED)


def run_daemon(*, once: bool) -> None:
    """Do what `processor run` does, and exit."""
    settings = settings_for()
    from processor.daemon.app import run  # noqa: PLC0415 - wrong settings are told at once

    with told_plainly():
        sys.exit(run(settings, once=once))
