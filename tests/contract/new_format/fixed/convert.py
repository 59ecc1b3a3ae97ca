"""Convert fixed-width text to Parquet.

The first line has the names, the second a ruler of dashes that declares the columns' positions, in characters. Every
line ends with a line feed, so that a text that was cut off is told. Spaces around a value are padding; nothing but
padding is NULL. Whatever stands between two columns refuses the file.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice

from processor.confined.formats.base import Format, TablePlan
from processor.confined.formats.parquet.receipt import TextColumn
from processor.confined.formats.parquet.write import Sample, propose, write_table
from processor.confined.formats.pipe_feed import CLEAN, NULL, encode_row, piped
from processor.confined.formats.sql import read_csv
from processor.domain.conversion import ConversionOptions, DataFormat, Facts, Receipt
from processor.domain.errors import refused
from processor.streams.output import Output
from processor.streams.source import Source

_LONGEST_LINE = 1 << 20
_SAMPLE_ROWS = 100
Row = list[str | None]


@dataclass(slots=True)
class FixedRows:
    """The rows of a text; `count` tells how many the last whole reading had."""

    source: Source
    names: list[str] = field(default_factory=list)
    places: list[slice] = field(default_factory=list)
    count: int | None = None

    def __post_init__(self) -> None:
        names, ruler = (*islice(self._lines(), 2), "", "")[:2]
        self.places = [slice(*found.span()) for found in re.finditer("-+", ruler)]
        self.names = [names[place].strip() for place in self.places]
        if not self.places or ruler.strip("- ") or "" in self.names or len(set(self.names)) < len(self.names):
            text = "line 2 does not declare by dashes where each name of line 1 and its column stand"
            raise refused("fixed.positions", text, "names must differ and lie above their dashes")

    def columns(self) -> list[TextColumn]:
        return [TextColumn(f"c{index}", name) for index, name in enumerate(self.names)]

    def sample(self) -> Sample:
        return list(islice(self.all(), _SAMPLE_ROWS))

    @contextmanager
    def reading(self) -> Iterator[str]:
        """Yield the relation of a new reading of all rows."""
        with piped(self._encoded()) as path:
            yield read_csv(path, CLEAN, len(self.places), (NULL,), newline="\n", longest=4 * _LONGEST_LINE)

    def _encoded(self) -> Iterator[bytes]:
        self.count, count = None, 0
        for count, row in enumerate(self.all(), 1):  # noqa: B007 - the last one is the number of rows
            yield encode_row([None if value is None else value.encode() for value in row])
        self.count = count

    def all(self) -> Iterator[Row]:
        between = [slice(0, self.places[0].start)]
        between += [slice(left.stop, right.start) for left, right in zip(self.places, self.places[1:], strict=False)]
        between += [slice(self.places[-1].stop, None)]
        for number, line in enumerate(islice(self._lines(), 2, None), 3):
            if any(line[gap].strip(" ") for gap in between):
                raise refused(
                    "fixed.row", f"line {number} has text between two columns", "correct the ruler, or the row"
                )
            yield [line[place].strip(" ") or None for place in self.places]

    def _lines(self) -> Iterator[str]:
        """Yield the lines without their ends. Raises DeliveryError for one that has none, and what is no UTF-8."""
        with self.source.open() as reader, TextIOWrapper(reader, "utf-8", newline="\n") as text:
            try:
                while line := text.readline(_LONGEST_LINE):
                    if not line.endswith("\n") or "\0" in line:
                        raise refused(
                            "fixed.row", f"a line has no end, or a NUL: {line[:40]!r}", "send it again, whole"
                        )
                    yield line[:-1]
            except UnicodeDecodeError as error:
                raise refused("fixed.row", f"the text is not UTF-8: {error}", "store it as UTF-8") from error


def convert_fixed(
    source: Source,
    data_format: DataFormat,  # noqa: ARG001 - the protocol's
    options: ConversionOptions,
    output: Output,
    metadata: Facts,
) -> Receipt:
    """Write the table that `source` holds as Parquet. Raises DeliveryError `fixed.*`."""
    rows = FixedRows(source)
    return write_table(
        rows.reading,
        rows.columns(),
        options,
        output,
        metadata,
        sample=rows.sample(),
        rows_read=lambda: rows.count,
    )


def plan_fixed(source: Source, data_format: DataFormat, options: ConversionOptions) -> TablePlan:  # noqa: ARG001
    """Return how `source` would be converted, once all of it has been read. Raises as `convert_fixed` does."""
    rows = FixedRows(source)
    for _ in rows.all():
        pass
    return TablePlan((), propose(rows.reading, rows.columns(), options, sample=rows.sample()))


FORMAT = Format(plan_fixed, convert_fixed, honours=frozenset({"columns"}))
