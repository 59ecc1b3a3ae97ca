"""Statistics of one pass over all records."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from processor.confined.formats.csv.grammar import Grammar
from processor.confined.formats.csv.reader.batches import Passage
from processor.confined.formats.csv.reader.ragged import Block, Ragged
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.dialect import Dialect, Newline

FIRST_RECORDS = 1000
LAST_RECORDS = 200
MOST_UNCLOSED = 10


@dataclass(slots=True)
class Survey:
    """What one reading of all records tells: widths, the first and the last of them. Blank lines are set aside."""

    total: int = 0
    blank: int = 0
    odd: int = 0
    longest: int = 0  # bytes of the longest record
    widths: Counter[int] = field(default_factory=Counter)
    first: list[Record] = field(default_factory=list)
    last: deque[Record] = field(default_factory=lambda: deque(maxlen=LAST_RECORDS))
    after_blank: set[int] = field(default_factory=set)  # lines of first and last records that follow a blank line
    encloses: bool = False  # quotes enclose fields
    stray_line: int = 0  # the first with a quote in a field that it does not enclose
    unclosed: list[int] = field(default_factory=list)  # lines of the first records with a quote that nothing closes

    def add_all(self, passages: Iterable[Passage], block_width: int = 0, grammar: Grammar | None = None) -> "Survey":
        """Take all records into account, in order; blocks hold records of `block_width`, none of the first ones.

        With a `grammar` the quotes are looked at, too.
        """
        blank_before = False
        widths, first = self.widths, self.first
        last = _Last()
        for record in passages:
            if not isinstance(record, Record):
                self.encloses = self.encloses or bool(record.dialect.quote and record.dialect.quote in record.text)
                blank_before = self._add_block(record, block_width, blank_before=blank_before)
                last.add(record, record.rows)
                continue
            if not record.fields:
                self.blank += 1
                blank_before = True
                continue
            self.total += 1
            widths[len(record.fields)] += 1
            if grammar is not None and grammar.quote and grammar.quote in record.text:
                self.add_quotes(record, grammar)
            if record.odd:
                self._add_odd(record)
            self.longest = max(self.longest, len(record.text))
            if blank_before:
                self._note_blank(record.line)
                blank_before = False
            if len(first) < FIRST_RECORDS:
                first.append(record)
            last.add(record, 1)
        self.last.extend(last.records())
        self.after_blank.update(last.after_blank())
        return self

    def add_quotes(self, record: Record, grammar: Grammar) -> None:
        """Take the record's quotes into account: those that enclose fields, and those that stand within others."""
        found = grammar.field.findall(record.text)
        self.encloses = self.encloses or any(quote for quote, *_ in found)
        is_stray = record.odd or any(plain.count(grammar.quote) % 2 for _, _, plain, _ in found)
        if is_stray and not self.stray_line:
            self.stray_line = record.line

    def _add_odd(self, record: Record) -> None:
        self.odd += 1
        if record.unclosed and len(self.unclosed) < MOST_UNCLOSED:
            self.unclosed.append(record.line)

    def _add_block(self, block: Block | Ragged, width: int, *, blank_before: bool) -> bool:
        """Take many records; return whether a blank line is the last of them."""
        self.total += block.rows
        if blank_before:
            self._note_blank(block.line)
        if isinstance(block, Block):
            self.widths[width] += block.rows
            self.longest = max(self.longest, len(block.text))
            return False
        self.widths.update(block.counts)
        self.blank += len(block.widths) - block.rows
        self.longest = max(self.longest, *map(len, block.lines))
        return not block.widths[-1]

    @classmethod
    def of_plain(cls, text: bytes, dialect: Dialect) -> "Survey | None":
        """Return the survey of a text without quotes, escapes, blank lines and carriage returns; else None.

        It says what `add_all` would say, at a fifth of the cost.
        """
        if dialect.runs or not dialect.delimiter or dialect.newline is not Newline.ANY:
            return None
        if any(mark and mark in text for mark in (b"\r", dialect.quote, dialect.escape)):
            return None
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if not all(lines) or len(lines) >= FIRST_RECORDS:
            return None
        rows: list[list[bytes | None]] = [line.split(dialect.delimiter) for line in lines]  # type: ignore[misc]
        rows = [[field or None for field in row] if b"" in row else row for row in rows]
        found = list(map(Record, range(1, len(rows) + 1), rows, lines))
        longest = max(map(len, lines), default=0)
        return cls(len(rows), 0, 0, longest, Counter(map(len, rows)), found, deque(found, LAST_RECORDS))

    def _note_blank(self, line: int) -> None:
        self.after_blank.add(line)
        if len(self.after_blank) > 4 * (FIRST_RECORDS + LAST_RECORDS):
            newest = sorted(self.after_blank)[-LAST_RECORDS:]
            self.after_blank = {*newest, *self.after_blank.intersection(record.line for record in self.first)}


class _Last:
    """The last passages, as many as hold the last records."""

    def __init__(self) -> None:
        self.held: deque[tuple[int, Passage]] = deque()
        self.rows = 0

    def add(self, passage: Passage, rows: int) -> None:
        """Take a passage; what is before it and too far from the end is let go."""
        if not rows:
            return  # blank lines
        self.held.append((rows, passage))
        self.rows += rows
        while self.rows - self.held[0][0] >= LAST_RECORDS:
            self.rows -= self.held.popleft()[0]

    def records(self) -> list[Record]:
        """Return the last records."""
        found: list[Record] = []
        for _, passage in self.held:
            found.extend((passage,) if isinstance(passage, Record) else passage.records())
        return [record for record in found if record.fields][-LAST_RECORDS:]

    def after_blank(self) -> set[int]:
        """Return the lines of the records behind a blank line that came together with it."""
        ragged = (passage for _, passage in self.held if isinstance(passage, Ragged))
        return {
            line
            for passage in ragged
            for line, above, width in zip(passage.starts[1:], passage.widths, passage.widths[1:], strict=False)
            if width and not above
        }
