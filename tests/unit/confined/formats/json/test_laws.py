"""Laws: any JSON documents, written in any way and shape, come back from the Parquet equal by value."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from processor.confined.formats.json import table
from processor.confined.formats.json.parser import NotJsonError, parse, write
from processor.confined.formats.json.splitter import NotOneArrayError, Splitter
from processor.domain.conversion import DataFormat
from processor.domain.errors import DeliveryError
from tests.examples import examples
from tests.unit.confined.formats.json.json_values import Digits, converted, dump, load, same, same_rows

# Few keys, so that they meet: with odd ones among them, and two that differ by case only.
_KEYS = st.sampled_from(["a", "b", "c", "A", "é", "", "with space", 'q"uote', "_other", "value", "\0", "x.y", "\n"])
_NUMBERS = (
    st.integers(-(10**3), 10**3).map(str)
    | st.integers(-(10**40), 10**40).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: str(number).replace("E+", "e"))
    | st.sampled_from(["-0", "-0.0", "0e5", "1E+2", "1.50", "1e400", "1e-400", "0.1000000000000000055", "1e22"])
)
_TEXTS = st.text(max_size=8) | st.sampled_from(["5", "true", "null", '{"a":1}', "[", "\ud800", "a\0b", "\x7f", "\\"])
_SCALARS = st.none() | st.booleans() | _NUMBERS.map(Digits) | _TEXTS
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(_KEYS, below, max_size=3), max_leaves=8
)
_RECORDS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=12)
# Objects without brackets in their strings, whose ends can be guessed.
_PLAIN_RECORDS = st.lists(st.dictionaries(st.sampled_from("abc"), st.integers().map(str).map(Digits)), max_size=12)
_ROWS = _RECORDS | st.lists(_VALUES, max_size=6)

_laws = settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])


def _writable(rows: list[Any]) -> list[Any]:
    """Return the rows as a reader of their JSON text sees them: a pair of lone surrogates becomes a character."""
    loaded = load(dump(rows, ascii_only=True))
    assert isinstance(loaded, list)
    return loaded


@pytest.fixture(params=[1, 1 << 20], ids=["proved", "whole"])
def _sample_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_SAMPLE_BYTES", request.param)


@pytest.mark.usefixtures("_sample_bytes")
@_laws
@given(rows=_ROWS, space=st.sampled_from(["", " ", "\n\t"]), ascii_only=st.just(value=True))
@example(rows=[{"a": Digits("-0")}, {"a": Digits("1.5")}], space="", ascii_only=True)
def test_an_array_comes_back_equal(rows: list[Any], space: str, ascii_only: bool) -> None:
    rows = _writable(rows)
    found = converted(dump(rows, ascii_only=ascii_only, space=space))
    assert same_rows(rows, found)


@pytest.mark.usefixtures("_sample_bytes")
@_laws
@given(rows=_ROWS, space=st.sampled_from(["", " "]), end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]))
def test_lines_come_back_equal(rows: list[Any], space: str, end: str) -> None:
    rows = _writable(rows)
    text = "".join(dump(row, ascii_only=True, space=space) + end for row in rows)
    found = converted(text, DataFormat.JSONL)
    assert same_rows(rows, found)


@_laws
@given(rows=_RECORDS, cut=st.integers(1, 40))
def test_no_part_of_an_array_is_taken_for_the_whole(rows: list[Any], cut: int) -> None:
    text = dump(_writable(rows), ascii_only=True)
    with pytest.raises(DeliveryError):
        converted(text[: max(1, len(text) - cut)])


@_laws
@given(text=st.text(alphabet='[]{}",:0123456789.-+eE\\ntrufalsu\n \x00', max_size=20))
def test_only_what_the_standard_library_reads_is_json(text: str) -> None:
    try:
        expected = load(text)
    except ValueError:
        expected = NotJsonError
    if "NaN" in text or "Infinity" in text:
        return
    try:
        found = parse(text.encode())
    except NotJsonError as error:
        assert expected is NotJsonError or "twice" in error.why  # noqa: PT017
    else:
        assert load(write(found)) == expected


@_laws
@given(
    rows=st.lists(_VALUES, max_size=6) | _PLAIN_RECORDS,
    size=st.integers(1, 7) | st.just(1_000),
    space=st.sampled_from(["", "\n"]),
)
def test_an_array_is_split_alike_however_it_is_cut_into_chunks(rows: list[Any], size: int, space: str) -> None:
    text = dump(rows, ascii_only=True, space=space).encode()
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    pieces = list(Splitter(chunks, guess=True).elements())
    try:
        values = [json.loads(piece) for _, piece in pieces]
    except ValueError:  # a wrong guess shows as a piece that is no JSON; then the elements are found without guessing
        chunks = (text[start : start + size] for start in range(0, len(text), size))
        pieces = list(Splitter(chunks).elements())
        values = [json.loads(piece) for _, piece in pieces]
    assert values == json.loads(text)
    assert all(text[offset : offset + len(piece)] == piece for offset, piece in pieces)


@_laws
@given(text=st.text(alphabet='[]{}",1a\\\n', max_size=16), size=st.integers(1, 5))
def test_the_splitter_ends_on_any_text(text: str, size: int) -> None:
    chunks = (text.encode()[start : start + size] for start in range(0, len(text), size))
    try:
        pieces = [piece for _, piece in Splitter(chunks).documents()]
    except (NotJsonError, NotOneArrayError):
        return
    assert b"".join(b"".join(pieces).split()) == b"".join(text.encode().split())


def test_equal_by_value_tells_values_apart() -> None:
    assert same(Digits("1.10"), 1.1)
    assert not same(Digits("0.1000000000000000055"), 0.1)
    assert not same(Digits("-0"), 0)
    assert not same(None, "")
    assert not same("5", 5)
    assert not same(Digits("1"), True)
    assert not same({"a": Digits("1")}, {"a": 1, "b": 2})
    assert not same({"a": Digits("1")}, False)
