"""Write an analysed table; account for every record."""

from collections.abc import Iterable
from dataclasses import replace

from processor.confined.formats.csv.accounting import Account, Note, notes_of
from processor.confined.formats.csv.analysis import Analysis
from processor.confined.formats.csv.declared import without_quoted_nulls
from processor.confined.formats.csv.readings import RowReading
from processor.confined.formats.parquet.write import write_table
from processor.domain.conversion import Facts, Receipt
from processor.domain.errors import refused
from processor.streams.output import Output


def write(rows: RowReading, output: Output, metadata: Facts) -> Receipt:
    """Write the table and all that belongs to it. Raises DeliveryError `csv.unaccounted`."""
    return _finish(rows, _write_table(rows, output, metadata), output)


def _write_table(rows: RowReading, output: Output, metadata: Facts) -> Receipt:
    analysis, csv = rows.analysis, rows.analysis.text.csv
    has_rejects = analysis.text.rejects_malformed and bool(analysis.malformed)
    return write_table(
        without_quoted_nulls(rows.opened, analysis.layout.width, csv),
        analysis.columns(),
        analysis.text.options,
        output,
        metadata,
        sample=None if csv.null_quoted else rows.sample,
        is_whole=rows.is_sample_all and not csv.null_quoted,
        passthrough=analysis.surplus_columns(),
        facts=analysis.facts(),
        rows_read=rows.count,
        raw_rows=analysis.raw_rows,
        more_rejects=analysis.rejected_lines if has_rejects else None,
    )


def _finish(rows: RowReading, receipt: Receipt, output: Output) -> Receipt:
    """Write rejects and notes, check that every record has an owner, and return the receipt with the counts."""
    analysis, text = rows.analysis, rows.analysis.text
    analysis.refuse_repeated_names(receipt)
    malformed = analysis.malformed if text.rejects_malformed else 0
    notes = notes_of(analysis.layout, analysis.misfits, has_separator_line=analysis.table.has_separator_line)
    has_columns = text.options.declaration is not None and text.options.declaration.columns is not None
    if malformed and not has_columns:  # else they are among the table's own
        _write_rejects(analysis, output, malformed)
    declared = _write_notes(output, text.declared.note_lines() if text.declared is not None else (), notes)
    account = _account(rows, receipt, len(notes), declared)
    account.check()
    facts = (*receipt.facts, ("records", str(account)))
    return replace(receipt, rejected_rows=account.rejects, notes=account.notes, facts=facts)


def _account(rows: RowReading, receipt: Receipt, notes: int, declared: int) -> Account:
    """Return the owners of all records.

    Blank lines stand for the notes that were `declared`, but in a table of one column.
    """
    analysis, text = rows.analysis, rows.analysis.text
    stand_in = 0 if text.declared is not None and text.declared.is_one_column else declared
    rejects = receipt.rejected_rows + (analysis.malformed if text.rejects_malformed else 0)
    header = int(bool(analysis.header.present))
    records, blank = rows.records(header + notes)
    return Account(records + declared - stand_in, header, receipt.rows, rejects, notes + declared, blank - stand_in)


def _write_rejects(analysis: Analysis, output: Output, expected: int) -> None:
    """Write the malformed rows, verbatim. Raises DeliveryError `csv.unaccounted` for another number of them."""
    count = 0
    with output.rejects() as rejects:
        for lines in analysis.rejected_lines():
            rejects.write(lines)
            count += lines.count(b"\n")
    if count != expected:
        raise refused("csv.unaccounted", f"{count} of {expected} malformed rows were rejected", "report this as a bug")


def _write_notes(output: Output, declared: Iterable[bytes], found: list[Note]) -> int:
    """Write the lines that are no rows, those `declared` first, if there are any; return how many were declared."""
    lines = iter(declared)
    first = next(lines, b"")
    if not first and not found:
        return 0
    count = int(bool(first))
    with output.notes() as written:
        written.write(first)
        for line in lines:
            written.write(line)
            count += 1
        written.write(b"".join(note.line() for note in found))
    return count
