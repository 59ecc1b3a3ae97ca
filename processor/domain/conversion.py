"""Conversion options, and the receipt of a written table."""

from dataclasses import dataclass
from enum import StrEnum

from processor.domain.declarations import Declaration

_LEAST_CPU_MB = 2
Facts = tuple[tuple[str, str], ...]
"""Key-value pairs for the Parquet, the receipt and the manifest."""


class Compression(StrEnum):
    """Parquet page compression."""

    ZSTD = "ZSTD"
    SNAPPY = "SNAPPY"


class Typing(StrEnum):
    """Whether columns may earn a type or all stay text."""

    LOSSLESS = "lossless"
    TEXT = "text"


class MalformedRows(StrEnum):
    """What becomes of rows that do not have the table's number of fields."""

    REFUSE = "refuse"  # the file fails, with line numbers
    REJECT_OBJECT = "reject-object"  # bad lines go verbatim to <key>.rejects.jsonl
    KEEP = "keep"  # short rows are filled with NULL, surplus fields go to the LIST column _surplus


class CsvNotes(StrEnum):
    """Treatment of lines around a CSV table: titles, notes, comments, totals."""

    REFUSE = "refuse"  # a text is one table and nothing else
    RECOGNISE = "recognise"  # they are found by evidence and go verbatim to <key>.notes.jsonl


class DataFormat(StrEnum):
    """The formats that become Parquet; the value is the canonical extension without its dot."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"  # also .ndjson
    XML = "xml"


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """All that may change what a conversion writes. Small, frozen, picklable."""

    compression: Compression = Compression.ZSTD
    compression_level: int = 1  # ZSTD only, 1..22
    row_group_values: int = 1_000_000  # a row group has about so many, fewer where they are long
    typing: Typing = Typing.LOSSLESS
    malformed_rows: MalformedRows = MalformedRows.REFUSE
    csv_notes: CsvNotes = CsvNotes.REFUSE
    null_tokens: tuple[str, ...] = ()  # texts the operator declares to mean NULL; exact match of unquoted fields
    fallback_encoding: str = ""  # of texts that are not Unicode; empty: they are refused
    memory_limit_mb: int = 400  # DuckDB's own limit; the kernel's is set by the sandbox
    threads: int = 1
    cpu_seconds_per_mb: float = 30.0  # that a worker may use, for each MB (10^6 bytes) of the file; 0: no limit
    declaration: Declaration | None = None  # of the file's feed

    def cpu_seconds(self, size_bytes: int) -> float:
        """Return how much CPU time a file of this size may cost, 0 for no limit; a small one as much as 2 MB."""
        return self.cpu_seconds_per_mb * max(_LEAST_CPU_MB, size_bytes / 1e6)


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was written: its DuckDB type, how many NULLs, and why it has this type."""

    name: str
    type: str
    null_count: int
    reason: str = ""
    original_name: str | None = None  # as it stood in the source, when it had to be made unique


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a conversion read and wrote; counted from the written Parquet, compared with what was read.

    `facts` are the decisions worth recording: dialect, encoding, header, row element, null tokens ...
    """

    rows: int
    columns: tuple[Column, ...]
    rejected_rows: int = 0
    facts: Facts = ()
    notes: int = 0  # lines that are no rows, in `<key>.notes.jsonl`
