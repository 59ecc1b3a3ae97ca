"""Files spoiled in random ways: what is accepted has all values, what a strict reading refuses is refused."""

import pytest

from processor.domain.conversion import DataFormat
from tests.unit.confined.formats.json import json_pollution
from tests.unit.confined.formats.json.json_pollution import Case, case, converted, wrong

_SEEDS, _AT_ONCE = 160, 40


@pytest.mark.parametrize("first", range(0, _SEEDS, _AT_ONCE))
def test_a_file_is_read_as_a_strict_parser_reads_it_or_refused_with_the_place(first: int) -> None:
    found = {seed: wrong(case(seed)) for seed in range(first, first + _AT_ONCE)}
    assert not {seed: why for seed, why in found.items() if why}


def _case(data: bytes) -> Case:
    return Case(data, DataFormat.JSONL, 1, 500, 1)


@pytest.mark.parametrize(
    ("data", "taken_for"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b'{"a":1}', b'{"a":1}\n{"a":1}'),
        (b'{"a":"x"}\n{"a":1}', b'{"a":"x"}\n{"a":"1"}'),
        (b'{"a":1,"a":1}', b'{"a":1}'),
        (b'{"a":1', b'{"a":1}'),
        (b'{"a":1}', b'{"a":1'),
        (b'{"a":-0}', b'{"a":0}'),
        (b'{"a":"5"}\n{"a":[5]}', b'{"a":5}\n{"a":[5]}'),
    ],
)
def test_what_is_wrong_is_found(data: bytes, taken_for: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_pollution, "converted", lambda _, *how: converted(taken_for, *how))
    assert wrong(_case(data))


@pytest.mark.parametrize("more", ["", "x"])
def test_a_spoiled_row_that_the_database_cites_up_to_within_a_character_is_refused(more: str) -> None:
    rows = '{"a":"x"}\n' * 9 + f'{{"a":"{more}{"é" * 50}"\n'
    assert not wrong(_case(rows.encode()))
