"""Types for texts within lists and structures.

A leaf is a place of texts in such a column; all texts of one leaf, of all rows and all elements, have one type. The
leaves of a table are counted in the order in which they stand in their structures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processor.confined.formats.parquet.copy import Written
from processor.confined.formats.sql import Steps, leaf_count, literal, of_structure, quoted
from processor.confined.formats.types.checks import cast, check
from processor.confined.formats.types.evidence import Evidence
from processor.confined.formats.types.infer import LONGEST_TYPED, TEXT, ColumnType, TypeKind
from processor.domain.conversion import Column

Structure = Any
"""`"VARCHAR"`, a list of one Structure, or a dict of them: what DuckDB's json_transform is told."""

# More leaves are left as texts: their checks would take longer to plan than most tables take to write. So are leaves
# with more steps to them, added up: each level of a structure takes room for all below it, 600 MB for so many. A list
# within lists takes about twice what the one around it takes.
MOST_LEAVES = 300
MOST_STEPS = 800
_LISTS_A_STEP = 4  # so many within each other count as one step more, one more as two, then four ...
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class NestedColumn:
    """A column of the relation, its structure, and what its leaves' texts say."""

    name: str
    structure: Structure
    leaves: tuple[Evidence, ...]

    def learn(self, value: Any) -> int:
        """Take one value of the column, as DuckDB gives it, into account; return how many texts it has."""
        texts: list[list[str]] = [[] for _ in self.leaves]
        _gather(self.structure, value, texts, 0)
        for evidence, found in zip(self.leaves, texts, strict=True):
            evidence.add(found)
        return sum(map(len, texts))

    def types(self) -> tuple[ColumnType, ...]:
        """Return the best type of each leaf by what is known."""
        return tuple(evidence.proposal() for evidence in self.leaves)

    def each_leaf(self) -> range:
        """Return the numbers of the leaves."""
        return range(len(self.leaves))

    def checked(self, types: Sequence[ColumnType], first: int, surprise: str, steps: Steps, *, thorough: bool) -> str:
        """Return the SQL of the column, after `steps`, with its leaves as `types`, every text checked.

        A text that its type does not hold raises an error: `surprise`, the leaf's index, counted from `first`, and it.
        """
        writer = _Checked(iter(enumerate(types, first)), surprise, thorough=thorough)
        return writer.typed(self.structure, quoted(self.name), steps)

    def texts(self, leaf: int) -> str:
        """Return the SQL of the list of all texts that a row has at this leaf."""
        return _texts(self.structure, quoted(self.name), list(_paths(self.structure))[leaf])

    def planned(self, types: Sequence[ColumnType]) -> Column:
        """Return the column as it would be written; its NULLs are not counted."""
        return Column(self.name, type_sql(self.structure, iter(types)), 0, self._reason(types))

    def written(self, types: Sequence[ColumnType], written: Written) -> Column:
        """Return the column as it was written."""
        return Column(self.name, type_sql(self.structure, iter(types)), written.nulls(self.name), self._reason(types))

    def _reason(self, types: Sequence[ColumnType]) -> str:
        earned = [
            f"{'.'.join(step or '[]' for step in path)} {found.sql}"
            for path, found in zip(_paths(self.structure), types, strict=True)
            if found.kind is not TypeKind.VARCHAR
        ]
        if not earned:
            return "texts of elements below the row, as written"
        more = f" and {len(earned) - _MOST_REASONS} more" if len(earned) > _MOST_REASONS else ""
        return f"elements below the row, their texts held by {', '.join(earned[:_MOST_REASONS])}{more}"


def nested_columns(structures: Mapping[str, Structure]) -> list[NestedColumn]:
    """Return the columns; where they have too many leaves together, these can only be texts."""
    columns = [
        NestedColumn(name, structure, tuple(Evidence() for _ in range(leaf_count(structure))))
        for name, structure in structures.items()
    ]
    steps = [_steps(path) for structure in structures.values() for path in _paths(structure)]
    if len(steps) > MOST_LEAVES or sum(steps) > MOST_STEPS:
        for column in columns:
            for evidence in column.leaves:
                evidence.refuse("too many places below the row")
    return columns


def type_sql(structure: Structure, types: Iterator[ColumnType]) -> str:
    """Return the SQL type of a structure with these types of its leaves."""
    if isinstance(structure, list):
        return f"{type_sql(structure[0], types)}[]"
    if isinstance(structure, dict):
        return f"STRUCT({', '.join(f'{quoted(name)} {type_sql(of, types)}' for name, of in structure.items())})"
    return next(types).sql


_Path = tuple[str | None, ...]
"""Names of fields; None for the elements of a list."""


def _paths(structure: Structure) -> Iterator[_Path]:
    if isinstance(structure, list):
        yield from ((None, *path) for path in _paths(structure[0]))
    elif isinstance(structure, dict):
        yield from ((name, *path) for name, of in structure.items() for path in _paths(of))
    else:
        yield ()


def _steps(path: _Path) -> int:
    return len(path) + (1 << path.count(None) >> _LISTS_A_STEP)


def _gather(structure: Structure, value: Any, texts: list[list[str]], leaf: int) -> int:
    """Add the texts of `value` to those of the leaves from `leaf` on; return the leaf behind them."""
    if isinstance(structure, list):
        end = _gather(structure[0], None, texts, leaf)
        for item in value or ():
            _gather(structure[0], item, texts, leaf)
        return end
    if isinstance(structure, dict):
        for name, of in structure.items():
            leaf = _gather(of, None if value is None else value[name], texts, leaf)
        return leaf
    if value is not None:
        texts[leaf].append(value)
    return leaf + 1


def _texts(structure: Structure, value: str, path: _Path, depth: int = 0) -> str:
    if isinstance(structure, list):
        item = f"e{depth}"
        return f"flatten(list_transform({value}, lambda {item}: {_texts(structure[0], item, path[1:], depth + 1)}))"
    if isinstance(structure, dict):
        name = path[0]
        assert name is not None
        return _texts(structure[name], f"struct_extract({value}, {literal(name)})", path[1:], depth)
    return f"[{value}]"


class _Checked:
    """Writes the expressions of one column."""

    def __init__(self, types: Iterator[tuple[int, ColumnType]], surprise: str, *, thorough: bool) -> None:
        self._types = types
        self._surprise = surprise
        self._thorough = thorough

    def typed(self, structure: Structure, value: str, steps: Steps | None, depth: int = 0) -> str:
        """Return `value` with types; `value` itself where all of it is text."""
        if isinstance(structure, list):
            item = f"e{depth}"
            inner = self.typed(structure[0], item, None, depth + 1)
            return value if inner == item else f"list_transform({value}, lambda {item}: {inner})"
        if isinstance(structure, dict):
            return of_structure(
                value, structure, depth, lambda name: self._struct(structure, name, steps, depth + 1), steps
            )
        index, found = next(self._types)
        if found == TEXT:
            return value
        message = f"error({literal(f'{self._surprise} {index} ')} || left({value}, {LONGEST_TYPED + 1}))"
        return check(found, value, cast(found, value)).expression(message, thorough=self._thorough)

    def _struct(self, structure: dict[str, Structure], value: str, steps: Steps | None, depth: int) -> str:
        fields = {name: f"struct_extract({value}, {literal(name)})" for name in structure}
        typed = {name: self.typed(of, fields[name], steps, depth) for name, of in structure.items()}
        if typed == fields:
            return value
        members = ", ".join(f"{literal(name)}: {sql}" for name, sql in typed.items())
        return f"CASE WHEN {value} IS NOT NULL THEN {{{members}}} END"
