"""Law: faults in a few rows cost these rows at most, however the table was written and wherever they stand."""

from collections import Counter
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.domain.errors import DeliveryError
from tests.examples import examples
from tests.unit.confined.formats.csv.csv_pollutions import Style
from tests.unit.confined.formats.csv.csv_tables import Converted, convert

Row = list[str]
Fault = Callable[[Style, Row, int], str]

HEADER = ["key", "day", "time", "count", "price", "kind", "text", "address", "remark"]
KINDS = ["retail", "whole sale", "online"]
TEXTS = ["Lamp, brass no. {}", "Chair {}", 'So called "best" desk {}', "Shelf {};\noak, {} cm"]
ROWS = [
    [str(5000 + i), f"{1 + i % 12:02d}/{1 + i % 28:02d}/2019", f"{8 + i % 12}:{i * 7 % 60:02d}", str(i * 3 % 41),
     f"{(i * 731 % 9000) / 100:.2f}", KINDS[i % 3], TEXTS[i % 4].format(i, i), f"http://shop.test/item?id={i}&v=2",
     "" if i % 5 == 0 else f"ok {i}"]
    for i in range(60)
]  # fmt: skip


def _fields(style: Style, row: Row) -> list[str]:
    return [style.field(value) for value in row]


def _spoiled(change: Callable[[Style, list[str], int], list[str]]) -> Fault:
    return lambda style, row, column: style.delimiter.join(change(style, _fields(style, row), column))


def _with(fields: list[str], column: int, text: str) -> list[str]:
    return [*fields[:column], text, *fields[column + 1 :]]


FAULTS: dict[str, Fault] = {
    "one separator more": _spoiled(lambda _, f, c: [*f[:c], "", *f[c:]]),
    "one separator less": _spoiled(lambda _, f, c: [*f[: c - 1], f[c - 1] + f[c], *f[c + 1 :]] if c else f[1:]),
    "cut short": _spoiled(lambda _, f, c: f[: c + 1]),
    "surplus": _spoiled(lambda _, f, c: [*f, *["x"] * (c + 1)]),
    "a quote before": _spoiled(lambda s, f, c: _with(f, c, s.quote + f[c])),
    "a quote behind": _spoiled(lambda s, f, c: _with(f, c, f[c] + s.quote)),
    "a quote inside": _spoiled(lambda s, f, c: _with(f, c, f[c][:2] + s.quote + f[c][2:])),
    "no closing quote": _spoiled(lambda s, f, c: _with(f, c, f[c].removesuffix(s.quote))),
    "no opening quote": _spoiled(lambda s, f, c: _with(f, c, f[c].removeprefix(s.quote))),
    "another separator": lambda s, row, c: Style(";,\t|"[c % 4], s.quote, s.escape).row(row),
    "a blank line before": lambda s, row, _: s.newline + s.row(row),
    "only separators": lambda s, _, c: s.delimiter * (c + 1),
    "words": lambda *_: "see the next page",
}
STYLES = st.builds(
    lambda delimiter, quote, doubled, newline, every: Style(
        delimiter, quote, quote if doubled else "\\", newline, quote_all=every
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(['"', "'"]),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


def _key(row: tuple[str | None, ...]) -> tuple[str | None, ...]:
    values: list[str | None] = [value.replace("\r\n", "\n") if value else None for value in row[: len(HEADER)]]
    return tuple(values)


def _missing(found: Converted, kept: list[Row]) -> Counter[tuple[str | None, ...]]:
    return Counter(_key(tuple(row)) for row in kept) - Counter(map(_key, found.rows))


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(
    style=STYLES,
    faults=st.lists(
        st.tuples(st.integers(0, 59), st.integers(0, 8), st.sampled_from(sorted(FAULTS))), min_size=1, max_size=3
    ),
    notes=st.integers(0, 3),
)
def test_faults_cost_no_more_than_the_rows_they_are_in(
    style: Style, faults: list[tuple[int, int, str]], notes: int
) -> None:
    spoiled = {at: FAULTS[name](style, ROWS[at], column) for at, column, name in faults}
    lines = [spoiled.get(at, style.row(row)) for at, row in enumerate(ROWS)]
    title = [f"Note {i} about the report" for i in range(notes)]
    text = style.newline.join([*title, style.row(HEADER), *lines, ""]).encode()
    kept = [row for at, row in enumerate(ROWS) if at not in spoiled]
    found = convert(text, "keep")
    assert found.names[: len(HEADER)] == HEADER
    assert not _missing(found, kept)
    try:
        strict = convert(text)
    except DeliveryError:
        return
    assert not _missing(strict, kept)
