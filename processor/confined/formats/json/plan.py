"""Choose a Parquet type for each place in the documents.

A type is given only when every value of the place survives it by value. What no type holds becomes text: a column of
strings and other scalars holds each one's own text while that can not be mistaken, and JSON text otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from processor.confined.formats.json.parser import is_writable
from processor.confined.formats.json.schema import Place
from processor.confined.formats.sql import quoted
from processor.domain.conversion import Typing

_DECIMAL_DIGITS = 38
OTHER = "_other"
VALUE = "value"


class Form(StrEnum):
    """How the values of a place are written."""

    BOOLEAN = "boolean"
    BIGINT = "bigint"
    DOUBLE = "double"
    DECIMAL = "decimal"
    STRING = "string"
    PLAIN = "plain"  # each scalar's own text
    JSON = "json"  # JSON text
    STRUCT = "struct"
    LIST = "list"


# What DuckDB's own JSON reader turns into the right value; anything else is written out for it anew.
_DIRECT = frozenset((Form.BOOLEAN, Form.BIGINT, Form.DOUBLE, Form.STRING))


@dataclass(frozen=True, slots=True)
class PlacePlan:
    """The form of one place, its SQL type, why it has it, and the plans of the places below it."""

    form: Form
    sql: str
    reason: str
    fields: dict[str, "PlacePlan"] = field(default_factory=dict)
    element: "PlacePlan | None" = None
    rewritten: bool = False  # DuckDB would misread a value as it stands in the source

    @property
    def direct(self) -> bool:
        """Tell whether all values can go to DuckDB as they stand in the source."""
        if self.rewritten:
            return False
        if self.form is Form.STRUCT:
            return all(below.direct for below in self.fields.values())
        return self.element.direct if self.element is not None else self.form in _DIRECT

    @property
    def leaves(self) -> int:
        """Return how many columns of values this is in the Parquet."""
        if self.element is not None:
            return self.element.leaves
        return sum(below.leaves for below in self.fields.values()) or 1

    @property
    def structure(self) -> object:
        """Return what json_transform is told of this place."""
        if self.form is Form.STRUCT:
            return {key: below.structure for key, below in self.fields.items()}
        return [self.element.structure] if self.element is not None else self.sql


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The columns of the table. A row that is no record is one column, called `value`.

    `other` names the column that holds, as one JSON object, the keys that no column can be called by (empty, with a
    NUL, or different from another key only by case, which SQL does not tell apart); None when there are none.
    """

    columns: dict[str, PlacePlan]
    is_record: bool
    other: str | None = None

    @property
    def direct(self) -> bool:
        """Tell whether rows can go to DuckDB as they stand in the source."""
        return self.is_record and self.other is None and all(plan.direct for plan in self.columns.values())

    @property
    def leaves(self) -> int:
        """Return how many columns of values the Parquet has."""
        return sum(plan.leaves for plan in self.columns.values())

    def part(self, piece: slice) -> "RowPlan":
        """Return the plan of some of the columns."""
        return replace(self, columns=dict(list(self.columns.items())[piece]))

    @property
    def structure(self) -> object:
        """Return what json_transform is told of a row as it goes to DuckDB."""
        return {name: plan.structure for name, plan in self.columns.items()}


def plan_rows(root: Place, typing: Typing) -> RowPlan:
    """Return the columns that hold all that was seen."""
    decide = _decide if typing is Typing.LOSSLESS else _as_text
    if not root.objects or root.kinds > 1 or root.opaque:
        return RowPlan({VALUE: decide(root)}, is_record=False)
    named = dict(_nameable(root.fields))
    columns = {key: decide(place) for key, place in named.items()}
    if len(named) == len(root.fields) and columns:
        return RowPlan(columns, is_record=True)
    if not root.fields:
        return RowPlan({VALUE: PlacePlan(Form.JSON, "VARCHAR", "JSON text: objects without any key")}, is_record=False)
    other = _free_name({key.lower() for key in named})
    columns[other] = PlacePlan(Form.JSON, "VARCHAR", "JSON text: keys that can not name a column")
    return RowPlan(columns, is_record=True, other=other)


def _free_name(taken: set[str]) -> str:
    name, number = OTHER, 1
    while name in taken:
        number += 1
        name = f"{OTHER}_{number}"
    return name


