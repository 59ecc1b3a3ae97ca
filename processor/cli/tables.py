"""`processor tables` and `verify --tables`."""

import argparse
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from processor.cli.output import Line, complain, show
from processor.cli.runtime import FAILED, OK, settings_for, told_plainly
from processor.commands.humanize import span, zoned

if TYPE_CHECKING:
    from processor.commands.tables import TablesReport, TablesVerification
    from processor.tables.requests import TableDescription


def tables(arguments: argparse.Namespace) -> int:
    """Show the tables that feeds' files are part of, or one of them as the catalog has it."""
    settings = settings_for()
    from processor.commands import tables as command  # noqa: PLC0415

    name = arguments.name
    with told_plainly():
        if arguments.retry:
            waiting = command.WaitingAgain(command.retry_tables(settings, name))
            show(waiting, lambda found: [f"{found.waiting} wait again"], as_json=arguments.as_json)
        elif name is None:
            show(command.report(settings), _all, as_json=arguments.as_json)
        else:
            found = command.described(settings, name)
            if found is None:
                complain(f"the catalog knows no table {name}")
                return FAILED
            show(found, lambda table: _one(name, table), as_json=arguments.as_json)
    return OK


def verify_tables(arguments: argparse.Namespace) -> int:
    """Compare tables with manifests."""
    settings = settings_for()
    from processor.commands.tables import verify_tables as command  # noqa: PLC0415

    with told_plainly():
        result = command(settings)
        show(result, _verified, as_json=arguments.as_json)
    return OK if set(result.counts) <= {"ok", "waiting"} else FAILED


def _verified(result: "TablesVerification") -> Iterator[Line]:
    for each in result.differing:
        yield f"{each.finding}: {each.table}: {each.key}: {each.detail}", "red"
    yield ", ".join(f"{count} {finding}" for finding, count in sorted(result.counts.items())) or (
        "no table has files yet"
    )


def _all(report: "TablesReport") -> Iterator[Line]:
    if report.problem:
        yield f"the catalog is out: {report.problem}", "red"
    for each in report.tables:
        yield f"{each.name}  {each.files:,} files, {each.rows:,} rows, {each.commits:,} commits"
        if each.committed_ms is not None:
            yield f"  snapshot {each.snapshot} of {zoned(each.committed_ms)}"
        if each.waiting_since_ms is not None:
            yield f"  {each.waiting:,} wait, the first for {span(time.time_ns() // 1_000_000 - each.waiting_since_ms)}"
    for table, key, reason in report.refused:
        yield f"refused: {table}: {key}: {reason}", "red"
    if not report.tables:
        yield "no feed has delivered a file of a table yet"


def _one(name: str, table: "TableDescription") -> Iterator[Line]:
    yield f"{name}  {table.location}"
    yield f"  metadata {table.metadata}"
    for column, type_ in table.columns:
        yield f"  {column}: {type_}"
    for each in table.snapshots:
        yield f"  snapshot {each.id}  {zoned(each.at_ms)}  {each.operation}  {each.files:,} files, {each.rows:,} rows"
