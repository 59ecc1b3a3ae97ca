"""Make the man page from the parser: `python -m processor.cli.manual`."""

import argparse
import sys
from collections.abc import Iterator
from importlib.metadata import version

from processor.cli.parser import DISTRIBUTION, GROUPS, commands, parser

_HEAD = r"""\
.TH PROCESSOR 1 "" "processor {version}" "User Commands"
.SH NAME
processor \- deliver files from Linux to S3 as verified data
.SH SYNOPSIS
.B processor
.I COMMAND
[\fIARGUMENT\fR ...]
.SH DESCRIPTION
Watches a directory and delivers each file to S3-compatible storage: archives opened, CSV, TSV, JSON and XML turned into
Parquet that changes no value. Everything is verified in the store.
.PP
Settings come from the environment or from the file that \fBPROCESSOR_ENV_FILE\fR names, else \fI.env\fR.
"""
_TAIL = r"""\
.SH EXIT STATUS
0: done. 1: a failure. 2: wrong usage. 75: files are still being written to. 78: the configuration is not usable.
.SH FILES
.TP
.I /etc/processor/processor.env
Settings of the installed daemon.
.TP
.I /usr/share/doc/data-file-processor
Every page of the documentation, alert rules, a board, and examples.
.SH SEE ALSO
.BR systemctl (1),
.BR supervisorctl (1)
"""


def manual() -> str:
    """Return the page, as roff."""
    return "".join((_HEAD.removeprefix("\\\n").format(version=_text(version(DISTRIBUTION))), *_commands(), _TAIL[2:]))


def _commands() -> Iterator[str]:
    found = list(commands(parser()))
    for group in GROUPS:
        yield f".SH {_text(group.upper())}\n"
        for each in found:
            if each.group == group:
                yield f".SS processor {_text(each.words)}\n{_text(each.parser.description or each.help)}\n"
                yield from _arguments(each.parser)


def _arguments(each: argparse.ArgumentParser) -> Iterator[str]:
    for action in each._actions:  # noqa: SLF001 - argparse has no other way to ask
        if action.dest == "help" or isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            continue
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = "" if action.option_strings and action.nargs == 0 else f" \\fI{_text(metavar)}\\fR"
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in action.option_strings)
        text = (action.help or ", ".join(map(str, action.choices or ()))) % {"default": action.default}
        yield f".TP\n{(names + value).strip()}\n{_text(text)}\n"


def _text(text: str) -> str:
    """Return text as roff takes it: nothing of it is a request or an escape (groff_man(7))."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    sys.stdout.write(manual())
