"""Decide how a delimited text is to be read.

By its first piece only where all else can be proved later, otherwise by every record.
"""

from dataclasses import replace

from processor.confined.formats.csv.analysis import Analysis, Surveyed
from processor.confined.formats.csv.declared import declared_header, declared_reading, declares_dialect
from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.layout.doubts import Doubt, unsure_header
from processor.confined.formats.csv.layout.header import decide_header, name_columns, without_quotes
from processor.confined.formats.csv.layout.header_evidence import Header, weigh_header
from processor.confined.formats.csv.layout.one_table import declared_separator, one_table
from processor.confined.formats.csv.layout.strangers import stranger
from processor.confined.formats.csv.layout.table_area import Layout, lay_out
from processor.confined.formats.csv.malformed.collect import Misfits
from processor.confined.formats.csv.malformed.output_rows import is_row
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.survey import FIRST_RECORDS, Survey
from processor.confined.formats.csv.sniffer.detect import Reading, choose, choose_one_table
from processor.confined.formats.csv.text import DelimitedText
from processor.confined.formats.dialect import Dialect, Newline
from processor.domain.conversion import DataFormat
from processor.domain.errors import refused

_MOST_COLUMNS = 25_000
Fields = list[bytes | None]


def survey_beginning(text: DelimitedText, data_format: DataFormat, piece: bytes, *, is_whole: bool) -> Surveyed:
    """Decide the dialect and the table by the first piece, or all, of `text`. Raises DeliveryError `csv.empty`."""
    reading = _read_piece(text, piece, data_format)
    if reading.layout is None:
        raise text.empty()
    has_separator_line = not text.recognises and bool(declared_separator(piece))
    found = Surveyed(text, reading.dialect, reading.survey, reading.layout, None, is_whole, has_separator_line)
    return found if text.recognises else _as_one_table(found)


def _read_piece(text: DelimitedText, piece: bytes, data_format: DataFormat) -> Reading:
    if declares_dialect(text.csv):
        return declared_reading(piece, data_format, text.csv)
    return choose(piece, data_format) if text.recognises else choose_one_table(piece, data_format)


def _as_one_table(found: Surveyed) -> Surveyed:
    """Return the survey with the layout of one table and nothing else, and what speaks against that."""
    csv, survey, separator = found.text.csv, found.survey, found.has_separator_line
    layout, doubt = one_table(survey, found.dialect, has_separator_line=separator, has_blank_lines=bool(csv.comment))
    first = survey.first[separator:][:1]
    if csv.row_names and first and len(first[0].fields) + 1 == layout.width:
        names = (csv.row_names.encode(), *first[0].fields)
        layout, doubt = Layout(layout.width, first[0].line, header=names, comments=False), None
    return replace(found, layout=layout, doubt=doubt)


def check_width(found: Surveyed) -> None:
    """Raise DeliveryError `csv.too-wide` for more columns than a Parquet should have."""
    if found.layout.width > _MOST_COLUMNS:
        raise refused("csv.too-wide", f"{found.layout.width} columns are more than {_MOST_COLUMNS}", "split the table")


def analyse_beginning(found: Surveyed) -> Analysis | None:
    """Decide the rest by the first piece; None where DuckDB can not read the text even if all its rows are alike."""
    if found.is_whole or not _looks_regular(found):
        return None
    header, fields, doubt = _decide_header(found)
    names = name_columns(fields, found.layout.width, stripped=found.text.recognises)
    analysis = Analysis(found, header, names, doubt, None)
    return analysis if doubt is None and _is_for_duckdb(analysis) else None


def _looks_regular(found: Surveyed) -> bool:
    layout, survey = found.layout, found.survey
    wrong = len(layout.preamble) + bool(layout.header)
    alike = found.doubt is None and survey.widths[layout.width] >= survey.total - wrong
    return alike and survey.odd == 0 and layout.width > 1 and not layout.footer


def _is_for_duckdb(analysis: Analysis) -> bool:
    """Whether DuckDB reads this dialect as we do, and skips the lines above the rows as we do."""
    if not _is_plain(analysis.dialect):
        return False
    above = [record for record in analysis.survey.first if record.line <= analysis.skipped_lines]
    if any(b"\n" in record.text or b"\r" in record.text for record in above):
        return False
    return not any(analysis.dialect.quote in record.text for record in analysis.layout.preamble)


