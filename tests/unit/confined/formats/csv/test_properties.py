"""Laws: any table of text comes back equal by value, whatever is in it and however it was written."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.confined.formats.csv.encoding import Encoding
from processor.confined.formats.csv.reader.records import records
from processor.confined.formats.csv.reader.uniformity import check_structure
from processor.confined.formats.dialect import Dialect, Newline
from processor.domain.errors import DeliveryError
from processor.streams.source import BytesSource
from tests.examples import examples
from tests.unit.confined.formats.csv.csv_tables import convert

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
ROWS = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=6)
)


def _all_quoted(rows: list[list[str]], delimiter: str, newline: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=newline).writerows(rows)
    return text.getvalue().encode()


@given(rows=ROWS, delimiter=st.sampled_from([",", ";", "\t", "|"]), newline=st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_reader_takes_every_field_as_it_was_written(rows: list[list[str]], delimiter: str, newline: str) -> None:
    text = _all_quoted(rows, delimiter, newline)
    found = [record.fields for record in records((text,), Dialect(delimiter.encode()))]
    assert found == [[value.encode() for value in row] for row in rows]


@given(rows=ROWS, cut=st.integers(1, 7))
def test_the_pieces_that_a_text_comes_in_do_not_matter(rows: list[list[str]], cut: int) -> None:
    text = _all_quoted(rows, ",", "\r\n")
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    assert list(records(pieces, Dialect())) == list(records((text,), Dialect()))


@given(data=st.binary(max_size=200), newline=st.sampled_from(list(Newline)))
def test_every_byte_of_a_text_without_quotes_is_in_a_field_or_a_separator(data: bytes, newline: Newline) -> None:
    dialect = Dialect(b",", b"", b"", newline)
    texts = b"".join(record.text for record in records((data,), dialect))
    endings = b"\r\n" if newline is Newline.ANY else newline.encode()
    if newline is Newline.ANY:
        assert texts == data.translate(None, endings)
    else:
        assert texts == data.replace(endings, b"")
    for record in records((data,), dialect):
        assert b",".join(field or b"" for field in record.fields) == record.text


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_quoted_table_comes_back_equal(rows: list[list[str]]) -> None:
    body = [[f"k{index}", *row] for index, row in enumerate(rows)]
    header = ["key", "first", "second", "third"]
    found = convert(_all_quoted([header, *body], ",", "\n"))
    assert found.names == header
    assert found.rows == [tuple(row) for row in body]


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.one_of(st.binary(max_size=120), st.text(st.sampled_from('ab1,;"\n\r\\ #\t\0'), max_size=60).map(str.encode))
)
def test_whatever_the_bytes_are_they_are_read_or_refused(data: bytes) -> None:
    for mode in ("refuse", "keep", "reject-object"):
        try:
            convert(data, mode)
        except DeliveryError as refusal:
            assert refusal.failure.message  # noqa: PT017 - that it is a refusal is the law


@given(
    rows=st.lists(
        st.lists(st.sampled_from(["a", "", '"x"', '"a,b"', '"a\nb"', '""', '"c ""d"""']), min_size=3, max_size=3),
        min_size=2,
    ),
    tail=st.sampled_from(["", "\n", "\n\n", "a,b\n", "a,b,c,\n", '"open\n']),
)
def test_a_structure_is_found_only_where_our_own_reader_finds_equal_rows(rows: list[list[str]], tail: str) -> None:
    text = ("\n".join(",".join(row) for row in rows) + "\n" + tail).encode()
    structure = check_structure(BytesSource("t", text), Encoding("utf-8", 0, ""), Dialect(), 3, 0)
    own = [record for record in records((text,), Dialect()) if record.fields]
    if structure is not None:
        assert [len(record.fields) for record in own] == [3] * structure.rows
    else:
        assert tail in ("a,b\n", "a,b,c,\n", '"open\n') or any(
            not record.fields for record in records((text,), Dialect())
        )


def test_a_hostile_forest_of_quotes_takes_no_longer_than_it_should(tmp_path: Path) -> None:
    source = tmp_path / "forest.csv"
    source.write_bytes(b'x","\n' * 60_000)
    with pytest.raises(DeliveryError, match=r"quotes|fields|columns"):
        convert(source)
