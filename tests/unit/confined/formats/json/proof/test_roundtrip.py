"""The echo of a line: what proves it must prove it wholly, and must prove the usual styles at all."""

import json
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.confined.formats.duckdb_session import connection
from processor.confined.formats.json import schema
from processor.confined.formats.json.parser import parse
from processor.confined.formats.json.plan import plan_rows
from processor.confined.formats.json.proof.roundtrip import Echo, can_echo, style_of
from processor.confined.formats.json.schema import Schema
from processor.domain.conversion import ConversionOptions, Typing
from tests.examples import examples
from tests.unit.confined.formats.json.json_values import load, same

_RECORD = {
    "id": 7,
    "name": "zürich",
    "price": 1.5,
    "ok": True,
    "at": {"lat": 0.25, "names": ["a", "b"]},
    "line": [[1.5, 2.0], []],
    "parts": [{"n": 1, "s": "x"}, {"n": 2, "s": ""}],
    "note": "text",
}
_OTHERS: list[dict[str, Any]] = [
    {**_RECORD, "note": None, "at": None},
    {key: value for key, value in _RECORD.items() if key not in {"id", "note"}},
    {**_RECORD, "parts": [{"n": 3, "s": "y"}], "line": [], "price": -1234567.875},
]


def _echoed(sample: list[str], lines: list[str]) -> list[tuple[bool, Any]]:
    """Return of each line whether its echo, made for the rows of `sample`, proves it, and its values."""
    schema = Schema()
    for row in sample:
        schema.learn(parse(row.encode()))
    plan = plan_rows(schema.root, Typing.LOSSLESS)
    assert can_echo(plan.columns)
    echo = Echo(schema.root, plan.columns, style_of([row.encode() for row in sample]))
    query = (
        f"SELECT {echo.condition}, r FROM (SELECT j, json_transform(j, $structure) AS r"
        " FROM (SELECT unnest($lines) AS j))"
    )
    return (
        connection(ConversionOptions())
        .execute(query, {"structure": json.dumps(plan.structure), "lines": lines})
        .fetchall()
    )


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "spaced"])
@pytest.mark.parametrize("end", ["", "\r"], ids=["lf", "crlf"])
@pytest.mark.parametrize("text", ["text", 'with "quotes", \\ and \n ends'], ids=["plain", "escaped"])
def test_rows_in_a_usual_style_are_proved(separators: tuple[str, str], end: str, text: str) -> None:
    rows: list[dict[str, Any]] = [{**row, "text": text, "texts": [text, text]} for row in [_RECORD, *_OTHERS]]
    lines = [json.dumps(row, ensure_ascii=False, separators=separators) + end for row in rows]
    found = _echoed(lines, lines)
    assert [proved for proved, _ in found] == [True] * len(lines)
    assert all(same(load(line), values) for line, (_, values) in zip(lines, found, strict=True))


def test_whole_numbers_among_decimals_are_proved_as_javascript_writes_them() -> None:
    lines = ['{"a":1,"b":[1,2.5]}', '{"a":1.5,"b":[3]}', '{"a":1e-7,"b":[]}']
    assert [proved for proved, _ in _echoed(lines, lines)] == [True] * 3


def test_small_numbers_are_proved_as_python_writes_them() -> None:
    lines = ['{"a": 1.5}', '{"a": 1e-07}']
    assert [proved for proved, _ in _echoed(lines, lines)] == [True] * 2


def test_records_without_a_key_that_is_always_there_are_proved() -> None:
    lines = ['{"a":1}', '{"b":"x"}', "{}", '{"a":2,"b":"y"}', '{"b":null}']
    assert [proved for proved, _ in _echoed(lines, lines)] == [True] * 5


@pytest.mark.parametrize(
    "line",
    [
        '{"a":NaN,"s":"x","l":[1.5],"n":1}',
        '{"a":nan,"s":"x","l":[1.5],"n":1}',
        '{"a":1.5,"s":"x","l":[NaN],"n":1}',
        '{"a":1.5,"s":"x","l":[-Infinity],"n":1}',
        '{"a":1e400,"s":"x","l":[1.5],"n":1}',
        '{"a":1.50,"s":"x","l":[1.5],"n":1}',
        '{"a":0.1000000000000000055,"s":"x","l":[1.5],"n":1}',
        '{"a":1.5,"s":"x","l":[0.1000000000000000055],"n":1}',
        '{"a":"1.5","s":"x","l":[1.5],"n":1}',
        '{"a":1.5,"s":5,"l":[1.5],"n":1}',
        '{"a":1.5,"s":true,"l":[1.5],"n":1}',
        '{"a":1.5,"s":{"x":1},"l":[1.5],"n":1}',
        '{"a":1.5,"s":"x","l":[1.5],"n":"1"}',
        '{"a":1.5,"s":"x","l":[1.5],"n":1.0}',
        '{"a":1.5,"s":"x","l":[1.5],"n":-0}',
        '{"a":1.5,"s":"x","l":[1.5],"n":true}',
        '{"a":1.5,"s":"x","l":[1.5],"n":123456789012345678901}',
        '{"a":1.5,"s":"x","l":[1.5],"n":1,}',
        '{"a":1.5,"s":"x","l":[1.5,],"n":1}',
        '{"a":1.5,"s":"x","l":[1.5],"n":1,"n":1}',
        '{"a":1.5,"a":1.5,"s":"x","l":[1.5],"n":1}',
        '{"a":1.5,"s":"x","l":[1.5],"n":1,"z":2}',
        '{"a":1.5,"s":"\\u0078","l":[1.5],"n":1}',
        '{"a":1.5,"s":"x\\",\\"l\\":[1.5],\\"n\\":1}',
    ],
)
def test_what_a_column_would_change_is_not_proved(line: str) -> None:
    sample = ['{"a":1.5,"s":"x","l":[1.5],"n":1}']
    try:
        ((proved, _),) = _echoed(sample, [line])
    except duckdb.Error:
        return
    assert not proved