def _is_plain(dialect: Dialect) -> bool:
    return (
        dialect.escape == dialect.quote
        and dialect.newline is Newline.ANY
        and not (dialect.spaced_quotes or dialect.runs)
    )


def analyse_all(found: Surveyed) -> Analysis:
    """Decide the rest by every record; they are surveyed unless the first piece was all of them."""
    seen = None
    if found.text.nulls or not found.holds_all:
        found, seen = _survey_all(found)
    elif found.dialect.quote and not found.text.recognises:
        _look_at_quotes(found)
    header, fields, doubt = _decide_header(found)
    misfits = _find_misfits(found, header, seen)
    analysis = Analysis(found, header, [], doubt, misfits)
    names = name_columns(fields, found.layout.width, set(analysis.surplus_columns()), stripped=found.text.recognises)
    check_width(found)
    return replace(analysis, names=names)


def _survey_all(found: Surveyed) -> tuple[Surveyed, Misfits]:
    seen = found.new_misfits()
    watched = seen.watch(found.passages(), FIRST_RECORDS)
    survey = Survey().add_all(watched, found.layout.width, Grammar(found.dialect))
    found = replace(found, survey=survey, is_whole=True)
    if not found.text.recognises:
        return _as_one_table(found), seen
    layout = lay_out(survey, found.dialect)
    assert layout is not None
    return replace(found, layout=layout), seen


def _look_at_quotes(found: Surveyed) -> None:
    grammar = Grammar(found.dialect)
    for record in found.survey.first:
        if grammar.quote in record.text:
            found.survey.add_quotes(record, grammar)


def _decide_header(found: Surveyed) -> tuple[Header, Fields, Doubt | None]:
    """Return whether there is a header, its fields ([] where there is none), and what is in doubt."""
    layout, doubt = found.layout, found.doubt
    table = [record for record in found.survey.first if record.line >= layout.first_line]
    rows = [record for record in table[1:] if len(record.fields) == layout.width and layout.is_body(record)]
    if (declared := declared_header(found.text.csv, table[0], layout.width)) is not None and not layout.header:
        return *declared, doubt
    if layout.header:
        header = Header(True, "names above rows of another width")
    else:
        header, doubt = _weigh_header(found, table[0], rows)
        doubt = doubt or _find_stranger(found, table[0] if header.present else None, rows)
    return header, _header_fields(found, table[0], rows) if header.present else [], doubt


def _weigh_header(found: Surveyed, first: Record, rows: list[Record]) -> tuple[Header, Doubt | None]:
    if len(first.fields) != found.layout.width:
        return Header(False, "the first record has another width"), found.doubt
    weighed = weigh_header(first.fields, [row.fields for row in rows])
    if weighed.present is not None:
        return weighed, found.doubt
    if found.text.recognises:
        return decide_header(first, rows), found.doubt
    return Header(False, weighed.reason), found.doubt or unsure_header(first, weighed.reason)


def _find_stranger(found: Surveyed, header: Record | None, rows: list[Record]) -> Doubt | None:
    if found.text.recognises or found.layout.width == 1:
        return None
    return stranger(header, rows, list(found.survey.last) if found.is_whole else [])


def _header_fields(found: Surveyed, first: Record, rows: list[Record]) -> Fields:
    width, above = found.layout.width, found.layout.header
    sound = found.repair.sensible(first) if first.odd and len(first.fields) == width else first.fields
    if not found.text.recognises:
        return list(above or sound)
    names = without_quotes(above or sound, rows)
    if len(names) == width - 1 and any(row.fields[-1] is not None for row in rows):
        return [None, *names]  # R writes no name above the names of its rows
    return names


def _find_misfits(found: Surveyed, header: Header, seen: Misfits | None) -> Misfits | None:
    """Return the rows that do not have the table's width; those behind the first ones may have been `seen`."""
    if set(found.survey.widths) == {found.layout.width}:
        return None
    misfits = found.new_misfits()
    for record in found.survey.first:
        _judge(record, found.layout, header, misfits)
    if found.survey.total > len(found.survey.first):
        if seen is None or not seen.is_for(found.repair):
            seen = found.new_misfits()
            for _ in seen.watch(found.passages(), FIRST_RECORDS):
                pass
        misfits.join(seen, found.layout.footer)
    return misfits


def _judge(record: Record, layout: Layout, header: Header, misfits: Misfits) -> None:
    if len(record.fields) == layout.width:
        return
    if is_row(record, layout, header):
        misfits.add_row(record)
    elif layout.is_comment(record):
        misfits.add_comment(record)
