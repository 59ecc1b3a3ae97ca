"""Say what does not fit, and what would accept it.

A refusal names the line, what it looks like, and the lines of a feed or the setting that settle it.
"""

import re
from collections.abc import Sequence
from itertools import takewhile

import orjson

from processor.confined.formats.csv.layout.annotations import is_prose
from processor.confined.formats.csv.layout.header import name_columns
from processor.confined.formats.csv.reader.records import Record
from processor.confined.formats.csv.reader.recover import Repair
from processor.confined.formats.csv.reader.survey import Survey
from processor.confined.formats.dialect import Dialect
from processor.domain.errors import DeliveryError, refused

_MARKS = (b"#", b"//", b"--", b"%", b"!", b";", b"*")
_SHOWN = 60
_MOST_NAMES = 60
_MOST_BELOW = 3
_RECOGNISE = "CSV_NOTES=recognise"
SEPARATORS = {b",": "commas", b";": "semicolons", b"\t": "tabs", b"|": "bars"}
_SUMMARY = re.compile(
    rb"\W*(?:grand |sub)?(?:total|sum|summe|gesamt|count|average|source|note|quelle)\b|\(", re.IGNORECASE
)

Doubt = DeliveryError


def other_first_line(records: Sequence[Record], survey: Survey, dialect: Dialect, width: int) -> Doubt:
    """Return the refusal of a text whose first record has another width than the table's."""
    first = records[0]
    above = list(takewhile(lambda record: len(record.fields) != width, records))
    below = records[len(above)] if len(above) < len(records) else first
    lines = below.line - 1
    found = f"line {first.line} has {fields(len(first.fields))} ({shown(first.text)}), most others have {width}"
    if mark := comment_mark(first):
        return _refused(f"{found}: a comment?", _feed(f"comment = {quoted(mark)}"), _RECOGNISE)
    if len(above) == 1 and below.line not in survey.after_blank and (separated := _separated(first, dialect, width)):
        names, separator = separated
        return _refused(
            f"{found}: a header that is separated by {separator}?",
            _feed(f"skip_lines = {lines}", f"header = {_names(names)}"),
            _RECOGNISE,
        )
    is_header = len(above) == 1 and len(first.fields) > 1 and not is_prose(first.fields)
    if is_header and below.line not in survey.after_blank:
        lacks = "lacks names" if len(first.fields) < width else "has names too many"
        return _refused(
            f"{found}: a header that {lacks}? Names are never moved to other columns",
            _feed(f"skip_lines = {lines}", f"header = [{width} names]"),
        )
    if len(first.fields) > 1 and len(above) > 1 and len({len(record.fields) for record in above}) == 1:
        return _refused(f"{found}: another table above?", _feed(f"skip_lines = {lines}"), "two tables need two files")
    return _refused(f"{found}: a title or a note?", _feed(f"skip_lines = {lines}"), _RECOGNISE)


def unsure_header(first: Record, reason: str) -> Doubt:
    """Return the refusal of a text whose first record may be the header or a row."""
    return refused(
        "csv.header",
        f"line {first.line} ({shown(first.text)}): names or a row? {reason}",
        _or(f"{_feed('header = true')}, or header = false", _RECOGNISE),
    )


def stray_quote(line: int) -> Doubt:
    """Return the refusal of a text in which quotes enclose fields and stand within others as well."""
    return refused(
        "csv.quotes",
        f"line {line}: a quote stands within a field that it does not enclose, while quotes enclose other fields",
        _or("repair the line", _feed('quote = ""') + ", where all quotes are text"),
    )


def repeated_names(line: int, names: Record) -> Doubt:
    """Return the refusal of a text in which the names come once more."""
    return _refused(
        f"line {line} is line {names.line} ({shown(names.text)}) once more: two files in one?",
        "remove the line, or split the file",
        f"{_feed('header = true')}, where it is a row",
    )


def words_among_values(first: Record, above: int, names: Record) -> Doubt:
    """Return the refusal of a text with words where all other rows have values; `above` of them come first."""
    lines = f"line {first.line}" if above <= 1 else f"lines {first.line} to {first.line + above - 1}"
    found = f"{lines} ({shown(first.text)}) {'has' if above <= 1 else 'have'} words where all other rows have values"
    row = f"{_feed('header = true')}, where {'it is a row' if above <= 1 else 'they are rows'}"
    if not above:
        seems, mark = ("a comment", comment_mark(first)) if comment_mark(first) else ("another header or a note", b"")
        return _refused(f"{found}: {seems}?", *([_feed(f"comment = {quoted(mark)}")] if mark else []), row)
    last = first.line + above - 1
    return _refused(
        f"{found}: units, or another header?",
        f"{_feed(f'skip_lines = {last}', f'header = {_names(names.fields)}')}, where line {names.line} has the names",
        f"{_feed(f'skip_lines = {last - 1}')}, where line {last} has them",
        row,
    )


def padded_note(first: Record, count: int) -> Doubt:
    """Return the refusal of a text with a note below its table that has the table's separators."""
    return _refused(
        f"line {first.line} ({shown(first.text)}) has a text and nothing else, unlike any row: a note below the table?",
        _feed(f"footer_lines = {count}"),
        f"{_feed('header = true')} or false, where it is a row",
    )


def commented_out(record: Record) -> Doubt:
    """Return the refusal of a text with a row behind a #."""
    return _refused(
        f"line {record.line} ({shown(record.text)}) begins with # where all other rows have a value: a comment?",
        _feed('comment = "#"'),
        f"{_feed('header = true')} or false, where it is a row",
    )


