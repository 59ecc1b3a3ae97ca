"""Completion of shells: scripts that ask `processor complete`."""

import argparse
from collections.abc import Iterator
from contextlib import suppress

from processor.cli.parser import parser

_BASH = """\
_processor() {
    COMPREPLY=()
    local line
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(processor complete "${COMP_WORDS[@]:1:COMP_CWORD}")
}
complete -o bashdefault -o default -F _processor processor
"""
# Sourced, or loaded by its name from a directory of completions: then its first call is already a question.
_ZSH = """\
#compdef processor
_processor() {
    local -a found
    found=(${(f)"$(processor complete "${(@)words[2,CURRENT]}")"})
    if (( $#found )); then compadd -a found; else _files; fi
}
if [ "$funcstack[1]" = _processor ]; then _processor "$@"; else compdef _processor processor; fi
"""
_SCRIPTS = {
    "bash": _BASH,
    "zsh": _ZSH,
    "fish": "complete -c processor -a '(processor complete (commandline -opc)[2..-1] (commandline -ct))'\n",
}


def script(arguments: argparse.Namespace) -> int:
    """Print what a shell reads at its start."""
    print(_SCRIPTS[arguments.shell], end="")
    return 0


def complete(arguments: argparse.Namespace) -> int:
    """Print, a line each, what the last of the words may become."""
    *words, last = arguments.words or [""]
    for each in _candidates(words, last):
        print(each)
    return 0


def _candidates(words: list[str], last: str) -> Iterator[str]:
    here: argparse.ArgumentParser = parser()
    for word in words:
        here = _below(here).get(word, here)
    below = _below(here)
    options = [name for action in here._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001
    known = options if last.startswith("-") else [name for name in below if name not in ("complete", "welcome")]
    yield from (name for name in known if name.startswith(last))
    if words[:1] == ["retry"] and not last.startswith("-"):
        yield from _failed(last)


def _below(here: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in here._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _failed(last: str) -> Iterator[str]:
    """Yield failed files, absolute and relative to WATCH_PATH; nothing if they can not be found out."""
    with suppress(Exception):
        from processor.commands.ledger import failed_paths  # noqa: PLC0415
        from processor.config.load import load  # noqa: PLC0415

        yield from [path for path in failed_paths(load()) if path.startswith(last)]
