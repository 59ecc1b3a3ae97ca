"""Every kind of pollution, over several tables: what a careful reader takes from the file is what is delivered."""

import contextlib
from collections import Counter

import pytest

from processor.domain.errors import DeliveryError
from tests.unit.confined.formats.csv.csv_pollutions import Polluted, pollutions
from tests.unit.confined.formats.csv.csv_tables import Converted, convert

# Of the ways to spoil a single row, every twelfth: they differ by the place only.
ALL = [p for i, p in enumerate(pollutions()) if "-row-" not in p.name or i % 12 == 0]


def _records(found: Converted) -> Counter[tuple[str | None, ...]]:
    width = len(found.names) - ("_surplus" in found.names)
    return Counter(tuple(value or None for value in row[:width]) for row in found.rows)


def _expected(polluted: Polluted) -> Counter[tuple[str | None, ...]]:
    return Counter(tuple(value or None for value in row) for row in polluted.records)


@pytest.mark.parametrize("polluted", ALL, ids=lambda polluted: polluted.name)
def test_with_malformed_rows_kept_the_records_are_those_of_a_careful_reader(polluted: Polluted) -> None:
    found = convert(polluted.data, "keep")
    assert _records(found) == _expected(polluted)
    if polluted.header is not None:
        columns = found.receipt.columns
        names = {column.original_name or "" for column in columns} | {column.name for column in columns}
        assert names >= {name for name in polluted.header if name}
        assert found.facts["header"].startswith("yes")
    for at, surplus in (polluted.surplus or {}).items():
        assert found.rows[at][-1] == surplus


@pytest.mark.parametrize("polluted", ALL[::7], ids=lambda polluted: polluted.name)
def test_what_is_accepted_in_the_strict_mode_is_not_wrong_silently(polluted: Polluted) -> None:
    found: Converted | None = None
    with contextlib.suppress(DeliveryError):
        found = convert(polluted.data, "refuse")
    assert found is None or _records(found) == _expected(polluted)
