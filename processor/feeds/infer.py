"""Infer a feed from its files; comments say why."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import PurePosixPath

import orjson

from processor.domain.conversion import DataFormat, Facts
from processor.domain.declarations import ColumnDeclaration
from processor.domain.feeds import Feed
from processor.feeds.lattice import NOTHING, Joined, Witness, holds

NO_VALUE = "no value to judge by"  # as the reason of a column's type says it
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DELIMITER = re.compile(r"delimiter ('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column of one file: `type` is NOTHING where no value told it."""

    name: str
    type: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """How one file reads by itself; `refusal` says why it does not."""

    path: str
    format: DataFormat | None
    columns: tuple[ReadColumn, ...] = ()
    facts: Facts = ()
    refusal: str = ""


@dataclass(slots=True)
class _Seen:
    """A column over all files."""

    joined: Joined = field(default_factory=Joined)
    first: tuple[str, int] = ("", 0)
    files: int = 0


@dataclass(slots=True)
class Inference:
    """What many files are together. Grows with their columns, not with their number."""

    files: int = 0
    refused: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    _columns: dict[str, _Seen] = field(default_factory=dict)
    _facts: dict[str, set[str]] = field(default_factory=dict)
    _formats: set[DataFormat] = field(default_factory=set)
    _suffixes: set[str] = field(default_factory=set)
    _directory: tuple[str, ...] | None = None
    _lacking: dict[str, str] = field(default_factory=dict)

    def add(self, found: ReadFile) -> None:
        """Take one more file; the order is of no matter."""
        self._place(PurePosixPath(found.path))
        if found.refusal or found.format is None:
            self.refused += 1
            self.examples = sorted([*self.examples, (found.path, found.refusal)])[:_MOST_NAMED]
            return
        self.files += 1
        self._formats.add(found.format)
        for position, column in enumerate(found.columns):
            seen = self._columns.setdefault(column.name, _Seen(first=(found.path, position)))
            seen.first = min(seen.first, (found.path, position))
            seen.files += 1
            seen.joined.add(column.type, Witness(found.path, column.reason))
        for name, value in _sayable(found):
            self._facts.setdefault(name, set()).add(value)

    def _place(self, path: PurePosixPath) -> None:
        self._suffixes.add(path.suffix)
        parts = path.parent.parts
        if self._directory is None:
            self._directory = parts
        while self._directory != parts[: len(self._directory)]:
            self._directory = self._directory[:-1]

    @property
    def format(self) -> DataFormat | None:
        """Return the format that all files have."""
        return next(iter(self._formats)) if len(self._formats) == 1 else None

    def columns(self) -> list[tuple[str, Joined, int]]:
        """Return name, types and number of files of every column, in the order of the first file that has it."""
        ordered = sorted(self._columns.items(), key=lambda item: (item[1].first, item[0]))
        return [(name, seen.joined, seen.files) for name, seen in ordered]

    def document(self, name: str) -> str:
        """Return the feed as TOML."""
        return "\n".join([*self._head(name), *self._reading(), *self._table()]) + "\n"

    def _head(self, name: str) -> Iterable[str]:
        yield f"# inferred from {_count(self.files)}"
        for path, why in self.examples:
            yield f"# not read: {_comment(path)}: {_comment(why)}"
        if self.refused > len(self.examples):
            yield f"# not read: {self.refused - len(self.examples)} more"
        yield "[[feed]]"
        yield f"name = {_text(name)}"
        place = "/".join(self._directory or ())
        suffixes = sorted(self._suffixes)
        yield f"match = [{', '.join(_text(f'{place}/**/*{suffix}' if place else f'*{suffix}') for suffix in suffixes)}]"
        if self.format is not None:
            yield f"format = {_text(self.format.value)}"

    def _reading(self) -> Iterable[str]:
        """Yield how the files are read, as far as they all agree."""
        agreed = {name: next(iter(values)) for name, values in self._facts.items() if len(values) == 1}
        section = "xml" if self.format is DataFormat.XML else "csv"
        if self.format is not None and agreed:
            yield f"\n[feed.{section}]"
            yield from (f"{name} = {value}" for name, value in sorted(agreed.items()))

    def _table(self) -> Iterable[str]:
        columns = self.columns()
        if not columns:
            return
        yield "\n[feed.columns]"
        width = max(len(_key(name)) + len(_text(joined.type)) for name, joined, _files in columns) + 3
        for name, joined, files in columns:
            line = f"{_key(name)} = {_text(joined.type)}"
            yield f"{line:<{width}}  # {_comment(self._why(joined, files))}"
        lacking = [name for name, _joined, files in columns if files < self.files]
        if lacking:
            yield f'on_missing = "null"  # not in every file: {_comment(", ".join(lacking[:_MOST_NAMED]))}'

    def _why(self, joined: Joined, files: int) -> str:
        kinds = {kind: count for kind, count in joined.files.items() if kind != NOTHING}
        if not kinds:
            return "no file has a value: say what it is"
        forced = joined.forced_by
        some = f", in {files} of {self.files} files" if files < self.files else ""
        if forced is None:
            (witness,) = (joined.types[kind] for kind in kinds)
            empty = joined.files.get(NOTHING, 0)
            return (witness.reason or "as delivered") + (f"; no value in {_count(empty)}" if empty else "") + some
        told = ", ".join(f"{_named(kind)} in {count}" for kind, count in sorted(kinds.items()))
        return f"{told}; because of {forced.path}: {forced.reason or 'as delivered'}{some}"


