"""SQL text: literals, identifiers, and reading CSV without guessing."""

import re
from collections.abc import Callable, Sequence

from processor.confined.formats.dialect import Dialect

_SHORTEST_LIMIT = 4 << 20
# A structure with more leaves is given a name before they are read. DuckDB makes room for the whole of a structure each
# time it takes one out of another: for a document of 46 leaves, six levels deep, that was 800 MB.
_FEW_LEAVES = 8
_NAME = re.compile(r'\w+|"(?:[^"]|"")+"')


def read_csv(
    path: str | Sequence[str],
    dialect: Dialect,
    width: int,
    nulls: tuple[str, ...],
    *,
    newline: str,
    skip: int = 0,
    longest: int = 0,
    buffer_bytes: int = 0,
    types: Sequence[str] = (),
) -> str:
    """Return the SQL that reads `path`, or several one after another, into columns c0, c1 ... with an explicit dialect.

    The columns are text without `types`; `longest` and `buffer_bytes` stand for DuckDB's own values where they are 0.
    """
    columns = ", ".join(f"'c{index}': '{name}'" for index, name in enumerate(types or ["VARCHAR"] * width))
    options = {
        "auto_detect": "false",
        "header": "false",
        "strict_mode": "true",
        "null_padding": "false",
        "allow_quoted_nulls": "false",
        "comment": "''",
        "skip": str(skip),
        "delim": literal(dialect.delimiter.decode()),
        "quote": literal(dialect.quote.decode()),
        "escape": literal(dialect.quote.decode()),
        "nullstr": "[" + ", ".join(literal(token) for token in nulls) + "]",
        "columns": "{" + columns + "}",
    }
    if newline:
        options["new_line"] = {"\n": r"'\n'", "\r": r"'\r'"}[newline]
    if longest:
        options["max_line_size"] = str(longest)
    if buffer_bytes:
        options["buffer_size"] = str(buffer_bytes)
    paths = literal(path) if isinstance(path, str) else f"[{', '.join(map(literal, path))}]"
    return f"read_csv({paths}, {', '.join(f'{key}={value}' for key, value in options.items())})"


def read_lines(path: str, longest_bytes: int) -> str:
    """Return the SQL that reads the lines of `path` into the column `j`; blank ones are NULL or blank.

    The CSV reader stays bounded on a pipe where DuckDB's JSON reader keeps every buffer.
    """
    longest = max(_SHORTEST_LIMIT, 2 * longest_bytes)
    return (
        f"read_csv('{path}', columns={{'j': 'VARCHAR'}}, auto_detect=false, header=false, delim='\x01', quote='',"
        f" escape='', max_line_size={longest}, buffer_size={longest})"
    )


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Steps:
    """Large structures of one table's rows, each taken out of the one around it once and given a name."""

    def __init__(self) -> None:
        self._levels: list[list[str]] = []
        self._count = 0

    def name(self) -> str:
        """Return a name that no column has."""
        self._count += 1
        return quoted(f"\x01{self._count}")

    def add(self, value: str, name: str, depth: int) -> None:
        """Give `value`, which may have names of lesser depth, this name."""
        self._levels += [[] for _ in range(depth + 1 - len(self._levels))]
        self._levels[depth].append(f"{value} AS {name}")

    def of(self, relation: str) -> str:
        """Return the relation with all that has a name."""
        for level in filter(None, self._levels):
            relation = f"(SELECT *, {', '.join(level)} FROM {relation})"  # noqa: S608 - names are quoted
        return relation


def of_structure(
    value: str, structure: object, depth: int, expression: Callable[[str], str], steps: Steps | None
) -> str:
    """Return the `expression` of `value`, a dict of structures; a large one is given a name first, by `steps`.

    Within lists there are no steps (None): a lambda gives the name, which takes more memory the deeper it goes.
    """
    if _NAME.fullmatch(value) or leaf_count(structure) <= _FEW_LEAVES:
        return expression(value)
    name = f"s{depth}" if steps is None else steps.name()
    inner = expression(name)
    if inner == name:
        return value
    if steps is None:
        return f"list_transform([{value}], lambda {name}: {inner})[1]"
    steps.add(value, name, depth)
    return inner


def leaf_count(structure: object) -> int:
    """Return how many texts a value of the `structure` has where every list has one element."""
    if isinstance(structure, dict):
        return sum(map(leaf_count, structure.values()))
    return leaf_count(structure[0]) if isinstance(structure, list) else 1
