"""Make docs/COMMANDS.md from the parser: `python -m processor.cli.reference`."""

import argparse
import importlib
import sys
import types
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from processor.cli.parser import GROUPS, commands, parser

_HEAD = """\
# Commands

Made from the program by `python -m processor.cli.reference`. Settings come from the environment or `.env`
([SETTINGS](SETTINGS.md)).

| exit code | |
|---|---|
| 0 | done; `run --once`: everything was delivered |
| 1 | a failure or a bug; `run --once`: some file failed; `check`: not ready; `verify`: something differs |
| 2 | wrong usage |
| 75 | `run --once`: files were left because they are still being written to |
| 78 | the configuration is not usable |

**Paths** mean the same everywhere: absolute, relative to here, or relative to WATCH_PATH; also the place in the error
directory where a failed file lies now. **Times** are UTC. Text is plain when it goes to a pipe or file, and without
colours where `NO_COLOR` is set; characters that would drive a terminal are shown as escapes (`\\x1b`). On a terminal,
what takes longer than two seconds tells on stderr how far it is.

**`--json`** prints one document on stdout, whose fields are listed with each command; a later version may add fields.
Failures are objects of `error_class`, `code`, `message`, `hint` and `retry_after_seconds`. What went wrong with the
command itself is told on stderr, and by the exit code. Long lists are written as they are found: read them as a stream,
or wait for the end. `verify --tables --json` tells `differing` (`table`, `key`, `finding`, `detail`) and `counts`;
`tables NAME --json` tells `location`, `metadata`, `columns` and
`snapshots` (`id`, `at_ms`, `operation`, `files`, `rows`);
`tables --retry --json` tells `waiting`. Completion: `eval "$(processor completion bash)"`, or `zsh`; for fish,
`processor completion fish | source`.
"""


def reference() -> str:
    """Return the page."""
    return "\n".join((_HEAD, *_lines()))


def _lines() -> Iterator[str]:
    found = list(commands(parser()))
    for group in GROUPS:
        yield f"## {group}\n"
        for each in found:
            if each.group == group and not _is_group(each.parser):
                yield from _command(each.words, each.parser)


def _is_group(each: argparse.ArgumentParser) -> bool:
    return any(isinstance(action, argparse._SubParsersAction) for action in each._actions)  # noqa: SLF001


def _command(words: str, each: argparse.ArgumentParser) -> Iterator[str]:
    yield f"### `processor {words}`\n"
    yield f"{each.description}\n"
    arguments = [action for action in each._actions if action.dest != "help"]  # noqa: SLF001
    if arguments:
        yield "| argument | |"
        yield "|---|---|"
        for action in arguments:
            text = (action.help or ", ".join(map(str, action.choices or ()))) % {"default": action.default}
            yield f"| `{_shown(action)}` | {_cell(text)} |"
        yield ""
    if answer := each.get_default("answer"):
        yield from _answer(answer)


def _shown(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        several = {"+": "...", "*": "..."}.get(str(action.nargs), "")
        return f"{metavar}{several}" if action.nargs not in ("?", "*") else f"[{metavar}]{several}"
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {metavar}"


def _answer(name: str) -> Iterator[str]:
    kind = load(name)
    yield f"With `--json`: {(kind.__doc__ or '').splitlines()[0]}\n"
    yield "| field | type | |"
    yield "|---|---|---|"
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        told, meaning = hints[field.name], ""
        if get_origin(told) is Annotated:
            told, meaning = get_args(told)
        yield f"| `{field.name}` | {type_name(told)} | {_cell(meaning)} |"
    yield ""


def load(name: str) -> Any:
    """Return the value that `module:name` means."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def type_name(kind: Any) -> str:
    """Return the name that JSON has for a type."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_name(each) for each in get_args(kind)))
    if origin is dict or kind is dict:
        return "object"
    if origin is not None:
        return "array"
    simple = {bool: "true or false", int: "number", float: "number", type(None): "null", Any: "any"}
    if kind in simple:
        return simple[kind]
    return "object" if hasattr(kind, "__dataclass_fields__") else "text"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(reference())
