"""`processor tables`: arguments in, text out."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from processor.cli.runtime import FAILED, OK, settings_for, told_plainly
from processor.commands.humanize import moment, plain, span

if TYPE_CHECKING:
    from processor.commands.tables import TablesReport
    from processor.tables.requests import TableDescription


def tables(
    name: Annotated[str | None, typer.Argument(help="Of one table: its snapshots, as the catalog has them.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Have what was refused wait again: of NAME, or all.")] = False,
) -> None:
    """Show the tables that feeds' files are part of: files, rows, what waits, what is refused and why."""
    settings = settings_for()
    from processor.commands import tables as command  # noqa: PLC0415

    with told_plainly():
        if retry:
            print(f"{command.retry_tables(settings, name)} wait again")
        elif name is not None:
            _show_one(command.described(settings, name), name, as_json=as_json)
        else:
            _show_all(command.report(settings), as_json=as_json)


def verify_tables() -> None:
    """Compare tables with manifests, and exit."""
    settings = settings_for()
    from processor.commands.tables import verify_tables as command  # noqa: PLC0415

    counts: dict[str, int] = {}
    with told_plainly():
        for each in command(settings):
            counts[each.finding] = counts.get(each.finding, 0) + 1
            if each.finding != "ok":
                print(plain(f"{each.finding}: {each.table}: {each.key}: {each.detail}"), file=sys.stderr)
    print(", ".join(f"{count} {finding}" for finding, count in sorted(counts.items())) or "no table has files yet")
    sys.exit(OK if set(counts) <= {"ok", "waiting"} else FAILED)


def _show_all(report: "TablesReport", *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2).decode())
        return
    if report.problem:
        print(plain(f"the catalog is out: {report.problem}"))
    for each in report.tables:
        print(f"{each.name}  {each.files:,} files, {each.rows:,} rows, {each.commits:,} commits")
        if each.committed_ms is not None:
            print(f"  snapshot {each.snapshot} of {moment(each.committed_ms)}")
        if each.waiting_since_ms is not None:
            print(f"  {each.waiting:,} wait, the first for {span(time.time_ns() // 1_000_000 - each.waiting_since_ms)}")
    for table, key, reason in report.refused:
        print(plain(f"refused: {table}: {key}: {reason}"))
    if not report.tables:
        print("no feed has delivered a file of a table yet")


def _show_one(table: "TableDescription | None", name: str, *, as_json: bool) -> None:
    if table is None:
        print(f"the catalog knows no table {name}", file=sys.stderr)
        sys.exit(FAILED)
    if as_json:
        print(orjson.dumps(asdict(table), option=orjson.OPT_INDENT_2).decode())
        return
    print(plain(f"{name}  {table.location}"))
    print(plain(f"  metadata {table.metadata}"))
    for column, type_ in table.columns:
        print(plain(f"  {column}: {type_}"))
    for each in table.snapshots:
        print(f"  snapshot {each.id}  {moment(each.at_ms)}  {each.operation}  {each.files:,} files, {each.rows:,} rows")
