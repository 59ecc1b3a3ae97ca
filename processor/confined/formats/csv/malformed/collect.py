"""Collect malformed rows: how many, where, and their text."""

import math
from collections.abc import Iterator, Sequence
from random import Random

from processor.confined.formats.csv.layout.annotations import COMMENT
from processor.confined.formats.csv.reader.batches import Passage
from processor.confined.formats.csv.reader.ragged import Ragged
from processor.confined.formats.csv.reader.records import Record, records
from processor.confined.formats.csv.reader.recover import Fields, Repair
from processor.domain.errors import refused

_MOST_LISTED = 10
_SAMPLE_CELLS, _SAMPLE_ROWS = 20_000, 1000
_MOST_COMMENTS = 1000
_LONGEST_COMMENTS = 32 << 10


class Misfits:
    """Takes rows of other widths, and comments. What they hold is looked at where they are kept only."""

    def __init__(self, repair: Repair, *, is_kept: bool, has_comments: bool = True) -> None:
        self.repair = repair
        self.count = 0
        self.lines: list[int] = []  # of the first ones
        self.comments: list[Record] = []
        self.first: Record | None = None
        self.surplus = False  # some have more fields than the table
        self._has_comments = has_comments
        self._is_kept = is_kept
        self.sampled: list[tuple[int, Record | bytes]] = []  # line and row, each as likely as any other
        self._chance = Chance(min(_SAMPLE_ROWS, _SAMPLE_CELLS // max(repair.width, 1) + 1))

    def is_for(self, repair: Repair) -> bool:
        """Whether `repair` would have read the same rows, and read them alike."""
        own = self.repair
        return (own.dialect, own.width, own.columns) == (repair.dialect, repair.width, repair.columns)

    def watch(self, passages: Iterator[Passage], unwatched: int) -> Iterator[Passage]:
        """Yield `passages` and take those among them that are no rows of the table's width, but for the first ones."""
        for passage in passages:
            if not isinstance(passage, Record):
                self.add(passage)
            elif unwatched > 0:
                unwatched -= bool(passage.fields)
            else:
                self.add(passage)
            yield passage

    def add(self, passage: Passage) -> None:
        """Take what may be of another width. Raises DeliveryError `csv.comments`."""
        if isinstance(passage, Ragged):
            self._add_ragged(passage)
        elif isinstance(passage, Record) and len(passage.fields) not in (0, self.repair.width):
            if self._has_comments and self.repair.width > 1 and passage.text.startswith(COMMENT):
                self.add_comment(passage)
            else:
                self.add_row(passage)

    def add_comment(self, record: Record) -> None:
        """Take a comment. Raises DeliveryError `csv.comments` for more than can be recorded."""
        self.comments.append(record)
        size = sum(len(comment.text) for comment in self.comments[-_MOST_COMMENTS:])
        if size > _LONGEST_COMMENTS or len(self.comments) > _MOST_COMMENTS:
            raise refused(
                "csv.comments",
                f"line {record.line}: more lines begin with # and are no rows than can be recorded",
                "remove the comments",
            )

    def add_row(self, record: Record) -> None:
        """Take a row of another width."""
        self.first = self.first or record
        self._list((record.line,))
        if self._is_kept:
            for _ in self._chance.chosen(1):
                self._put(record.line, record)
            self.surplus = self.surplus or self._is_surplus(record)
        self.count += 1

    def _add_ragged(self, ragged: Ragged) -> None:
        wrong = ragged.misfits(self.repair.width)
        if wrong and self.first is None:
            self.first = ragged.record(ragged.starts.index(wrong[0][0]))
        self._list([line for line, _ in wrong[:_MOST_LISTED]])
        if self._is_kept:
            for place in self._chance.chosen(len(wrong)):
                self._put(*wrong[place])
            self.surplus = self.surplus or self._has_surplus(ragged)
        self.count += len(wrong)

    def _list(self, lines: Sequence[int]) -> None:
        self.lines += lines[: _MOST_LISTED - len(self.lines)]

    def _put(self, line: int, row: Record | bytes) -> None:
        place = self._chance.place
        self.sampled[place : place + 1] = [(line, row)]

    def _is_surplus(self, record: Record) -> bool:
        return len(record.fields) > self.repair.width and self.repair.fields(record) is None

    def _has_surplus(self, ragged: Ragged) -> bool:
        long = [index for index, found in enumerate(ragged.widths) if found > self.repair.width]
        may_fit = self.repair.may_help([ragged.lines[index] for index in long])
        if not all(may_fit):
            return True
        return any(self._is_surplus(ragged.record(index)) for index in long)

    def join(self, behind: "Misfits", footer: Sequence[Record]) -> None:
        """Take those that were found behind these, but for the footer: no one knew that it was one."""
        end = footer[0].line if footer else math.inf
        self.count += behind.count - sum(not record.text.startswith(COMMENT) for record in footer)
        self.first = self.first or behind.first
        self.lines = [line for line in (*self.lines, *behind.lines) if line < end][:_MOST_LISTED]
        self.comments = [*self.comments, *behind.comments]
        self.surplus = self.surplus or behind.surplus
        self.sampled += [(line, row) for line, row in behind.sampled if line < end]

    def sample(self, nulls: frozenset[bytes]) -> list[Fields]:
        """Return some of the rows as they will be written, without what is surplus."""
        width, repair = self.repair.width, self.repair
        text = b"".join(row + b"\n" for _, row in self.sampled if isinstance(row, bytes))
        found = [row for _, row in self.sampled if isinstance(row, Record)]
        found += records((text,), repair.dialect, nulls=nulls)
        rows = [(repair.fields(record) or record.fields)[:width] for record in found]
        return [[*row, *[None] * (width - len(row))] for row in rows]


class Chance:
    """Chooses `most` of any number of things, each as likely as any other, without a look at each (Li, 1994)."""

    def __init__(self, most: int) -> None:
        self.place = 0  # of the last chosen one among all that are chosen
        self._most = most
        self._random = Random(0)  # noqa: S311 - the same text is to give the same sample
        self._passed = 0
        self._next = 0
        self._weight = 1.0

    def chosen(self, count: int) -> Iterator[int]:
        """Yield which of the next `count` things are chosen."""
        while self._next < self._passed + count:
            chosen = self._next
            self.place = chosen if chosen < self._most else self._random.randrange(self._most)
            yield chosen - self._passed
            self._next += 1 + (self._skipped() if chosen + 1 >= self._most else 0)
        self._passed += count

    def _skipped(self) -> int:
        self._weight *= math.exp(math.log(1 - self._random.random()) / self._most)
        return int(math.log(1 - self._random.random()) / math.log1p(-self._weight))
