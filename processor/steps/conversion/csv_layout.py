"""Where the table lies in a text: its width, the lines before and after it, and the rows that do not fit.

Text above the table (a title, notes) is preamble, text below it (a total, a source) is footer, lines that begin with #
and do not fit are comments. They are no rows; they are recorded, so that nothing is lost. What else does not
have the table's width is malformed.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from processor.steps.conversion.csv_blocks import Block
from processor.steps.conversion.csv_cells import TYPED, CellClass, classify
from processor.steps.conversion.csv_repair import looks_like_row
from processor.steps.conversion.csv_rows import Dialect, Newline, Record

FIRST_RECORDS = 1000
LAST_RECORDS = 200
MOST_BEYOND = 2000
MOST_UNCLOSED = 10
# Longer than this, text around a table is no preamble or footer but something that is not understood.
LONGEST_NOTE_RECORDS = 100
LONGEST_NOTE_BYTES = 16 << 10
COMMENT = b"#"
_WIDEST_NOTE = 2  # more than two lines of more than two fields are a table of their own


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
    beyond: list[Record] = field(default_factory=list)  # after the first ones, those of another width than most of them
    usual: int = 0  # the width of most of the first records, once all of those are known
    after_blank: set[int] = field(default_factory=set)  # lines of first and last records that follow a blank line
    unclosed: list[int] = field(default_factory=list)  # lines of the first records with a quote that nothing closes
    block_width: int = 0  # of the records that came in blocks

    def add_all(self, passages: Iterable[Record | Block], block_width: int = 0) -> "Survey":
        """Take all records into account, in order; blocks hold records of `block_width`, none of the first ones."""
        blank_before = False
        widths, first = self.widths, self.first
        last = _Last()
        for record in passages:
            if isinstance(record, Block):
                self._add_block(record, block_width)
                last.add(record, record.rows)
                if blank_before:
                    self._note_blank(record.line)
                    blank_before = False
                continue
            if not record.fields:
                self.blank += 1
                blank_before = True
                continue
            self.total += 1
            widths[len(record.fields)] += 1
            if record.odd:
                self._add_odd(record)
            self.longest = max(self.longest, len(record.text))
            if blank_before:
                self._note_blank(record.line)
                blank_before = False
            if len(first) < FIRST_RECORDS:
                first.append(record)
            elif len(record.fields) != (self.usual or self._settle()) and len(self.beyond) <= MOST_BEYOND:
                self.beyond.append(record)
            last.add(record, 1)
        self.last.extend(last.records())
        return self

    def _add_odd(self, record: Record) -> None:
        self.odd += 1
        if record.unclosed and len(self.unclosed) < MOST_UNCLOSED:
            self.unclosed.append(record.line)

    def _add_block(self, block: Block, width: int) -> None:
        self.total += block.rows
        self.widths[width] += block.rows
        self.block_width = width
        self.longest = max(self.longest, len(block.text))

    def _settle(self) -> int:
        self.usual = self.widths.most_common(1)[0][0]
        return self.usual

    def misfits(self, width: int) -> list[Record] | None:
        """Return all records of another width; None when they were too many to be kept."""
        if width not in (self.usual or width, self.block_width or width) or len(self.beyond) > MOST_BEYOND:
            return None
        return [record for record in (*self.first, *self.beyond) if len(record.fields) != width]

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
            kept = {record.line for record in (*self.first, *self.last)}
            self.after_blank &= kept


class _Last:
    """The last passages, as many as hold the last records."""

    def __init__(self) -> None:
        self.held: deque[tuple[int, Record | Block]] = deque()
        self.rows = 0

    def add(self, passage: Record | Block, rows: int) -> None:
        """Take a passage; what is before it and too far from the end is let go."""
        self.held.append((rows, passage))
        self.rows += rows
        while self.rows - self.held[0][0] >= LAST_RECORDS:
            self.rows -= self.held.popleft()[0]

    def records(self) -> list[Record]:
        """Return the last records."""
        found: list[Record] = []
        for _, passage in self.held:
            found.extend(passage.records() if isinstance(passage, Block) else (passage,))
        return found[-LAST_RECORDS:]


@dataclass(frozen=True, slots=True)
class Layout:
    """The table's place: the lines of its first record (header or row) and of its footer (0 when there is none)."""

    width: int
    first_line: int
    footer_line: int = 0
    preamble: tuple[Record, ...] = ()
    footer: tuple[Record, ...] = ()
    header_width: int = 0  # where the first record is a header of another width than the rows

    def is_body(self, record: Record) -> bool:
        """Whether the record is in the table and no comment; blank lines are not asked about."""
        if record.line < self.first_line or (self.footer_line and record.line >= self.footer_line):
            return False
        return not self.is_comment(record)

    def is_comment(self, record: Record) -> bool:
        """Whether the record is a line of comment in the table."""
        return (
            self.width > 1
            and record.text.startswith(COMMENT)
            and len(record.fields) != self.width
            and record.line != self.first_line
        )


def lay_out(survey: Survey, dialect: Dialect) -> Layout | None:
    """Return where the table is; None when there is no record at all."""
    if not survey.total:
        return None
    width = table_width(survey)
    if width == 1:
        return Layout(1, survey.first[0].line)
    start = _start(survey.first, width)
    header = survey.first[start]
    footer = _footer(survey, dialect, width, header.line)
    return Layout(
        width,
        header.line,
        footer[0].line if footer else 0,
        tuple(survey.first[:start]),
        tuple(footer),
        len(header.fields) if len(header.fields) != width else 0,
    )


