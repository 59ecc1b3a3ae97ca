"""Progress is one line on stderr, on a terminal only, and leaves nothing behind."""

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import pytest

from processor.commands import progress
from processor.commands.progress import ProgressLine


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Have a terminal as stderr, which shows at once; yield what reads it."""
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_EACH_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", "120")
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w", encoding="utf-8") as stderr, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stderr)
        yield lambda: os.read(ours, 4096).decode()
    os.close(ours)


def test_a_terminal_is_shown_how_much_how_fast_and_how_long_still(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as read:
        with ProgressLine("", 80_000_000, "a\x1b[2J.csv") as told:
            told.step(20_000_000)
            screen = read()
        assert read() == "\r\x1b[K", "the line is gone"
    assert re.search(r"20\.0 MB of 80\.0 MB \(25 %\) · [\d.]+ \wB/s · \d.* left · a\\x1b\[2J\.csv", screen)


def test_what_is_printed_meanwhile_begins_where_the_line_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as read, ProgressLine("files") as told:
        told.step(3)
        assert "3 files · " in read()
        progress.hide()
        assert read() == "\r\x1b[K"


def test_a_pipe_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", StringIO())
    with ProgressLine("") as told:
        told.step(1)
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
