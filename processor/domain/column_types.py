"""Types that a feed may declare for its columns."""

import re
from dataclasses import dataclass

SCALARS = ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "VARCHAR")
TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS")
MOST_DIGITS = 38  # DuckDB's DECIMAL; Parquet readers know no wider one
_OTHER_NAMES = {
    "INT": "BIGINT", "INTEGER": "BIGINT", "INT64": "BIGINT", "LONG": "BIGINT", "SMALLINT": "BIGINT",
    "FLOAT": "DOUBLE", "REAL": "DOUBLE", "FLOAT64": "DOUBLE", "NUMERIC": "DECIMAL(18,2)", "NUMBER": "DECIMAL(18,2)",
    "BOOL": "BOOLEAN", "DATETIME": "TIMESTAMP", "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "HUGEINT": "DECIMAL(38,0)",
    "STRING": "VARCHAR", "TEXT": "VARCHAR", "CHAR": "VARCHAR", "UUID": "VARCHAR", "JSON": "VARCHAR", "TIME": "VARCHAR",
}  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_ZONED = " WITH TIME ZONE"  # as DuckDB writes TIMESTAMPTZ
_TOKEN = re.compile(r'\s*("(?:[^"]|"")+"|\[\]|[A-Za-z_][A-Za-z0-9_]*|\d+|.)', re.DOTALL)


class UnknownTypeError(ValueError):
    """The text is no type that a column can be declared with; says which would be right."""


def canonical(text: str) -> str:
    """Return the type as DuckDB writes it, such as `DECIMAL(18,2)` or `STRUCT("a" BIGINT)`.

    Raises UnknownTypeError.
    """
    parser = _Parser(text)
    found = parser.type()
    if parser.ahead:
        raise UnknownTypeError(f"{text!r} goes on behind {found} with {parser.ahead!r}")
    return found


def struct_fields(type_: str) -> tuple[tuple[str, str], ...]:
    """Return names and types of the fields of `STRUCT(...)`; none of anything else. Raises UnknownTypeError."""
    parser = _Parser(type_)
    if not type_.startswith("STRUCT(") or type_.endswith("[]"):
        return ()
    parser.take("STRUCT")
    parser.take("(")
    fields = [(parser.name(), parser.type())]
    while parser.ahead == ",":
        parser.take(",")
        fields.append((parser.name(), parser.type()))
    return tuple(fields)


def decimal_digits(type_: str) -> tuple[int, int] | None:
    """Return digits before and behind the point of `DECIMAL(p,s)`; None of anything else."""
    match = _DECIMAL.fullmatch(type_)
    return None if match is None else (int(match[1]) - int(match[2]), int(match[2]))


def is_nested(type_: str) -> bool:
    """Tell whether a canonical type is a list or a structure, which only JSON and XML have."""
    return type_.endswith("[]") or type_.startswith("STRUCT(")


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens of one type."""

    text: str
    at: int = 0

    @property
    def ahead(self) -> str:
        match = _TOKEN.match(self.text, self.at)
        return "" if match is None else match[1]

    def take(self, wanted: str = "") -> str:
        match = _TOKEN.match(self.text, self.at)
        token = "" if match is None else match[1]
        if not token or (wanted and token != wanted):
            raise UnknownTypeError(f"{self.text!r} ends early: {wanted or 'a type'} is missing")
        self.at = match.end() if match else self.at
        return token

    def type(self) -> str:
        name = self.take().upper()
        match name:
            case "DECIMAL":
                found = self._decimal()
            case "STRUCT":
                found = self._struct()
            case "TIMESTAMP" if self.text[self.at :].upper().startswith(_ZONED):
                self.at += len(_ZONED)
                found = "TIMESTAMPTZ"
            case _ if name in SCALARS:
                found = name
            case _:
                raise UnknownTypeError(_unknown(name))
        while self.ahead == "[]":
            found += self.take("[]")
        return found

    def _decimal(self) -> str:
        if self.ahead != "(":
            raise UnknownTypeError("DECIMAL needs its digits, such as DECIMAL(18,2)")
        self.take("(")
        digits = self._number()
        self.take(",")
        decimals = self._number()
        self.take(")")
        if not 1 <= digits <= MOST_DIGITS or decimals > digits:
            raise UnknownTypeError(f"DECIMAL({digits},{decimals}): 1 to {MOST_DIGITS} digits, of them as many decimals")
        return f"DECIMAL({digits},{decimals})"

    def _number(self) -> int:
        token = self.take()
        if not token.isdecimal():
            raise UnknownTypeError(f"{self.text!r}: {token!r} is no number; such as DECIMAL(18,2)")
        return int(token)

    def _struct(self) -> str:
        self.take("(")
        fields = [self._field()]
        while self.ahead == ",":
            self.take(",")
            fields.append(self._field())
        self.take(")")
        return f"STRUCT({', '.join(fields)})"

    def _field(self) -> str:
        return f"{self.name()} {self.type()}"

    def name(self) -> str:
        """Take a field's name and return it in quotes, as DuckDB writes it."""
        name = self.take()
        return name if name.startswith('"') else f'"{name}"'


def _unknown(name: str) -> str:
    if name in _OTHER_NAMES:
        return f"{name} is no type here: say {_OTHER_NAMES[name]}"
    return f"{name} is no type here: one of {', '.join(SCALARS)}, DECIMAL(p,s), STRUCT(name TYPE, ...), TYPE[]"
