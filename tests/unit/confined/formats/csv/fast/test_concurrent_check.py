"""A large file is read by DuckDB at once, and what it turns out to be decides nevertheless."""

from pathlib import Path

import pytest

from processor.confined.formats import convert, duckdb_session
from processor.confined.formats.csv import convert as csv_convert
from processor.confined.formats.csv.readings import RowReading
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.errors import DeliveryError
from processor.streams.output import Output
from processor.streams.source import open_file
from tests.unit.confined.formats.tables import MemoryOutput

ROWS = 60_000
TABLE = "id,name,day\n" + "".join(f'{n},"name {n % 77}, of many",2024-01-{n % 28 + 1:02}\n' for n in range(ROWS))


def converted(directory: Path, text: bytes, output: MemoryOutput, threads: int = 2) -> Receipt:
    (directory / "t.csv").write_bytes(text)
    with open_file(str(directory).encode(), b"t.csv") as source:
        return convert(source, DataFormat.CSV, ConversionOptions(threads=threads), output, ())


def test_the_same_is_written_as_by_the_careful_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, careful = MemoryOutput(), MemoryOutput()
    receipt = converted(tmp_path, TABLE.encode(), quick)
    monkeypatch.setenv("PROCESSOR_FAST_PATHS", "off")
    assert converted(tmp_path, TABLE.encode(), careful) == receipt
    assert quick.table().equals(careful.table())
    assert (receipt.rows, quick.begun) == (ROWS, 1)


@pytest.mark.parametrize("line", [2000, ROWS // 2, ROWS + 1])
def test_a_row_of_another_width_anywhere_is_refused_by_its_line(tmp_path: Path, line: int) -> None:
    lines = TABLE.splitlines()
    lines[line - 1] = "1,2"
    with pytest.raises(DeliveryError, match=rf"lines? {line}; line {line} has 2 fields") as refused:
        converted(tmp_path, "\n".join(lines).encode(), MemoryOutput())
    assert refused.value.failure.code == "csv.malformed-rows"


def test_an_empty_field_too_many_which_duckdb_overlooks_is_noticed(tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    lines.insert(ROWS // 2, "1,2,2024-01-01,")
    with pytest.raises(DeliveryError, match=rf"lines? {ROWS // 2 + 1}; line {ROWS // 2 + 1} has 4 fields"):
        converted(tmp_path, "\n".join(lines).encode(), MemoryOutput())


def test_a_blank_line_is_no_row(tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    lines.insert(ROWS // 2, "")
    assert converted(tmp_path, "\n".join(lines).encode(), MemoryOutput()).rows == ROWS


def test_a_text_that_turns_out_to_be_no_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=rf"not UTF-8: see line {ROWS + 2} "):
        converted(tmp_path, (TABLE + "7,größer,2024-01-01\n").encode("latin-1"), MemoryOutput())


def test_a_text_that_is_broken_early_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[str] = []
    write = csv_convert.write

    def noted(rows: RowReading, output: Output, metadata: Facts) -> Receipt:
        try:
            return write(rows, output, metadata)
        except Exception as error:
            ends.append(type(error.__cause__).__name__)
            raise

    monkeypatch.setattr(csv_convert, "write", noted)
    lines = TABLE.splitlines()
    lines[5000:5000] = ["1,2,2024-01-01,"]  # DuckDB would read on
    with pytest.raises(DeliveryError):
        converted(tmp_path, "\n".join(lines + lines[1:] * 20).encode(), MemoryOutput(), threads=1)
    assert ends == ["InterruptException"]


def test_an_interrupt_that_comes_between_statements_ends_none() -> None:
    connection = duckdb_session.connection(ConversionOptions())
    duckdb_session.interrupt()
    assert connection.execute("SELECT sum(i) FROM range(100000) t(i)").fetchall() == [(4999950000,)]


def test_a_surprise_at_the_end_has_the_table_written_anew(tmp_path: Path) -> None:
    output = MemoryOutput()
    receipt = converted(tmp_path, (TABLE + "seven,x,2024-01-01\n").encode(), output)
    assert [column.type for column in receipt.columns] == ["VARCHAR", "VARCHAR", "DATE"]
    assert (receipt.rows, output.begun) == (ROWS + 1, 2)
