"""Give every record one owner, and check the sum."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from processor.confined.formats.csv.layout.table_area import Layout
from processor.confined.formats.csv.malformed.collect import Misfits
from processor.confined.formats.csv.reader.records import Record
from processor.domain.errors import refused


@dataclass(frozen=True, slots=True)
class Account:
    """The records of a text, counted where it was read, and by their owners. Blank lines are records, too."""

    records: int
    header: int
    rows: int
    rejects: int
    notes: int
    blank: int

    def check(self) -> None:
        """Raise DeliveryError `csv.unaccounted` when a record has no owner, or two."""
        owned = self.header + self.rows + self.rejects + self.notes + self.blank
        if owned != self.records or self.blank < 0:
            raise refused("csv.unaccounted", f"not every record has one owner: {self}", "report this as a bug")

    def __str__(self) -> str:
        """Return the counts by owner."""
        owners = {
            "header": self.header,
            "rows": self.rows,
            "rejects": self.rejects,
            "notes": self.notes,
            "blank": self.blank,
        }
        return f"{self.records}: " + ", ".join(f"{name} {count}" for name, count in owners.items())


@dataclass(frozen=True, slots=True)
class Note:
    """A line that is no row, and what it was taken for."""

    record: Record
    taken_for: str

    def line(self) -> bytes:
        """Return the note as a line of JSON."""
        fields = {
            "line": self.record.line,
            "text": self.record.text.rstrip(b"\r\n").decode(),
            "taken_for": self.taken_for,
        }
        return orjson.dumps(fields) + b"\n"


def notes_of(layout: Layout, misfits: Misfits | None, *, has_separator_line: bool) -> list[Note]:
    """Return the notes of a table in the order of their lines."""
    return sorted(_notes(layout, misfits, has_separator_line=has_separator_line), key=lambda note: note.record.line)


def _notes(layout: Layout, misfits: Misfits | None, *, has_separator_line: bool) -> Iterator[Note]:
    above = "separator" if has_separator_line else "preamble"
    yield from (Note(record, above) for record in layout.preamble)
    yield from (Note(record, "comment") for record in (misfits.comments if misfits else ()))
    yield from (Note(record, "footer") for record in layout.footer)