def updated(feed: Feed, inference: Inference) -> str:
    """Return, as a diff, what the files would change in the columns that a feed declares; "" when nothing.

    What has a format or words of its own is not inferred, and stays.
    """
    declared = () if feed.declaration.columns is None else feed.declaration.columns.columns
    found = {name: joined for name, joined, _files in inference.columns()}
    before = [_line(column, column.type) for column in declared]
    after = [_line(column, _widened(column, found)) for column in declared]
    known = {column.source or column.name for column in declared}
    for name, joined, _files in inference.columns():
        if name not in known:
            forced = joined.forced_by or min(joined.types.values())
            after.append(f"{_key(name)} = {_text(joined.type)}  # new in {_comment(forced.path)}")
    return "\n".join(unified_diff(before, after, f"feed {feed.name}", f"feed {feed.name} (updated)", lineterm=""))


def _widened(column: ColumnDeclaration, found: dict[str, Joined]) -> str:
    joined = found.get(column.source or column.name)
    if joined is None or column.format or column.true or holds(column.type, joined.type):
        return column.type
    if set(joined.types) == {NOTHING}:
        return column.type
    wider = Joined()
    wider.add(column.type, Witness("", "declared"))
    wider.add(joined.type, Witness("", ""))
    return wider.type


def _line(column: ColumnDeclaration, type_: str) -> str:
    return f"{_key(column.source or column.name)} = {_text(type_)}"


def _sayable(found: ReadFile) -> Iterable[tuple[str, str]]:
    """Yield those decisions of reading that a feed can say, as TOML."""
    facts = dict(found.facts)
    if found.format in (DataFormat.CSV, DataFormat.TSV):
        if delimiter := _DELIMITER.search(facts.get("dialect", "")):
            yield "delimiter", _text(ast.literal_eval(delimiter[1]))
        if facts.get("header") == "True":
            yield "header", "true"
        if facts.get("encoding", "utf-8") != "utf-8":
            yield "encoding", _text(facts["encoding"])
    elif found.format is DataFormat.XML and facts.get("rows", "").strip("/"):
        yield "row", _text(facts["rows"].rpartition("/")[2])


def _named(kind: str) -> str:
    return {"[]": "a list", "STRUCT": "an object"}.get(kind, kind)


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """Return a basic string of TOML; what JSON escapes, TOML does, but for DEL."""
    return orjson.dumps(value.encode("utf-8", "backslashreplace").decode()).decode().replace("\x7f", "\\u007f")


def _comment(value: str) -> str:
    return value.encode("unicode_escape").decode("ascii") if not value.isprintable() else value
