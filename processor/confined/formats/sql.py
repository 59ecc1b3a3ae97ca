"""SQL text: literals, identifiers, and reading CSV without guessing."""

from collections.abc import Sequence

from processor.confined.formats.dialect import Dialect


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


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