_MAPS: list[Any] = [
    {"k1": 1, "k2": "x", "k3": [1.5, None, {"n": 1}]},
    {"k4": {"n": 1, "s": "{,"}, "k5": {"n": {"deep": [True]}}, "k6": "a:b"},
    {"k7": 123456789012345678901, "k8": -0.5, "k9": "zürich"},
    {},
    None,
]


@pytest.fixture
def _few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have objects with more than three keys in all be maps, which are kept as JSON text."""
    monkeypatch.setattr(schema, "MOST_KEYS", 3)


def _map_lines(separators: tuple[str, str]) -> list[str]:
    rows = [{"id": 1, "map": value, "text": "x"} for value in _MAPS]
    return [json.dumps(row, ensure_ascii=False, separators=separators) for row in rows]


@pytest.mark.usefixtures("_few_keys")
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["dense", "spaced"])
def test_maps_of_any_keys_are_proved_and_kept_as_text(separators: tuple[str, str]) -> None:
    lines = _map_lines(separators)
    found = _echoed(lines, lines)
    assert [same(load(line), values) for line, (_, values) in zip(lines, found, strict=True)] == [True] * len(lines)
    is_dense = separators == (",", ":")
    assert [proved for proved, _ in found] == [
        is_dense,
        is_dense,
        True,
        True,
        True,
    ]  # spaced: no list of numbers, no ," in a text


@pytest.mark.usefixtures("_few_keys")
@pytest.mark.parametrize(
    "value",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":[{"b":1,"b":2}]}',
        '{"a":{"b":{"c":1,"c":2}}}',
        '{"a":{"b":{"c":{"d":1,"d":2}}}}',
        '[{"a":1,"a":2}]',
        '{"a":1.50}',
        '{"a":NaN}',
        '{"a":[-Infinity]}',
        '{"a":1,}',
        '{"a":"\t"}',
        '{"a":' + "[" * 300 + "]" * 300 + "}",
        '"text"',
        '"{}"',
        '"[1]"',
        '"\\"',
    ],
)
def test_a_map_that_is_not_what_it_seems_is_not_proved(value: str) -> None:
    try:
        ((proved, _),) = _echoed(_map_lines((",", ":")), [f'{{"id":1,"map":{value},"text":"x"}}'])
    except duckdb.Error:
        return
    assert not proved


@pytest.mark.usefixtures("_few_keys")
@pytest.mark.parametrize(("maps", "possible"), [(16, True), (17, False)])
def test_many_maps_would_take_more_memory_to_prove_than_they_save(maps: int, possible: bool) -> None:
    schema = Schema()
    schema.learn({f"m{number}": _MAPS[0] | _MAPS[1] for number in range(maps)})
    assert can_echo(plan_rows(schema.root, Typing.LOSSLESS).columns) == possible


_STYLES = st.sampled_from([(",", ":"), (", ", ": ")])
_CHANGES = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 2), st.text('{}[]",: \\nuNaIfty0015.-eE/\t', max_size=3)),
    min_size=1,
    max_size=3,
)
_TEXTS = st.text(max_size=4) | st.sampled_from(['","', "\\", '\\"', "null", "NaN", "]", "\\u005c", '":'])


@settings(max_examples=examples(100))
@given(style=_STYLES, text=_TEXTS, changes=_CHANGES, row=st.sampled_from([_RECORD, *_OTHERS]))
def test_whatever_is_proved_has_the_values_of_its_text(
    style: tuple[str, str],
    text: str,
    changes: list[tuple[int, int, str]],
    row: dict[str, Any],
) -> None:
    rows = [{**each, "text": text, "texts": [text]} for each in [_RECORD, *_OTHERS]]
    sample = [json.dumps(each, ensure_ascii=False, separators=style) for each in rows]
    line = json.dumps({**row, "text": text, "texts": [text]}, ensure_ascii=False, separators=style)
    for at, removed, inserted in changes:
        start = at % (len(line) + 1)
        line = line[:start] + inserted + line[start + removed :]
    _assert_proved_only_if_same(sample, line)


_KEYS = st.sampled_from(["a", "b", '","', "k1"])
_MAP_VALUES = st.recursive(
    st.integers() | st.sampled_from([None, 0.1, "x", '",', '":', "{", "[", '"', "\\"]),
    lambda below: st.dictionaries(_KEYS, below, max_size=2) | st.lists(below, max_size=2),
    max_leaves=5,
)


@pytest.mark.usefixtures("_few_keys")
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(style=_STYLES, maps=st.lists(_MAP_VALUES, min_size=1, max_size=2), changes=_CHANGES | st.just([]))
def test_whatever_map_is_proved_has_the_values_of_its_text(
    style: tuple[str, str], maps: list[Any], changes: list[tuple[int, int, str]]
) -> None:
    line = json.dumps({"id": 1, "map": maps[0], "text": "x"}, ensure_ascii=False, separators=style)
    if len(maps) > 1:
        line = line.replace('"text"', '"a":' + json.dumps(maps[1]) + ',"text"')
    for at, removed, inserted in changes:
        start = at % (len(line) + 1)
        line = line[:start] + inserted + line[start + removed :]
    _assert_proved_only_if_same(_map_lines(style), line)


def _assert_proved_only_if_same(sample: list[str], line: str) -> None:
    try:
        ((proved, values),) = _echoed(sample, [line])
    except duckdb.Error:
        return
    if proved:
        assert same(load(line), values)
        parse(line.encode())  # no key twice
