"""Convert XML to Parquet: the repeated element is the row.

A document of rows alone is read once, by what its first mebibyte shows; whatever that did not show stops the reading.
Then, as for all others, a survey of the whole document comes first. So nothing that comes late can be lost, and each
reading has bounded memory. White space between elements is no value; in an element without children it is, unless such
elements have children elsewhere. Empty elements are '', missing ones NULL. Comments and processing instructions are
left out.
"""

from dataclasses import replace

from processor.confined.formats.base import Format, TablePlan
from processor.confined.formats.empty import convert_empty, plan_empty
from processor.confined.formats.parquet.write import propose, write_table
from processor.confined.formats.xml.decode import CHUNK_BYTES, encoding_of
from processor.confined.formats.xml.feed import LineTooLong, XmlFeed
from processor.confined.formats.xml.records import UnexpectedShape
from processor.confined.formats.xml.row_path import NoDeclaredRowError, may_hold_rows
from processor.confined.formats.xml.survey import DocumentSurvey, glimpse, survey
from processor.confined.formats.xml.table import Table, original_name
from processor.domain.conversion import Column, ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.declarations import XmlDeclaration, keys_of
from processor.domain.errors import transient
from processor.streams.output import Output
from processor.streams.source import Source


def convert_xml(
    source: Source,
    data_format: DataFormat,  # noqa: ARG001 - the protocol's
    options: ConversionOptions,
    output: Output,
    metadata: Facts,
) -> Receipt:
    """Write the table that `source` holds as Parquet and return the receipt.

    Raises DeliveryError: `xml.not-well-formed` with line and column, `xml.entity`, `xml.encoding`, `xml.too-deep`,
    `xml.row-too-large`, `xml.tag-too-large`, `xml.too-many-names`, `xml.changed`,
    `xml.unaccounted`.
    """
    rules = _rules(options)
    is_small = source.size_bytes is not None and source.size_bytes <= 2 * CHUNK_BYTES
    found = None if is_small else glimpse(source.open, rules)
    if found is not None:
        try:
            return _write(source, found, options, output, metadata)
        except UnexpectedShape:
            pass  # the first rows did not show everything: all of the document is surveyed
    try:
        return _write(source, survey(source.open, rules), options, output, metadata)
    except NoDeclaredRowError as none:
        _see_no_rows(none, options)
        return convert_empty(options, output, metadata, (("encoding", _encoding(source)), ("xml-rows", "none")))
    except UnexpectedShape as error:
        raise transient("xml.changed", f"the file changed while it was read ({error})", "it is tried again") from error


def _write(
    source: Source, found: DocumentSurvey, options: ConversionOptions, output: Output, metadata: Facts
) -> Receipt:
    table = Table(found)
    feed = XmlFeed(source.open, table)
    texts, nested = table.text_columns(), table.nested_columns()
    facts = (("encoding", _encoding(source)), *table.facts())
    while True:
        try:
            receipt = write_table(
                feed.reading,
                texts,
                options,
                output,
                metadata,
                sample=None if texts or nested else (),
                nested=nested,
                facts=facts,
                rows_read=lambda: feed.rows,
                raw_rows=feed.raw_rows,
            )
        except LineTooLong as error:
            feed.make_room(error.length)
        else:
            feed.check(receipt.rows + receipt.rejected_rows)
            return replace(receipt, columns=tuple(map(_described, receipt.columns)))


def plan_xml(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:  # noqa: ARG001
    """Return how `source` would be converted. Reads all of it, writes nothing; raises as `convert_xml` does."""
    try:
        table = Table(survey(source.open, _rules(options)))
    except NoDeclaredRowError as none:
        _see_no_rows(none, options)
        return TablePlan((("encoding", _encoding(source)), ("rows", "none")), plan_empty(options))
    feed = XmlFeed(source.open, table)
    texts, nested = table.text_columns(), table.nested_columns()
    while True:
        try:
            columns = propose(feed.reading, texts, options, sample=None if texts or nested else (), nested=nested)
        except LineTooLong as error:
            feed.make_room(error.length)
        else:
            facts = (("encoding", _encoding(source)), ("rows", ", ".join(table.row_paths())))
            return TablePlan(facts, tuple(map(_described, columns)))


def _see_no_rows(none: NoDeclaredRowError, options: ConversionOptions) -> None:
    """Raise DeliveryError unless the document is an empty table of declared columns."""
    declared = options.declaration.columns if options.declaration is not None else None
    if declared is None or may_hold_rows(none.root, {column.source or column.name for column in declared.columns}):
        raise none.refusal() from none


def _rules(options: ConversionOptions) -> XmlDeclaration:
    """Return what the feed says of rows and lists; columns that are declared as lists are lists."""
    declaration = options.declaration
    if declaration is None or declaration.columns is None:
        return XmlDeclaration() if declaration is None else declaration.xml
    lists = (column.source or column.name for column in declaration.columns.columns if column.type.endswith("[]"))
    return replace(declaration.xml, lists=(*declaration.xml.lists, *lists))


def _encoding(source: Source) -> str:
    with source.open() as reader:
        return encoding_of(reader)


def _described(column: Column) -> Column:
    return replace(column, original_name=original_name(column.name))


FORMAT = Format(plan_xml, convert_xml, honours=keys_of("xml") | {"columns"})
