"""What the program makes of broken and of whole tables."""

import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from tests.certainty.mutations import MUTATIONS, Broken
from tests.certainty.tables import Table, value
from tests.tools.batch import Answer, Batch


@dataclass(frozen=True, slots=True)
class Verdict:
    """One text, what it is a case of, and why the answer to it is wrong; nothing when it is right."""

    kind: str
    table: str
    answer: Answer
    wrong: str
    data: bytes
    suffix: str


def broken(tables: Iterable[Table], kinds: Iterable[str] = MUTATIONS) -> Iterator[tuple[str, Table, Broken]]:
    """Yield every table broken in every way that fits it; the chances depend on its name and the way alone."""
    for table in tables:
        for kind in kinds:
            made = MUTATIONS[kind](table, random.Random(zlib.crc32(f"{table.name} {kind}".encode())))
            if made is not None:
                yield kind, table, made


def judge_broken(
    batch: Batch, folder: Path, tables: Iterable[Table], kinds: Iterable[str] = MUTATIONS
) -> Iterator[Verdict]:
    """Yield a verdict for each broken table: it has to be refused, or every row of it is kept."""
    for kind, table, made in broken(tables, list(kinds)):
        source, target = folder / f"broken{table.suffix}", folder / "broken.parquet"
        source.write_bytes(made.data)
        answer = batch.convert(source, target)
        yield Verdict(kind, table.name, answer, _wrong(answer, target, table, made), made.data, table.suffix)


def _wrong(answer: Answer, target: Path, table: Table, made: Broken) -> str:
    if answer.ended:
        return answer.ended
    if not answer.accepted:
        return ""
    with pq.ParquetFile(target) as file:
        names, rows = list(file.schema_arrow.names), file.metadata.num_rows
    if rows == made.rows and names == table.names:
        return ""
    return f"accepted: {rows} of {len(table.rows)} rows, columns {', '.join(names)}"[:300]


def judge_whole(batch: Batch, folder: Path, tables: Iterable[Table]) -> Iterator[Verdict]:
    """Yield a verdict for each table as it was: it has to be accepted with its names and, as text, its cells.

    The batch has TYPING=text.
    """
    for table in tables:
        source, target = folder / f"whole{table.suffix}", folder / "whole.parquet"
        source.write_bytes(table.data())
        answer = batch.convert(source, target)
        wrong = _changed(target, table) if answer.accepted else f"refused: {answer.message}"
        yield Verdict("whole", table.name, answer, wrong, table.data(), table.suffix)


def _changed(target: Path, table: Table) -> str:
    found = pq.read_table(target)
    if found.column_names != table.names:
        return f"names: {found.column_names}"
    cells = [[cell or "" for cell in column.to_pylist()] for column in found.columns]
    expected = [[value(field) for field in column] for column in zip(*table.rows, strict=True)]
    if found.num_rows != len(table.rows):
        return f"{found.num_rows} rows of {len(table.rows)}"
    return "" if cells == expected else "cells differ"
