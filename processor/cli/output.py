"""Show an answer: as text, or as one JSON document.

A command makes a value, and both are made from it. An answer's field may be an iterator: then its elements are shown
as they come, and the fields behind it are read when it has ended. Every line of text passes through `plain`, so that
no stranger's name drives a terminal.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from processor.commands.humanize import plain
from processor.commands.progress import hide

Line = str | tuple[str, str]  # a style may stand beside the text
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_Answer = TypeVar("_Answer")


def show(answer: _Answer, lines: Callable[[_Answer], Iterable[Line]], *, as_json: bool) -> None:
    """Print an answer."""
    if as_json:
        for part in document(answer):
            hide()
            sys.stdout.write(part)
        sys.stdout.write("\n")
    else:
        say(lines(answer))
    sys.stdout.flush()


def say(lines: Iterable[Line]) -> None:
    """Print lines of text, with colours on a terminal that has them."""
    colours = in_colour()
    for line in lines:
        text, style = (line, "") if isinstance(line, str) else line
        hide()
        print(styled(plain(text), style if colours else ""))


def complain(text: object) -> None:
    """Print one line, or several, to stderr."""
    hide()
    for line in str(text).split("\n"):
        print(plain(line), file=sys.stderr)


def in_colour() -> bool:
    """Tell whether stdout is a terminal whose user wants colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str) -> str:
    """Return text in a style; "" is none."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style else text


def raw(text: str) -> None:
    """Print a document as it is to a file or pipe; on a terminal as harmless lines."""
    if sys.stdout.isatty():
        say(text.splitlines())
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def document(answer: Any) -> Iterator[str]:
    """Yield the parts of one JSON document."""
    if not is_dataclass(answer):
        yield _json(answer)
        return
    before = "{"
    for field in fields(answer):
        if field.name.startswith("_"):
            continue
        value = getattr(answer, field.name)
        yield f"{before}\n  {_json(field.name)}: "
        yield from _elements(value) if isinstance(value, Iterator) else _indented(value)
        before = ","
    yield "\n}" if before == "," else "{}"


def _elements(values: Iterator[Any]) -> Iterator[str]:
    before = "["
    for value in values:
        yield f"{before}\n    {_json(value)}"
        before = ","
    yield "[]" if before == "[" else "\n  ]"


def _indented(value: Any) -> Iterator[str]:
    yield _json(value, indented=True).replace("\n", "\n  ")


def _json(value: Any, *, indented: bool = False) -> str:
    import json  # noqa: PLC0415

    # Text that is no Unicode, such as a stranger's file name, must not keep an answer back.
    text = json.dumps(value, default=_plainly, ensure_ascii=False, indent=2 if indented else None)
    return text.encode("utf-8", "backslashreplace").decode()


def _plainly(value: Any) -> Any:
    from processor.domain.keys import escape  # noqa: PLC0415

    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value) if not field.name.startswith("_")}
    if isinstance(value, os.PathLike):
        return escape(os.fsencode(value))
    if isinstance(value, bytes):
        return escape(value)
    return list(value)
