"""`processor status`: its text, and its picture that goes on."""

import argparse
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from processor.cli.output import Line, complain, in_colour, show, styled
from processor.commands.humanize import plain, size, span, zoned
from processor.commands.status import LedgerState, state, upload_rate
from processor.config.environment import ConfigurationError, places

OK, FAILED, CONFIGURATION = 0, 1, 78
_REFRESH_SECONDS = 1.0
_COST_FACTOR = 10  # a large ledger is asked less often
_RATE_REFRESHES = 15  # a rate is that of so many refreshes: a shorter one jumps
_SHOWN_FAILURES = 10
_SHOWN_OPEN = 5
_BAR = 24


def status(arguments: argparse.Namespace) -> int:
    """Show where everything stands, once or until Ctrl-C."""
    try:
        look = _look()
        if arguments.watch and not arguments.as_json:
            _watch(look)
        else:
            show(look(), lambda found: lines(found, None), as_json=arguments.as_json)
    except ConfigurationError as error:
        complain(error)
        return CONFIGURATION
    except FileNotFoundError as error:
        return _without_ledger(error)
    except PermissionError as error:
        complain(error)
        return FAILED
    return OK


def _look() -> Callable[[], LedgerState]:
    """Return how to look. Only feeds need all of the settings."""
    where = places()
    if not where.feeds:
        return lambda: state(where)
    from processor.cli.runtime import settings_for  # noqa: PLC0415 - 0.3 s
    from processor.commands.ledger import state as with_feeds  # noqa: PLC0415

    settings = settings_for()
    return lambda: with_feeds(settings)


def _without_ledger(error: FileNotFoundError) -> int:
    """Tell first what is wrong with the settings: one of them, misspelt, may be why no ledger is there."""
    from processor.cli.runtime import settings_for  # noqa: PLC0415

    settings_for(S3_BUCKET="unset", WATCH_PATH="/")
    complain(error)
    return FAILED


def _watch(look: Callable[[], LedgerState]) -> None:
    """Draw the state over the one before, until Ctrl-C."""
    seen: deque[LedgerState] = deque(maxlen=_RATE_REFRESHES)
    drawn = 0
    try:
        while True:
            began = time.monotonic()
            found = look()
            drawn = _draw(list(lines(found, seen[0] if seen else None)), drawn)
            seen.append(found)
            took = time.monotonic() - began
            time.sleep(max(_REFRESH_SECONDS, took * _COST_FACTOR))
    except KeyboardInterrupt:
        return


def _draw(picture: list[Line], above: int) -> int:
    """Print lines over the last ones where there is a terminal; return how many there are now."""
    terminal, colours = sys.stdout.isatty(), in_colour()
    columns, rows = shutil.get_terminal_size()
    if terminal and above:
        sys.stdout.write(f"\x1b[{above}F\x1b[J")
    for line in picture[: rows - 1] if terminal else picture:
        text, style = (line, "") if isinstance(line, str) else line
        shown = plain(text)
        print(styled(shown[: columns - 1] if terminal else shown, style if colours else ""))
    sys.stdout.flush()
    return min(len(picture), rows - 1)


def lines(found: LedgerState, before: LedgerState | None) -> Iterator[Line]:
    """Yield the state as text; with the one before also what flows."""
    yield from _counts(found)
    yield " · ".join(_summary(found, before))
    yield from ((f"{hindrance}: files wait, and lose no try", "red") for hindrance in found.hindrances)
    if found.flights is None:
        yield "no daemon is running", "yellow"
    for flight in found.flights or ():
        total = max(flight["size_bytes"], flight["uploaded_bytes"], 1)
        step = flight["step"].replace("_", " ")
        done = flight["uploaded_bytes"]
        stored = f" {flight['objects']:,} objects" if flight["objects"] else ""
        yield f"{step:<20} {_bar(done / total)} {_of(done, total)}{stored} {flight['path']}"
    for name, count in found.outdated.items():
        yield f"feed {name}: {count:,} delivered under an older declaration: processor reprocess --feed {name}"
    yield from _tables(found)
    if found.watch is not None:
        yield from _waited_for(found.watch)
    yield from _failures(found)


