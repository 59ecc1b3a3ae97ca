"""What a text's beginning promises, and how it is noticed that the rest does not keep it."""

import io

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.confined.formats import convert
from processor.confined.formats.csv.encoding import Utf8Check, promised_encoding
from processor.confined.formats.csv.feed import multi_pipe
from processor.confined.formats.csv.reader.uniformity import StructureCheck
from processor.confined.formats.dialect import Dialect
from processor.domain.conversion import ConversionOptions, CsvNotes, DataFormat
from tests.unit.confined.archives.recording import RecordingOutput, RecordingSink

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=5), st.text(max_size=5).map(str.encode), st.sampled_from(("€".encode()[:1], b"\x82\xac"))
    ),
    max_size=8,
)


@given(PIECES)
def test_pieces_are_valid_where_the_whole_is(pieces: list[bytes]) -> None:
    check = Utf8Check()
    try:
        b"".join(pieces).decode()
        valid = True
    except UnicodeDecodeError:
        valid = False
    assert (all(map(check.add, pieces)) and check.add(b"", final=True)) == valid


@pytest.mark.parametrize("head", ["a,b\n".encode("utf-16"), "a,b\n".encode("utf-16-le"), b"a,gr\xf6\xdfe\n"])
def test_only_utf_8_is_promised(head: bytes) -> None:
    assert promised_encoding(head) is None


@pytest.mark.parametrize("head", [b"a,b\n", "a,größe\n".encode(), "a,größe\n".encode()[:5], b"\xef\xbb\xbfa\n"])
def test_a_beginning_in_utf_8_promises_it(head: bytes) -> None:
    found = promised_encoding(head)
    assert found is not None
    assert found.is_utf8


@given(
    st.lists(st.sampled_from((b"1,2\n", b'"1,2",3\n', b'"1\n2",3\n', b"1,2,3\n", b"\n")), min_size=1), st.integers(1, 7)
)
def test_a_structure_is_the_same_in_whatever_pieces_it_comes(rows: list[bytes], size: int) -> None:
    text = b"above\n1,2\n" + b"".join(rows)
    whole, pieces = (StructureCheck(Dialect(), 2, 1) for _ in range(2))
    at_once = whole.finish() if whole.add(text) else None
    first, rest = text[:10], text[10:]
    parts = [first, *(rest[at : at + size] for at in range(0, len(rest), size))]
    assert (pieces.finish() if all(map(pieces.add, parts)) else None) == at_once
    if all(row.count(b",") - row.count(b'"1,2"') == 1 for row in rows):
        assert at_once is not None
        assert at_once.rows == len(rows) + 1


class PassingSource:
    """A text that is no file."""

    name, path_fd = "t.csv", None

    def __init__(self, text: bytes, size_bytes: int | None) -> None:
        self.text, self.size_bytes = text, size_bytes
        self.opened = 0

    def open(self) -> io.BytesIO:
        self.opened += 1
        return io.BytesIO(self.text)


LINES = [b"%d,name %d,2024-01-%02d\n" % (number, number % 77, number % 28 + 1) for number in range(25_000)]
TABLE = b"id,name,day\n" + b"".join(LINES)
LOOKS_AT_ITS_BEGINNING, READ_ONCE = 2, 1


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        pytest.param(TABLE, READ_ONCE, id="plain"),
        pytest.param(TABLE.replace(b"\n", b"\r\n"), READ_ONCE, id="CRLF"),
        pytest.param(TABLE.replace(b"name 7,", b'"line 1\nline 2, ""7""",'), READ_ONCE, id="quoted line feeds"),
        pytest.param(b"\xef\xbb\xbf" + TABLE.removesuffix(b"\n"), READ_ONCE, id="no last line feed"),
        pytest.param(b"made by\nsomebody\n" + TABLE, READ_ONCE, id="lines above"),
        pytest.param(TABLE + b"one,name,2024-01-01\n", 2, id="a surprise at its end"),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["of known size", "of unknown size"])
def test_several_threads_write_the_same_rows_in_the_same_order(
    text: bytes, readings: int, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi_pipe, "SHARE_BYTES", 200 << 10)
    monkeypatch.setattr(multi_pipe, "_SMALLEST_BYTES", 72 << 10)
    written = []
    for threads in (1, 3):
        source, sink = PassingSource(text, len(text) if known else None), RecordingSink()
        options = ConversionOptions(csv_notes=CsvNotes.RECOGNISE, threads=threads)
        receipt = convert(source, DataFormat.CSV, options, RecordingOutput(sink), ())
        written.append((receipt, pyarrow.parquet.read_table(io.BytesIO(sink._content))))
        assert source.opened == LOOKS_AT_ITS_BEGINNING + readings
    assert written[0][0] == written[1][0]
    assert written[0][1].equals(written[1][1])
