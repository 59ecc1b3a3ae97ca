"""Rows of an array joined in runs: right, or of a kind that whoever proves the lines finds out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from processor.confined.formats.json import documents, table
from processor.confined.formats.json.bulk_splitter import Joiner, beginning_of
from processor.confined.formats.json.parser import NotJsonError
from processor.confined.formats.json.splitter import NotOneArrayError
from processor.domain.conversion import DataFormat
from processor.domain.errors import DeliveryError
from tests.examples import examples
from tests.unit.confined.formats.json.json_values import converted, load, same_rows

_VALUES = st.integers(0, 9) | st.text('{},[]"\\: a\n', max_size=5) | st.just("},{") | st.none()
_INNER = st.lists(st.dictionaries(st.sampled_from("ab"), _VALUES, max_size=2), max_size=3)
_ROWS = st.lists(st.dictionaries(st.sampled_from("ab"), _VALUES | _INNER, max_size=3), min_size=1, max_size=9)


@settings(max_examples=examples(150))
@given(
    rows=_ROWS,
    size=st.integers(1, 9) | st.just(1_000),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (",\n", ":\r")]),
    beginning=st.sampled_from([b"{", b'{"a":']),
    spoiled=st.tuples(st.integers(0, 80), st.sampled_from([b"\n", b"\0", b",", b"", b"}\n{", b"\r\n"])),
)
@example(rows=[{}, {}], size=1_000, separators=(",", ":"), beginning=b"{", spoiled=(3, b"\n"))
def test_lines_that_are_all_objects_and_as_many_as_were_counted_are_the_rows(
    rows: list[Any], size: int, separators: tuple[str, str], beginning: bytes, spoiled: tuple[int, bytes]
) -> None:
    text = json.dumps(rows, separators=separators).encode()
    at, put = spoiled
    text = text[:at] + put + text[at + (put == b"\n") :]
    found = _proved_lines(text, size, beginning)
    if found is not None:
        assert found == json.loads(text)


def _proved_lines(text: bytes, size: int, beginning: bytes) -> list[Any] | None:
    """Return the lines' values, or None if one is no object or their number is another than was counted."""
    joiner = Joiner((text[start : start + size] for start in range(0, len(text), size)), beginning)
    try:
        lines = [line for piece in joiner.lines() for line in piece.split(b"\n") if line.strip()]
        values = [json.loads(line) for line in lines]
    except (NotJsonError, NotOneArrayError, ValueError):
        return None
    return values if len(values) == joiner.count and all(isinstance(value, dict) for value in values) else None


@pytest.mark.parametrize(
    ("known", "beginning"),
    [
        ([], None),
        ([b'{"a":1}'], b"{"),
        ([b'{"a":[{"b":1},{"b":2}]}'], b'{"a":'),
        ([b'{ "a" : [{"b":1}, {"b":2}]}', b'{ "a" : 0}'], b'{ "a" :'),
        ([b'{"a":[{"b":1},{"b":2}]}', b'{"b":1}'], None),
        ([b'{"a":[{"b":1}, {"a":2}]}'], None),
        ([b'{"a":[{"a":1},{"a":2}]}'], None),
        ([b'{"a":"},{"}', b"[]"], None),
    ],
)
def test_rows_begin_as_no_object_within_them_does_after_another(known: list[bytes], beginning: bytes | None) -> None:
    assert beginning_of(known) == beginning


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have few rows looked at first; tells how many rows were joined."""
    counts: list[int] = []

    class Counted(Joiner):
        def lines(self) -> Iterator[bytes]:
            yield from super().lines()
            counts.append(self.count)

    monkeypatch.setattr(table, "_SAMPLE_BYTES", 1_000)
    monkeypatch.setattr(documents, "Joiner", Counted)
    return counts


_MANY = [{"id": number, "text": "some text", "of": [{"n": 1}, {"n": number}]} for number in range(500)]


@pytest.mark.fast_paths
@pytest.mark.parametrize("indent", [None, 1])
def test_a_large_array_is_joined_and_comes_back_equal(joined: list[int], indent: int | None) -> None:
    text = json.dumps(_MANY, indent=indent)
    assert same_rows(load(text), converted(text))
    assert joined == [500]


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize(
    "odd",
    [
        {"id": 1, "text": "},{", "of": []},
        {"id": 1, "text": '"},{"id":"', "of": []},
        {"id": 1, "text": "", "of": [{"id": 1}, {"id": 2}]},
        {"text": "", "id": 1},
        {},
        None,
    ],
)
def test_a_row_that_is_cut_in_two_is_found_out(odd: object) -> None:
    text = json.dumps([*_MANY, odd, *_MANY], separators=(",", ":"))
    assert same_rows(load(text), converted(text))


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("between", ["\n", "\0", "\r", ",,", "", ", ,", "],[", "]"])
def test_what_does_not_belong_between_two_rows_is_refused(between: str) -> None:
    text = json.dumps([{"a": number} for number in range(500)], separators=(",", ":"))
    with pytest.raises(DeliveryError, match=r"line \d+, column \d+"):
        converted(text.replace('{"a":400},', f'{{"a":400}}{between}'), DataFormat.JSON)