def _nameable(fields: dict[str, Place]) -> Iterator[tuple[str, Place]]:
    folded: set[str] = set()
    for key, place in fields.items():
        fold = key.lower()
        if key and "\0" not in key and is_writable(key) and fold not in folded:
            folded.add(fold)
            yield key, place


def needs_another_look(place: Place) -> bool:
    """Tell whether strings that nobody looked at are now beside other values, so that their text may be mistaken."""
    if place.admitted and place.strings and place.kinds > 1 and not place.ambiguous:
        return True
    below = [*place.fields.values(), *([place.element] if place.element else [])]
    return any(map(needs_another_look, below))


def _as_text(place: Place) -> PlacePlan:
    """Return the plan of a place whose typing is switched off."""
    if place.opaque:
        return _json(place.opaque)
    if place.objects or place.lists or not place.all_writable:
        return _json("containers stay text, as configured")
    if place.strings and place.kinds == 1:
        return PlacePlan(Form.STRING, "VARCHAR", "VARCHAR: as configured")
    return (
        _json("strings and other values")
        if _mistakable(place)
        else PlacePlan(Form.PLAIN, "VARCHAR", "VARCHAR: as configured")
    )


def _decide(place: Place) -> PlacePlan:
    if place.opaque:
        return _json(place.opaque)
    if not place.kinds:
        return PlacePlan(Form.STRING, "VARCHAR", "VARCHAR: no value to judge by")
    if not place.all_writable:
        return _json("a string has a lone surrogate")
    if place.kinds > 1:
        return _mixed(place)
    if place.objects:
        return _struct(place)
    if place.lists:
        return _list(place)
    if place.strings:
        return PlacePlan(Form.STRING, "VARCHAR", f"VARCHAR: all {place.strings:,} values seen are strings")
    if place.booleans:
        return PlacePlan(Form.BOOLEAN, "BOOLEAN", f"BOOLEAN: all {place.booleans:,} values seen are booleans")
    return _number(place)


def _number(place: Place) -> PlacePlan:
    if not place.reals and place.all_int64:
        return PlacePlan(Form.BIGINT, "BIGINT", f"BIGINT: all {place.integers:,} values seen are 64-bit integers")
    if place.reals and place.all_double:
        why = "DOUBLE: the shortest text of the double is every value seen"
        return PlacePlan(Form.DOUBLE, "DOUBLE", why, rewritten=place.minus_zero)
    digits = place.whole_digits + place.scale
    if place.all_decimal and digits <= _DECIMAL_DIGITS:
        sql = f"DECIMAL({max(digits, 1)},{place.scale})"
        return PlacePlan(Form.DECIMAL, sql, f"{sql}: a value has more digits than a DOUBLE or BIGINT holds")
    return PlacePlan(Form.PLAIN, "VARCHAR", "VARCHAR: a number that no numeric type holds exactly")


def _mixed(place: Place) -> PlacePlan:
    if place.objects or place.lists or _mistakable(place):
        return _json("values of several kinds")
    return PlacePlan(Form.PLAIN, "VARCHAR", "VARCHAR: strings and other scalars, each as its own text")


def _mistakable(place: Place) -> bool:
    return place.ambiguous if place.strings and place.kinds > 1 else False


def _struct(place: Place) -> PlacePlan:
    if not place.fields:
        return _json("objects without any key")
    if len(list(_nameable(place.fields))) < len(place.fields):
        return _json("keys that can not name a field")
    fields = {key: _decide(below) for key, below in place.fields.items()}
    sql = ", ".join(f"{quoted(key)} {below.sql}" for key, below in fields.items())
    return PlacePlan(Form.STRUCT, f"STRUCT({sql})", f"STRUCT: objects with {len(fields):,} keys in all", fields)


def _list(place: Place) -> PlacePlan:
    assert place.element is not None
    element = _decide(place.element)
    return PlacePlan(
        Form.LIST, f"{element.sql}[]", f"LIST: every value seen is an array; {element.reason}", element=element
    )


def _json(why: str) -> PlacePlan:
    return PlacePlan(Form.JSON, "VARCHAR", f"JSON text: {why}")