def _tables(found: LedgerState) -> Iterator[Line]:
    if found.catalog_problem:
        yield f"the catalog is out: {found.catalog_problem}: files are delivered, their tables wait", "red"
    for table in found.tables:
        text = f"table {table.name}: {table.files:,} files, {table.rows:,} rows"
        if table.waiting_since_ms is not None:
            text += f", {table.waiting:,} wait for {span(max(0, found.at_ms - table.waiting_since_ms))}"
        refused = f", {table.refused:,} REFUSED: processor tables" if table.refused else ""
        yield text + refused, "red" if refused else ""


def _counts(found: LedgerState) -> Iterator[Line]:
    columns = [
        (status.replace("_", " "), f"{count:,}", size(found.bytes_by_status.get(status)))
        for status, count in found.counts.items()
    ]
    widths = [max(map(len, column)) for column in columns]
    for number, style in enumerate(("bold", "", "dim")):
        yield "   ".join(f"{column[number]:>{width}}" for column, width in zip(columns, widths, strict=True)), style


def _summary(found: LedgerState, before: LedgerState | None) -> Iterator[str]:
    yield f"last hour: {found.completed_last_hour:,} files, {size(found.bytes_last_hour)}"
    if before is not None and found.at_ms > before.at_ms:
        seconds = (found.at_ms - before.at_ms) / 1000
        rate = max(0, found.counts["completed"] - before.counts["completed"]) / seconds
        yield f"now: {rate:.1f} files/s"
        uploading = upload_rate(before, found)
        if uploading > 0:
            yield f"uploading {size(uploading)}/s"
        if rate > 0 and found.counts["pending"]:
            yield f"about {span(found.counts['pending'] / rate * 1000)} left"
    if found.oldest_waiting_ms is not None:
        yield f"waits longest: {found.oldest_waiting_path}, {span(found.oldest_waiting_ms)}"
    yield f"ledger: {size(found.ledger_bytes)}"


def _bar(share: float) -> str:
    full = int(share * _BAR)
    return "#" * full + "." * (_BAR - full)


def _of(done: float, total: float) -> str:
    """Return `12.3/80.0 MB`: both in the unit of the whole."""
    whole, _, unit = size(total).partition(" ")
    part = float(whole) * done / total
    return f"{part:.{1 if '.' in whole else 0}f}/{whole} {unit}"


def _waited_for(watch: dict[str, Any]) -> Iterator[Line]:
    if watch["left_out"]:
        yield f"left out by INCLUDE and EXCLUDE: {watch['left_out']:,} files", "dim"
    if watch["open"]:
        yield f"open for writing, delivered once closed: {watch['open']:,} files", "yellow"
    for each in watch["open_files"][:_SHOWN_OPEN]:
        yield f"  {each['path']}  unchanged for {span(each['seconds'] * 1000)}"
    if watch["unreadable"]:
        yield f"may not be read, delivered once they may: {watch['unreadable']:,} files", "yellow"
    yield from (f"  {path}" for path in watch["unreadable_files"][:_SHOWN_OPEN])


def _failures(found: LedgerState) -> Iterator[Line]:
    shown = found.failures[:_SHOWN_FAILURES]
    if not shown:
        return
    total = found.counts["failed"]
    yield ("failed last" if total == len(shown) else f"failed last, {len(shown)} of {total:,}"), "bold"
    for failure in shown:
        yield f"  {failure['file_path']}  {zoned(failure['updated_at'])}", "red"
        yield f"    {failure['error_message'] or ''}"
    yield "`processor why FILE` tells all of one file, `processor retry` makes it pending again", "dim"
