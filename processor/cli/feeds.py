"""`processor feed`: arguments in, text out."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from processor.cli.output import Line, complain, raw, show
from processor.cli.parser import UsageError
from processor.cli.runtime import FAILED, OK, settings_for, told_plainly

if TYPE_CHECKING:
    from processor.commands.feeds import FeedCheck, FeedList


def feed(_arguments: argparse.Namespace) -> int:
    """Never come here: a command below it is required."""
    raise UsageError("give one of list, check, infer and schema")


def show_feeds(arguments: argparse.Namespace) -> int:
    """Show the feeds in the order in which they are tried, and what was delivered by them."""
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.feeds import listed  # noqa: PLC0415

    with told_plainly():
        show(listed(settings), _listed, as_json=arguments.as_json)
    return OK


def _listed(found: "FeedList") -> Iterator[Line]:
    for each in found.feeds:
        columns = "any" if each.columns is None else each.columns
        yield f"{each.name}  {each.format or 'any format'}, {columns} columns"
        yield f"  match {', '.join(each.match)}"
        yield f"  key {each.key}"
        older = f", {each.outdated} under an older declaration" if each.outdated else ""
        yield f"  declaration {each.declaration[:12]}, {each.delivered} files delivered{older}"
    if not found.feeds:
        yield "no feeds are declared: FEEDS names no file" if found.file is None else f"{found.file}: none"


def check(arguments: argparse.Namespace) -> int:
    """Tell which feed files are in, what differs from it, and whether they would be delivered."""
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.feeds import checked  # noqa: PLC0415

    with told_plainly():
        result = checked(settings, [Path(path) for path in arguments.paths])
        show(result, _checked, as_json=arguments.as_json)
    return FAILED if result.refused else OK


def _checked(result: "FeedCheck") -> Iterator[Line]:
    for each in result.files:
        yield f"{each.path}: {f'feed {each.feed}' if each.feed else 'no feed'}, {each.rows_are}"
        yield from (f"  {difference}" for difference in each.differs)
        yield f"  refused: {each.failure}" if each.failure is not None else "  would be delivered"


def infer(arguments: argparse.Namespace) -> int:
    """Print a feed that holds all the files."""
    prefix, paths = arguments.from_store, [Path(path) for path in arguments.paths]
    if (prefix is None) is not bool(paths):
        raise UsageError("give PATH..., or --from-store PREFIX")
    settings = settings_for() if prefix is not None else settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands import feeds as command  # noqa: PLC0415
    from processor.commands.progress import ProgressLine  # noqa: PLC0415
    from processor.feeds.infer import updated  # noqa: PLC0415

    with told_plainly():
        known = command.feed_to_update(settings, arguments.name, paths) if arguments.update else None
        with ProgressLine("files") as progress:
            found = (
                command.infer(settings, paths, progress)
                if prefix is None
                else command.infer_from_store(settings, prefix, progress)
            )
        text = found.document(arguments.name or "inferred") if known is None else updated(known, found)
        result = command.InferredFeed(text, found.files, found.refused, tuple(found.examples))
        if arguments.as_json:
            show(result, lambda _: (), as_json=True)
        else:
            text = text or f"nothing would change in feed {known.name if known else ''}"
            raw(text if text.endswith("\n") else f"{text}\n")
    for path, why in result.examples:
        complain(f"not read: {path}: {why}")
    return FAILED if result.refused or not result.files else OK


def schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema of the file of feeds, for editors."""
    from processor.feeds.schema import published  # noqa: PLC0415

    raw(published())
    return OK