def total(record: Record, count: int, why: str) -> Doubt:
    """Return the refusal of a text with a total; it ends in `count` lines from it on, 0 where rows follow."""
    return _refused(
        f"line {record.line} ({shown(record.text)}) {why}: a total?",
        _feed(f"footer_lines = {count}") if count else "remove the line",
        f"{_feed('header = true')} or false, where it is a row",
    )


def wrong_separator(declared: Record, separator: bytes) -> Doubt:
    """Return the refusal of a text whose first line declares a delimiter that no line has."""
    return _refused(
        f"line {declared.line} ({shown(declared.text)}) declares a delimiter that parts no line; each has"
        f" {SEPARATORS[separator]}",
        _feed("skip_lines = 1", f"delimiter = {quoted(separator)}"),
        "correct the line",
    )


def second_table(record: Record, last: Sequence[Record]) -> Doubt:
    """Return the refusal of a text with another header, or a total, behind a blank line; `last` are its end."""
    found = f"line {record.line} ({shown(record.text)}) follows a blank line and"
    below = [each for each in last if each.line >= record.line]
    if len(below) in range(1, _MOST_BELOW + 1) and not all(record.fields):  # a header has all names
        lines = below[-1].line - record.line + 1
        row = "remove the blank line above it, where it is a row"
        return _refused(
            f"{found} is unlike all rows: a note or a total below the table?", _feed(f"footer_lines = {lines}"), row
        )
    return _refused(f"{found} looks like another header: a second table?", "a file holds one table: split it")


def describe_misfits(survey: Survey, dialect: Dialect, width: int, count: int, first: Record | None) -> tuple[str, str]:
    """Return what the rows of another length look like, and what to do about them."""
    rows = "repair them, or set MALFORMED_ROWS=reject-object or keep"
    if first is None:
        return "", rows
    found = f"; line {first.line} has {fields(len(first.fields))} ({shown(first.text)})"
    if count > 1 and count == survey.total - 1 and len(survey.widths) == 2:  # noqa: PLR2004 - the header's and theirs
        names = f"{_feed('skip_lines = 1', f'header = [{len(first.fields)} names]')}"
        return f"{found}, as all rows have: a header with names too many?", _or(names, "MALFORMED_ROWS=keep")
    if mark := comment_mark(first):
        return f"{found}: a comment?", _or(_feed(f"comment = {quoted(mark)}"), _RECOGNISE, rows)
    if separated := _separated(first, dialect, width):
        return f"{found}: separated by {separated[1]}?", rows
    last = list(survey.last)
    tail = list(takewhile(lambda record: len(record.fields) != width, reversed(last)))[::-1]
    if len(tail) != count or not tail:
        is_table = len(first.fields) > 1 and count > 1 and first.line in survey.after_blank
        return f"{found}{': a second table?' if is_table else ''}", rows
    if len(tail) > 1 and len(first.fields) > 1 and len({len(record.fields) for record in tail}) == 1:
        return f"{found}: a second table below?", _or("a file holds one table: split it", rows)
    lines = last[-1].line - first.line + 1
    is_note = first.line in survey.after_blank or _SUMMARY.match(first.text) or is_prose(first.fields) or len(tail) > 1
    seems = ": a note or a total below the table?" if is_note else ": a note below the table, or is the file cut off?"
    return f"{found}{seems}", _or(_feed(f"footer_lines = {lines}"), _RECOGNISE, rows)


def comment_mark(record: Record) -> bytes:
    """Return the mark that a line of comment begins with, nothing where it is none."""
    return next((mark for mark in _MARKS if record.text.startswith(mark)), b"")


def fields(count: int) -> str:
    """Return the number of fields in words."""
    return "one field" if count == 1 else f"{count} fields"


def shown(text: bytes) -> str:
    """Return the beginning of a line as it may stand in a message."""
    line = text.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return orjson.dumps(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}...").decode()


def quoted(text: bytes) -> str:
    """Return a text as TOML has it."""
    return orjson.dumps(text.decode("utf-8", "replace")).decode()


def _names(names: Sequence[bytes | None]) -> str:
    """Return a header that can be declared: each name is there and unique."""
    listed = [name.name for name in name_columns(list(names), len(names))]
    more = ", ..." if len(listed) > _MOST_NAMES else ""
    return "[" + ", ".join(orjson.dumps(name).decode() for name in listed[:_MOST_NAMES]) + more + "]"


def _separated(record: Record, dialect: Dialect, width: int) -> tuple[list[bytes | None], str] | None:
    """Return the fields of a record that another separator divides into the table's width, and its name."""
    for delimiter, name in SEPARATORS.items():
        if delimiter == dialect.delimiter or record.text.count(delimiter) < width - 1 or width == 1:
            continue
        other = Dialect(delimiter, dialect.quote, dialect.escape, dialect.newline)
        found, odd = Repair(other, width).grammar.fields(record.text, frozenset((b"",)))
        if len(found) == width and not odd:
            return found, name
    return None


def _feed(*lines: str) -> str:
    return f"declare in a feed: [feed.csv] {', '.join(lines)}"


def _or(*ways: str) -> str:
    return "; or ".join(ways)


def _refused(message: str, *ways: str) -> Doubt:
    return refused("csv.not-one-table", message, _or(*ways))
