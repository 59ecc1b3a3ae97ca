"""Commands without a store: `plan`, `convert`, `extract`."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from processor.cli.output import Line, complain, show
from processor.cli.parser import UsageError
from processor.cli.runtime import FAILED, OK, settings_for, told_plainly
from processor.commands.humanize import size

if TYPE_CHECKING:
    from processor.commands.convert import Converted
    from processor.commands.extract import Extracted
    from processor.commands.plan import FilePlan, MemberPlan, Plan

_STDOUT = Path("-")


def plan(arguments: argparse.Namespace) -> int:
    """Show what would be done with files."""
    paths = [Path(path) for path in arguments.paths]
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise UsageError(f"{path}: there is no such file or directory")
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.plan import files_below, plan_files  # noqa: PLC0415
    from processor.commands.progress import ProgressLine  # noqa: PLC0415

    if next(files_below(paths), None) is None:
        raise UsageError(f"{', '.join(map(str, paths))}: there is no file to plan")
    with told_plainly(), ProgressLine("") as progress:
        result = plan_files(settings, paths, progress)
        show(result, _plan, as_json=arguments.as_json)
    return FAILED if result.refused else OK


def _plan(result: "Plan") -> Iterator[Line]:
    for each in result.files:
        yield str(each.path), "bold"
        yield from _file(each)


def _file(each: "FilePlan") -> Iterator[Line]:
    if each.note:
        yield f"  {each.note}"
        return
    if each.type != "unreadable":
        yield f"  {each.type}, {each.size_bytes} bytes, sha256 {each.sha256}"
        yield f"  key {each.key}"
    for name, value in each.reading:
        yield f"  {name}: {value}"
    for column in each.columns:
        written = "" if column.original_name is None else f" (in the file: {column.original_name!r})"
        yield f"    {column.name}{written}: {column.type}  ({column.reason})"
    for member in each.members:
        yield from _member(member)
    if each.failure is not None:
        yield f"  refused: {each.failure}", "red"


def _member(member: "MemberPlan") -> Iterator[Line]:
    if member.failure is not None:
        yield f"    {member.member}: refused: {member.failure}", "red"
        return
    if not member.key:
        yield f"    {member.member}: no file: {member.note}"
        return
    rows = "" if member.rows is None else f", {member.rows} rows"
    yield f"    {member.member}: {member.type}, {size(member.size_bytes)}{rows}, key {member.key}"
    for column in member.columns:
        yield f"      {column.name}: {column.type}" + (f"  ({column.reason})" if column.reason else "")


def convert(arguments: argparse.Namespace) -> int:
    """Convert one data file, or those that stdin names."""
    if not arguments.batch and (arguments.source is None or arguments.target is None):
        raise UsageError("give IN and OUT, or --batch")
    if arguments.as_json and (arguments.batch or arguments.target == "-"):
        raise UsageError("--json goes with neither --batch nor OUT -: stdout is taken")
    settings = settings_for(WATCH_PATH=Path("/"), S3_BUCKET="unused")
    from processor.commands import convert as command  # noqa: PLC0415
    from processor.commands.local_worker import LocalWorker  # noqa: PLC0415
    from processor.commands.progress import ProgressLine  # noqa: PLC0415

    if arguments.batch:
        for answer in command.batch(settings, sys.stdin, force=arguments.force):
            print(answer, flush=True)
        return OK
    source, target = Path(arguments.source), Path(arguments.target)
    with told_plainly(), command.piped(source, target) as (readable, writable):
        with LocalWorker(settings) as worker, ProgressLine("", what="of Parquet") as progress:
            converted = command.convert_file(worker, settings, readable, writable, progress, force=arguments.force)
        if target == _STDOUT:
            with writable.open("rb") as parquet:
                shutil.copyfileobj(parquet, sys.stdout.buffer)
            sys.stdout.flush()
            return _without_files(converted)
        show(converted, _converted, as_json=arguments.as_json)
    return OK


def _without_files(converted: "Converted") -> int:
    """Tell of what stdout has no room for."""
    lost = replace(converted, parquet=_STDOUT)
    for line in list(_converted(lost))[1:]:
        complain(f"not written: {line}")
    return OK if lost.rejects is None and lost.notes is None else FAILED


def _converted(converted: "Converted") -> Iterator[Line]:
    yield f"{converted.parquet}: {converted.rows} rows, {len(converted.columns)} columns"
    if converted.rejects is not None:
        yield f"{converted.rejects}: {converted.rejected_rows} rejected rows"
    if converted.notes is not None:
        yield f"{converted.notes}: {converted.noted_lines} notes"


def extract(arguments: argparse.Namespace) -> int:
    """Extract one archive."""
    settings = settings_for(WATCH_PATH=Path("/"), S3_BUCKET="unused")
    from processor.commands.extract import extract_file  # noqa: PLC0415
    from processor.commands.progress import ProgressLine  # noqa: PLC0415

    source, directory = Path(arguments.source), Path(arguments.directory)
    with told_plainly(), ProgressLine("", what="written") as progress:
        result = extract_file(settings, source, directory, progress, force=arguments.force)
        progress.clear()
        show(result, lambda found: _extracted(directory, found), as_json=arguments.as_json)
    for name, failure in result.bad:
        complain(f"failed: {name}: {failure}")
    if result.failure is not None:
        complain(f"{source}: {result.failure}")
    return FAILED if result.bad or result.failure else OK


def _extracted(directory: Path, result: "Extracted") -> Iterator[Line]:
    yield f"{directory}: {result.written} members"
    for name, reason in result.skipped:
        yield f"not a file: {name}: {reason}"
