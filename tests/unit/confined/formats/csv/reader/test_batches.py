"""Blocks of regular rows are the records that the reader gives one by one, and DuckDB takes them for the same."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.confined.formats.csv.feed.encoded_rows import PipedRows, surplus_json
from processor.confined.formats.csv.malformed.pad import Leveller
from processor.confined.formats.csv.reader.batches import passages
from processor.confined.formats.csv.reader.ragged import Block, Ragged, Skeletons
from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.csv.reader.recover import Repair
from processor.confined.formats.dialect import Dialect, Newline
from processor.confined.formats.duckdb_session import connection
from processor.confined.formats.pipe_feed import Row
from processor.domain.conversion import ConversionOptions
from processor.domain.errors import DeliveryError
from tests.examples import examples
from tests.unit.confined.formats.csv.csv_tables import convert

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


@settings(max_examples=examples(150))
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
        rows = [passage] if isinstance(passage, Record) else list(passage.records())
        assert isinstance(passage, Record) or passage.rows == sum(bool(record.fields) for record in rows)
        if isinstance(passage, Ragged):
            assert [len(record.fields) for record in rows] == passage.widths
            assert [record.line for record in rows] == list(passage.starts)
        found += rows
    assert [record[:4] for record in found] == [record[:4] for record in expected]


@settings(max_examples=examples(150))
@given(written=texts(), surplus=st.booleans(), nulls=st.sampled_from([(), ("NA",)]))
def test_duckdb_reads_blocks_as_we_do(
    written: tuple[bytes, Dialect, int], nulls: tuple[str, ...], *, surplus: bool
) -> None:
    text, dialect, width = written
    tokens = frozenset(token.encode() for token in nulls)

    leveller = Leveller(Repair(dialect, width), tokens, surplus=False)

    def rows() -> Iterator[Row | Block]:
        for passage in passages((text,), dialect, width, nulls=tokens):
            if isinstance(passage, Ragged):
                yield leveller.choose(passage)
            elif isinstance(passage, Block):
                yield passage
            elif len(row := fitting(passage, width)) == width:
                yield [*row, *[None] * surplus]

    piped = PipedRows(rows, width, dialect, nulls, surplus=surplus)
    expected = [fitting(record, width) for record in records((text,), dialect, nulls=tokens, width=width)]
    expected = [row for row in expected if len(row) == width]
    assert [list(row[:width]) for row in all_rows(piped)] == [decoded(row) for row in expected]
    assert piped.count == len(expected)


@settings(max_examples=examples(150))
@given(written=texts(), cut=st.integers(1, 300), nulls=st.sampled_from([(), ("NA",)]))
def test_rows_of_any_width_are_kept_in_blocks_as_they_are_one_by_one(
    written: tuple[bytes, Dialect, int], cut: int, nulls: tuple[str, ...]
) -> None:
    text, dialect, width = written
    tokens = frozenset(token.encode() for token in nulls)
    repair = Repair(dialect, width)
    leveller = Leveller(repair, tokens, surplus=True)

    def kept(record: Record) -> Row:
        fields = fitting(record, width)
        fields = fields if len(fields) == width else repair.fields(record) or fields
        surplus = surplus_json(fields[width:]) if len(fields) > width else None
        return [*fields[:width], *[None] * (width - len(fields)), surplus]

    def rows() -> Iterator[Row | Block]:
        for passage in passages([text[at : at + cut] for at in range(0, len(text), cut)], dialect, width, nulls=tokens):
            if isinstance(passage, Ragged):
                yield from (p if isinstance(p, Block) else kept(p) for p in leveller.level(passage))
            elif isinstance(passage, Block) or fitting(passage, width):
                yield passage if isinstance(passage, Block) else kept(passage)

    every = records((text,), dialect, nulls=tokens, width=width)
    expected = [kept(record) for record in every if fitting(record, width)]
    found = all_rows(PipedRows(rows, width, dialect, nulls, surplus=True))
    assert [row[:width] for row in found] == [tuple(decoded(row[:width])) for row in expected]
    assert [row[width] for row in found] == [
        None if row[width] is None else orjson.loads(row[width] or b"") for row in expected
    ]


@pytest.mark.parametrize("delimiter", [b",", b";", b"\t", b"]"])
@pytest.mark.parametrize("quote", [b'"', b"'", b""])
@pytest.mark.parametrize(
    "last", [b"last", b"", b"a|b", b"|", b"back\\slash", "ü|é".encode(), b'in"ch', b"o'clock", b"NA"]
)
def test_surplus_values_are_kept_whatever_the_others_of_their_block_are(
    delimiter: bytes, quote: bytes, last: bytes
) -> None:
    dialect, nulls = Dialect(delimiter, quote, quote), frozenset((b"NA",)) if last == b"NA" else frozenset()
    rows = [b"1|2|more", b"1|2|more|and more", b"3|4|" + last]
    text = b"".join(row.replace(b"|", delimiter) + b"\n" for row in rows)
    ragged = Skeletons(dialect, 2, nulls).rows(text, 1)
    if ragged is None:  # a stray quote: that is the reader's
        assert quote
        assert quote in last
        return
    assert isinstance(ragged, Ragged)
    levelled = [*Leveller(Repair(dialect, 2), nulls, surplus=True).level(ragged)]
    rows_of = [p if isinstance(p, Block) else [*p.fields[:2], surplus_json(p.fields[2:])] for p in levelled]
    found = all_rows(PipedRows(lambda: iter(rows_of), 2, dialect, ("NA",) if nulls else (), surplus=True))
    end = [None if value in ("", "NA") else value for value in last.decode().split("|")]
    assert [row[2] for row in found] == [["more"], ["more", "and more"], end]


def fitting(record: Record, width: int) -> list[bytes | None]:
    """Return the fields; in a table of one column a blank line is a row."""
    return record.fields or [None] * (width == 1)


def decoded(row: Row) -> list[str | None]:
    return [None if value is None else value.decode() for value in row]


def all_rows(piped: PipedRows) -> list[tuple[Any, ...]]:
    with piped.reading() as relation:
        return connection(ConversionOptions()).execute(f"SELECT * FROM {relation}").fetchall()


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
