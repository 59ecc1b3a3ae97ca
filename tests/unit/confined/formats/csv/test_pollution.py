"""Every kind of pollution, over several tables: what a careful reader takes from the file is what is delivered."""

import contextlib
from collections import Counter
from collections.abc import Sequence

import pytest

from processor.domain.errors import DeliveryError
from tests.examples import MANY
from tests.unit.confined.formats.csv.csv_pollutions import Polluted, pollutions
from tests.unit.confined.formats.csv.csv_tables import Converted, convert

# Of the ways to spoil a single row, every twelfth: they differ by the place only.
ALL = [p for i, p in enumerate(pollutions()) if MANY or "-row-" not in p.name or i % 12 == 0]
TABLES = sorted({p.name.partition("-")[0] for p in ALL})


def _of(table: str) -> list[Polluted]:
    return [p for p in ALL if p.name.partition("-")[0] == table]


def _values(rows: Sequence[Sequence[str | None]]) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(value or None for value in row) for row in rows)


def _records(found: Converted) -> Counter[tuple[str | None, ...]]:
    width = len(found.names) - ("_surplus" in found.names)
    return _values([row[:width] for row in found.rows])


@pytest.mark.parametrize("table", TABLES)
def test_with_malformed_rows_kept_the_records_are_those_of_a_careful_reader(table: str) -> None:
    wrong = [p.name for p in _of(table) if not _kept_well(p)]
    assert wrong == []


def _kept_well(polluted: Polluted) -> bool:
    found = convert(polluted.data, "keep")
    surplus = polluted.surplus or {}
    return (
        _records(found) == _values(polluted.records)
        and (polluted.header is None or _headed(found, polluted.header))
        and all(found.rows[at][-1] == fields for at, fields in surplus.items())
    )


def _headed(found: Converted, header: list[str]) -> bool:
    columns = found.receipt.columns
    names = {column.original_name or "" for column in columns} | {column.name for column in columns}
    return names >= {name for name in header if name} and found.facts["header"].startswith("yes")


@pytest.mark.parametrize("table", TABLES)
def test_what_is_accepted_in_the_strict_mode_is_not_wrong_silently(table: str) -> None:
    wrong = [p.name for p in _of(table)[::7] if not _refused_or_right(p)]
    assert wrong == []


def _refused_or_right(polluted: Polluted) -> bool:
    found: Converted | None = None
    with contextlib.suppress(DeliveryError):
        found = convert(polluted.data, "refuse")
    return found is None or _records(found) == _values(polluted.records)
