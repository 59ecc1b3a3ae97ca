"""Commands that mend: `retry`, `reprocess`, `prune`, `rebuild`."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from processor.cli.output import Line, complain, show
from processor.cli.parser import UsageError
from processor.cli.runtime import FAILED, OK, settings_for, told_plainly

if TYPE_CHECKING:
    from processor.commands.ledger import PendingAgain
    from processor.commands.prune import Pruned
    from processor.delivery.rebuild_ledger import Rebuilt


def retry(arguments: argparse.Namespace) -> int:
    """Make failed files pending again."""
    chosen = any(each is not None for each in (arguments.since, arguments.code, arguments.feed))
    if sum((arguments.path is not None, arguments.every, chosen)) != 1:
        raise UsageError("give PATH, --all, or any of --since, --code and --feed")
    since, settings = _since(arguments.since), settings_for()
    from processor.commands import ledger  # noqa: PLC0415
    from processor.ledger.chosen import ChosenFiles  # noqa: PLC0415

    with told_plainly():
        if arguments.path is not None:
            one = Path(arguments.path)
            return _told(ledger.PendingAgain(ledger.retry(settings, [one]), 1), arguments, one)
        selection = ChosenFiles(code=arguments.code, feed=arguments.feed, since_ms=since)
        paths = ledger.failed_files(settings, selection)
        if not _agreed(len(paths), "failed", arguments):
            return FAILED
        count = ledger.retry_all(settings) if arguments.every else ledger.retry(settings, paths)
        return _told(ledger.PendingAgain(count, len(paths)), arguments)


def reprocess(arguments: argparse.Namespace) -> int:
    """Deliver files once more."""
    if sum(each is not None for each in (arguments.path, arguments.since, arguments.feed)) != 1:
        raise UsageError("give PATH, --since TIME or --feed NAME")
    since, settings = _since(arguments.since), settings_for()
    from processor.commands import ledger  # noqa: PLC0415

    with told_plainly():
        if arguments.path is not None:
            one = Path(arguments.path)
            return _told(ledger.PendingAgain(ledger.reprocess(settings, one, None), 1), arguments, one)
        if arguments.feed is not None:
            chosen = ledger.outdated_of(settings, arguments.feed)
        else:
            chosen = ledger.delivered_since(settings, since or 0)
        if not _agreed(chosen, "delivered", arguments):
            return FAILED
        if arguments.feed is not None:
            count = ledger.reprocess_feed(settings, arguments.feed)
        else:
            count = ledger.reprocess(settings, None, since)
        return _told(ledger.PendingAgain(count, chosen), arguments)


def _since(text: str | None) -> int | None:
    from processor.commands.when import since_ms  # noqa: PLC0415

    try:
        return None if text is None else since_ms(text, datetime.now(UTC))
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error


def _agreed(count: int, status: str, arguments: argparse.Namespace) -> bool:
    """Ask, on a terminal, whether several files are meant; a program that gives the command means it."""
    if count <= 1 or arguments.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    complain(f"{count:,} {status} files would be pending again.")
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _told(result: "PendingAgain", arguments: argparse.Namespace, path: Path | None = None) -> int:
    show(result, _pending, as_json=arguments.as_json)
    if result.pending == 0 and path is not None:
        complain(f"nothing to do for {path}: see `processor why {path}`")
        return FAILED
    return OK


def _pending(result: "PendingAgain") -> Iterator[Line]:
    files = "file is" if result.pending == 1 else "files are"
    yield f"{result.pending} {files} pending again"


def prune(arguments: argparse.Namespace) -> int:
    """Remove objects that no manifest names."""
    settings = settings_for()
    from processor.commands.prune import prune as command  # noqa: PLC0415

    with told_plainly():
        show(command(settings, remove=arguments.yes, foreign=arguments.foreign), _pruned, as_json=arguments.as_json)
    return OK


def _pruned(result: "Pruned") -> Iterator[Line]:
    for found in result.objects:
        did = "removed" if result.removed else "would remove"
        yield f"kept: {found.key}: {found.kept}" if found.kept else f"{did}: {found.key} ({found.finding})"
    done = f"{result.count} objects {'removed' if result.removed else 'to remove'}, {result.size_bytes} bytes"
    more = "" if result.removed or not result.count else "; `processor prune --yes` removes them"
    yield f"{done}; {result.kept} kept{more}"


def rebuild(arguments: argparse.Namespace) -> int:
    """Make a lost ledger again."""
    settings = settings_for()
    from processor.commands.progress import ProgressLine  # noqa: PLC0415
    from processor.commands.store import rebuild as command  # noqa: PLC0415

    with told_plainly(), ProgressLine("manifests") as progress:
        result = command(settings, progress)
        progress.clear()
        show(result, _rebuilt, as_json=arguments.as_json)
    return FAILED if result.unreadable else OK


def _rebuilt(result: "Rebuilt") -> Iterator[Line]:
    yield f"{result.entered} files entered, {result.known} were known"
    if result.registrations:
        yield f"{result.registrations} objects wait for their tables again, which had lost them"
    yield from ((f"unreadable: {key}", "red") for key in result.unreadable)
