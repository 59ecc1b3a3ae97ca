"""Readings of a table: by DuckDB, our reader, from memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from processor.confined.formats.csv.analysis import Analysis
from processor.confined.formats.csv.feed.encoded_rows import PipedRows
from processor.confined.formats.csv.malformed.output_rows import OutputRows
from processor.confined.formats.csv.reader.ragged import Block
from processor.confined.formats.csv.reader.uniformity import Structure, direct_reading
from processor.confined.formats.parquet.write import Reading, Sample
from processor.confined.formats.pipe_feed import Row, piped
from processor.streams.feed import readable_fd


@dataclass(frozen=True, slots=True)
class RowReading:
    """One way to read the rows of an analysed text; the relation may be opened several times.

    `records` takes how many records are header or notes; it returns how many were read and how many of them are blank.
    """

    analysis: Analysis
    opened: Reading
    count: Callable[[], int | None]  # rows of the last whole reading
    records: Callable[[int], tuple[int, int]]
    sample: Sample
    is_sample_all: bool = False


def by_duckdb(
    analysis: Analysis,
    ending: bytes,
    path: Callable[[], AbstractContextManager[str | list[str]]],
    proof: Callable[[], Structure | None],
    *,
    buffer_bytes: int = 0,
) -> RowReading:
    """Return the reading of equal rows by DuckDB itself, from what `path` yields. `proof` counts them.

    With a buffer of its own the path is a list of pipes, which begin with the first row.
    """
    nulls, skip = ("", *analysis.text.options.null_tokens), 0 if buffer_bytes else analysis.skipped_lines
    width = analysis.layout.width
    opened = direct_reading(path, analysis.dialect, ending, width, skip, nulls, buffer_bytes=buffer_bytes)

    def count() -> int | None:
        found = proof()
        return found.rows if found is not None else None

    def records(others: int) -> tuple[int, int]:
        found = proof()
        assert found is not None
        beside = analysis.skipped_lines + found.blank
        return found.rows + beside, beside - others

    return RowReading(analysis, opened, count, records, analysis.sample())


@contextmanager
def text_path(analysis: Analysis) -> Iterator[str]:
    """Yield what DuckDB opens: the file itself, or a pipe where the text must be unpacked or decoded first."""
    if analysis.encoding.is_utf8:
        with readable_fd(analysis.text.source) as fd:
            yield f"/dev/fd/{fd}"
    else:
        with piped(analysis.text.chunks()) as path:
            yield path


def by_our_reader(analysis: Analysis, *, in_memory: bool = False) -> RowReading:
    """Return the reading of every record by our reader, which feeds DuckDB; once, where the rows are kept in memory."""
    last: list[OutputRows] = []  # that made rows

    def output_rows() -> OutputRows:
        last[:] = [analysis.output_rows()]
        return last[0]

    def rows() -> Iterator[Row | Block]:
        return output_rows().of(analysis.table.passages())

    def records(_others: int) -> tuple[int, int]:
        survey, made_rows = analysis.survey, last[0].blank if last else 0
        return survey.total + survey.blank, survey.blank - made_rows

    kept = list(_few_rows(analysis, output_rows)) if in_memory else None
    piped_rows = PipedRows(
        rows if kept is None else lambda: iter(kept),
        analysis.layout.width,
        analysis.dialect,
        analysis.text.options.null_tokens,
        analysis.survey.longest,
        analysis.has_surplus,
        few=in_memory,
    )
    sample = analysis.sample() if kept is None else [[v if v is None else v.decode() for v in row] for row in kept]
    return RowReading(analysis, piped_rows.reading, lambda: piped_rows.count, records, sample, is_sample_all=in_memory)


def _few_rows(analysis: Analysis, output_rows: Callable[[], OutputRows]) -> Iterator[Row]:
    """Yield the rows of a small table as they are written."""
    layout, survey = analysis.layout, analysis.survey
    if layout.width > 1 and set(survey.widths) == {layout.width} and not layout.footer_line:
        first = layout.first_line + bool(analysis.header.present)
        return (record.fields for record in survey.first if record.line >= first)
    return output_rows().singly(analysis.table.records())
