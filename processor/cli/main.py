"""Command line: arguments in, text and exit codes out.

Nothing is imported but what the command at hand needs. What a command does is in `commands`.

Exit codes: 0 done, 1 a failure or a bug, 2 usage, 75 files are left (EX_TEMPFAIL of sysexits.h), 78 configuration
(EX_CONFIG).
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import cast

from processor.cli.parser import UsageError, commands, parser

__all__ = ["commands", "main", "parser"]
_USAGE = 2


def main() -> None:
    """Run the command line. What the terminal's encoding has no letter for is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    top = parser()
    if len(sys.argv) == 1:
        top.print_help(sys.stderr)
        sys.exit(_USAGE)
    arguments = top.parse_args()
    try:
        sys.exit(_command(arguments.run)(arguments))
    except UsageError as error:
        top.error(str(error))
    except BrokenPipeError:  # whoever read what we print has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, _, function = name.partition(":")
    return cast("Callable[[argparse.Namespace], int]", getattr(importlib.import_module(module), function))
