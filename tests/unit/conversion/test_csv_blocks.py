"""Blocks of regular rows are the records that the reader gives one by one, and DuckDB takes them for the same."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.domain.conversion import ConversionOptions
from processor.domain.errors import DeliveryError
from processor.steps.conversion.csv_blocks import Block, passages
from processor.steps.conversion.csv_exact import PipedRows, Row
from processor.steps.conversion.csv_rows import Dialect, Newline, Record, records
from processor.steps.conversion.duck import connection
from tests.unit.conversion.csv_tables import convert

CELLS = (
    b"",
    b"a",
    b"12",
    b'"q"',
    b'"q,;|x"',
    b'"two\nlines"',
    b'"d""q"',
    b' "s" ',
    b'st"ray',
    b'\\"',
    b"x\\,y",
    b"NA",
    b'"NA"',
    b" pad ",
    "ä".encode(),
    b"N",
    b'""',
    b"'a'",
    b"a\tb",
    b'"open',
    b"\x01",
    b"\x03",
)
DIALECTS = (
    Dialect(),
    Dialect(b";", spaced_quotes=True),
    Dialect(b",", b"'", b"\\"),
    Dialect(b", "),
    Dialect(b"||", b'"', b"\\", Newline.CRLF),
    Dialect(b""),
    Dialect(b" ", runs=True),
    Dialect("§".encode(), b"", b"", Newline.LF),
    Dialect(b"\t", newline=Newline.RECORD_SEPARATOR),
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, Dialect, int]:
    dialect = draw(st.sampled_from(DIALECTS))
    width = draw(st.integers(1, 4)) if dialect.delimiter else 1
    cells = st.sampled_from(draw(st.lists(st.sampled_from(CELLS), min_size=2, max_size=6)))
    regular = st.lists(cells, min_size=width, max_size=width)
    endings = (b"\n", b"\r\n", b"\r") if dialect.newline is Newline.ANY else (dialect.newline.encode(),)
    rows = draw(st.lists(st.one_of(regular, regular, st.lists(cells, min_size=1, max_size=5)), min_size=5, max_size=30))
    return b"".join(dialect.delimiter.join(row) + draw(st.sampled_from(endings)) for row in rows), dialect, width


@settings(deadline=None, max_examples=150)
@given(written=texts(), cut=st.integers(1, 300), singly=st.integers(0, 3), nulls=st.sampled_from([(), ("NA",)]))
def test_blocks_hold_the_records_that_come_one_by_one(
    written: tuple[bytes, Dialect, int], cut: int, singly: int, nulls: tuple[str, ...]
) -> None:
    text, dialect, width = written
    tokens = frozenset(token.encode() for token in nulls)
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    expected = list(records((text,), dialect, nulls=tokens, width=width))
    found: list[Record] = []
    for passage in passages(pieces, dialect, width, nulls=tokens, singly=singly):
        rows = list(passage.records()) if isinstance(passage, Block) else [passage]
        assert not isinstance(passage, Block) or passage.rows == len(rows)
        found += rows
    assert [record[:4] for record in found] == [record[:4] for record in expected]


@settings(deadline=None, max_examples=150)
@given(written=texts(), surplus=st.booleans(), nulls=st.sampled_from([(), ("NA",)]))
def test_duckdb_reads_blocks_as_we_do(
    written: tuple[bytes, Dialect, int], nulls: tuple[str, ...], *, surplus: bool
) -> None:
    text, dialect, width = written
    tokens = frozenset(token.encode() for token in nulls)

    def rows() -> list[Row | Block]:
        found = passages((text,), dialect, width, nulls=tokens)
        fitting = (p for p in found if isinstance(p, Block) or len(p.fields) == width)
        return [p if isinstance(p, Block) else [*p.fields, *[None] * surplus] for p in fitting]

    piped = PipedRows(lambda: iter(rows()), width, dialect, nulls, surplus=surplus)
    with piped.reading() as relation:
        found = connection(ConversionOptions()).execute(f"SELECT * FROM {relation}").fetchall()
    one_by_one = (r.fields for r in records((text,), dialect, nulls=tokens, width=width) if len(r.fields) == width)
    expected = [[None if value is None else value.decode() for value in row] for row in one_by_one]
    assert [list(row[:width]) for row in found] == expected
    assert piped.count == len(expected)


@pytest.mark.parametrize("mode", ["keep", "reject-object"])
def test_bad_rows_deep_in_a_large_file_are_told_from_the_good_ones_around_them(tmp_path: Path, mode: str) -> None:
    source = tmp_path / "t.csv"
    good = [f'{i},"name, {i}",{i % 7}' for i in range(20_000)]
    bad = {5_000: "1,2", 12_345: '7,8,9,"x,y"', 19_998: "alone"}
    source.write_text("id,name,n\n" + "".join(bad.get(i, line) + "\n" for i, line in enumerate(good)))
    found = convert(source, mode)
    if mode == "keep":
        assert found.rows[12_345] == ("7", "8", "9", ["x,y"])
        assert found.rows[5_000] == ("1", "2", None, None)
        assert [row[0] for row in found.rows[19_995:]] == ["19995", "19996", "19997", "alone", "19999"]
    else:
        assert [row["line"] for row in found.rejected] == [at + 2 for at in bad]
        assert len(found.rows) == 20_000 - len(bad)


def test_a_quote_that_is_never_closed_is_refused_with_its_line() -> None:
    text = b"a,b,c\n" + b'1,"x y",3\n' * 40 + b'4,"cut off,5\n6,7,8\n'
    with pytest.raises(DeliveryError) as refusal:
        convert(text)
    assert refusal.value.failure.code == "csv.unterminated-quote"
    assert "line 42" in refusal.value.failure.message
    assert len(convert(text, "keep").rows) == 42


def test_many_stray_quotes_are_ordinary_characters() -> None:
    text = b"a,b,c\n" + b'1,"x,3\n' * 41
    assert convert(text).rows[0] == ("1", '"x', "3")


def test_one_stray_quote_in_a_large_file_costs_hardly_more_than_its_line(tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_bytes(b"a,b,c\n" + b"1,22,333\n" * 50_000 + b'1,"22,333\n' + b"1,22,333\n" * 400_000)
    started = time.process_time()
    assert convert(source, "keep").rows[50_000][1] == '"22'
    assert time.process_time() - started < 30


def test_escaped_quotes_and_separators_in_blocks_are_those_of_the_reader() -> None:
    rows = "".join(rf'{i},"say \"{i}\", or \\ and \n","a ""b""\","' + "\n" for i in range(4000))
    found = convert(b"n,text,more\n" + rows.encode())
    assert found.rows == [(str(i), rf'say "{i}", or \ and \n', 'a "b"",') for i in range(4000)]