def table_width(survey: Survey) -> int:
    """Return the number of fields that makes a record one of the table's."""
    wide = [(count, -_first_seen(survey, width), width) for width, count in survey.widths.items() if width > 1]
    if not wide:
        return 1
    count, _, width = max(wide)
    if survey.total <= 3 and count == 1:  # noqa: PLR2004 - so few records that each may be the only one of the table
        return _width_of_few(survey)
    if count >= survey.total / 2 or (count > 1 and _is_dense(survey, width)):
        return width
    # A table in which hardly two rows agree is still a table when hardly any line is a single field.
    return width if survey.widths[1] <= survey.total / 4 else 1


def _width_of_few(survey: Survey) -> int:
    first, *rest = [len(record.fields) for record in survey.first]
    if len(set(rest)) == 1 and 1 < rest[0] < first and not any(survey.first[0].fields[rest[0] :]):
        return rest[0]
    widest = max(survey.widths)
    return widest if widest > 2 or survey.total == 1 or first > 1 else 1  # noqa: PLR2004


def _first_seen(survey: Survey, width: int) -> int:
    for record in survey.first:
        if len(record.fields) == width:
            return record.line
    return 1 << 62


def _is_dense(survey: Survey, width: int) -> bool:
    """Whether the records between the first and the last of this width mostly have it."""
    at = [index for index, record in enumerate(survey.first) if len(record.fields) == width]
    return bool(at) and len(at) >= 0.6 * (at[-1] - at[0] + 1)


def _start(first: list[Record], width: int) -> int:
    at = next((i for i, record in enumerate(first) if len(record.fields) == width), None)
    if at is None:
        return 0
    if at and _is_header_of_other_width(first, at, width) and _is_note(first[: at - 1], width):
        return at - 1
    if not _is_note(first[:at], width):
        return 0
    return _after_titles(first, at, width)


def _after_titles(first: list[Record], at: int, width: int) -> int:
    """Skip titles that a spreadsheet filled up with separators, and lines of comment that happen to fit."""
    start = at
    while at < len(first) and len(first[at].fields) == width and _is_title(first[at], width):
        at += 1
    if at == start or at >= len(first) or len(first[at].fields) != width or at - start > LONGEST_NOTE_RECORDS:
        return start
    return at if _filled(first[at]) > width / 2 else start


def _is_title(record: Record, width: int) -> bool:
    return width > 2 and _filled(record) <= 1 and (_filled(record) == 0 or bool(record.fields[0]))  # noqa: PLR2004


def _filled(record: Record) -> int:
    return sum(1 for value in record.fields if value)


def _is_header_of_other_width(first: list[Record], at: int, width: int) -> bool:
    """Whether the record above the first of the table's width is its header, one name short or some too long."""
    above, line = first[at - 1], first[at]
    count = len(above.fields)
    if line.line != above.line + 1 + above.text.count(b"\n") or above.text.startswith(COMMENT):
        return False
    if not (count == width - 1 > 1 or (count > width and not any(above.fields[width:]))):
        return False
    if any(classify(value) in TYPED for value in above.fields):
        return False
    return count > 2 or any(classify(value) in TYPED for value in line.fields)  # noqa: PLR2004


def _is_note(records: list[Record], width: int) -> bool:
    """Whether these records may stand above a table without being one."""
    if not records:
        return True
    if len(records) > LONGEST_NOTE_RECORDS or sum(len(r.text) for r in records) > LONGEST_NOTE_BYTES:
        return False
    counts = Counter(len(record.fields) for record in records if not record.text.startswith(COMMENT))
    if any(w > width for w in counts):
        return False
    return not any(w > _WIDEST_NOTE and count > _WIDEST_NOTE for w, count in counts.items())


def _footer(survey: Survey, dialect: Dialect, width: int, first_line: int) -> list[Record]:
    tail: list[Record] = []
    for record in reversed(survey.last):
        if len(record.fields) == width or record.line <= first_line:
            break
        tail.insert(0, record)
    else:
        if survey.total > LAST_RECORDS:
            return []
    while tail and (looks_like_row(tail[0], dialect, width) or not _begins_footer(tail, survey, width)):
        tail.pop(0)
    if len(tail) > LONGEST_NOTE_RECORDS or sum(len(r.text) for r in tail) > LONGEST_NOTE_BYTES:
        return []
    return tail if _is_note(tail, width) and all(len(r.fields) < width for r in tail) else []


def _begins_footer(tail: list[Record], survey: Survey, width: int) -> bool:
    """Whether a footer begins at the first of `tail`: set off by a blank line, or words where the rows have none."""
    record = tail[0]
    if record.text.startswith(COMMENT):
        return True
    if record.line in survey.after_blank:
        return len(record.fields) <= max(1, width // 2)
    if len(record.fields) > 1 and not all(value is None for value in record.fields[1:]):
        return False
    looks = classify(record.fields[0])
    if looks in TYPED or looks is CellClass.EMPTY:
        return False
    above = [classify(r.fields[0]) for r in survey.last if len(r.fields) == width][1:] or [CellClass.EMPTY]
    return (
        sum(c in TYPED for c in above) > 0.8 * len(above)
        or looks in (CellClass.TEXT, CellClass.PIECES)
        or ((record.fields[0] or b"").rstrip().endswith(b":") or b":" in (record.fields[0] or b""))
    )
