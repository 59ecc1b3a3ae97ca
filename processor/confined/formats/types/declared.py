"""SQL that checks texts against declared types.

A declared type is a promise: a text must be a value of the type, nothing is rounded or guessed. Written forms may
differ where a number is declared: leading zeros, a plus sign, trailing zeros. A date by a declared format is written
back and compared.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from processor.confined.formats.sql import Steps, literal, of_structure, quoted
from processor.confined.formats.types.checks import cast, check
from processor.confined.formats.types.infer import LONGEST_TYPED, ColumnType, TypeKind
from processor.domain.column_types import struct_fields
from processor.domain.declarations import ColumnDeclaration

_INTEGER = "[+-]?[0-9]+([.]0*)?"
_DECIMAL = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)"
_NUMBER = f"{_DECIMAL}([eE][+-]?[0-9]{{1,4}})?"
_NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")
_TIMES = "BETWEEN TIMESTAMP '0001-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
_INSTANTS = "BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"
_OFFSET = "(Z|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})$"


@dataclass(frozen=True, slots=True)
class Marks:
    """The decimal mark of a text's numbers, and the mark between thousands ("": none)."""

    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A cast of the text, the condition that it is right, and the value; all in SQL, of `c` and its cast `x`.

    `holds` is never NULL for a text that is not NULL.
    """

    cast: str
    holds: str
    value: str


def declared_check(column: ColumnDeclaration, c: str, x: str, marks: Marks) -> DeclaredCheck:
    """Return how the text `c` becomes the column's scalar type; `x` stands for the value of the cast."""
    return _check(column, column.type, c, x, marks)


def declared_value(
    column: ColumnDeclaration, type_: str, text: str, surprise: str, steps: Steps | None, depth: int = 0
) -> str:
    """Return the expression of `text`, a structure or list of texts, as `type_` with every text checked.

    A text that is not held evaluates `surprise`, an expression of its own. `steps` are taken first.
    """
    if type_.endswith("[]"):
        element = f"e{depth}"
        inner = declared_value(column, type_[:-2], element, surprise, None, depth + 1)
        return f"list_transform({text}, lambda {element}: {inner})"
    if fields := struct_fields(type_):

        def packed(value: str) -> str:
            values = ", ".join(
                f"{name} := {declared_value(column, of, f'{value}.{name}', surprise, steps, depth + 1)}"
                for name, of in fields
            )
            return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({values}) END"

        return of_structure(text, structure_of(type_), depth, packed, steps)
    if type_ == "VARCHAR":
        return text
    cast_ = _check(column, type_, text, "", Marks()).cast
    found = _check(column, type_, text, cast_, Marks())
    return f"CASE WHEN {text} IS NULL THEN NULL WHEN {found.holds} THEN {found.value} ELSE {surprise} END"


def holds_declared(column: ColumnDeclaration, type_: str, text: str, steps: Steps | None, depth: int = 0) -> str:
    """Return the condition, never NULL, that `type_` holds every text in `text`, a structure or list of texts.

    `steps` are taken first.
    """
    if type_.endswith("[]"):
        element = f"e{depth}"
        inner = holds_declared(column, type_[:-2], element, None, depth + 1)
        return f"coalesce(len(list_filter({text}, lambda {element}: NOT ({inner}))) = 0, true)"
    if fields := struct_fields(type_):

        def all_hold(value: str) -> str:
            hold = (holds_declared(column, of, f"{value}.{name}", steps, depth + 1) for name, of in fields)
            return f"({' AND '.join(hold)})"

        return of_structure(text, structure_of(type_), depth, all_hold, steps)
    if type_ == "VARCHAR":
        return "true"
    cast_ = _check(column, type_, text, "", Marks()).cast
    return f"({text} IS NULL OR {_check(column, type_, text, cast_, Marks()).holds})"


def structure_of(type_: str) -> object:
    """Return the structure of texts that the type is read as: "VARCHAR", a list of one, or a dict of them."""
    if type_.endswith("[]"):
        return [structure_of(type_[:-2])]
    if fields := struct_fields(type_):
        return {unquoted(name): structure_of(of) for name, of in fields}
    return "VARCHAR"


class StructureDiffersError(Exception):
    """The values have another structure than is declared."""


def restructured(text: str, found: object, wanted: object, surprise: Callable[[str], str], depth: int = 0) -> str:
    """Return the expression of `text`, which has the structure `found`, in the structure `wanted`.

    What is missing is NULL, one is a list of one, and a text is the `#text` of a structure. A text that has no place
    evaluates `surprise`. Raises StructureDiffersError where a structure has no place.
    """
    if found == wanted:
        return text
    match wanted, found:
        case [inner], [element]:
            each = f"r{depth}"
            value = restructured(each, element, inner, surprise, depth + 1)
            return f"list_transform({text}, lambda {each}: {value})"
        case [inner], _:
            return f"CASE WHEN {text} IS NULL THEN NULL ELSE [{restructured(text, found, inner, surprise, depth)}] END"
        case dict() as fields, dict():
            if unknown := found.keys() - wanted.keys():
                raise StructureDiffersError(f"has {', '.join(map(repr, sorted(unknown)))}")

            def of_fields(value: str) -> str:
                values = {name: f"{value}.{quoted(name)}" for name in found}
                return f"CASE WHEN {value} IS NULL THEN NULL ELSE {_packed(values, found, fields, surprise, depth)} END"

            return of_structure(text, found, depth, of_fields, None)
        case dict() as fields, "VARCHAR":
            has_place = "#text" in fields
            lost = "" if has_place else f" WHEN {text} <> '' THEN {surprise(text)}"
            values = {"#text": text} if has_place else {}
            only_text = _packed(values, {"#text": "VARCHAR"}, fields, surprise, depth)
            return f"CASE WHEN {text} IS NULL THEN NULL{lost} ELSE {only_text} END"
        case _:
            raise StructureDiffersError("is a list" if isinstance(found, list) else "has structures")


def _packed(
    values: Mapping[str, str],
    found: Mapping[str, object],
    wanted: Mapping[str, object],
    surprise: Callable[[str], str],
    depth: int,
) -> str:
    fields = (
        f"{quoted(name)} := {restructured(values[name], found[name], of, surprise, depth + 1)}"
        if name in values
        else f"{quoted(name)} := NULL::{_type_of(of)}"
        for name, of in wanted.items()
    )
    return f"struct_pack({', '.join(fields)})"


def _type_of(structure: object) -> str:
    match structure:
        case [element]:
            return f"{_type_of(element)}[]"
        case dict():
            return "STRUCT(" + ", ".join(f"{quoted(name)} {_type_of(of)}" for name, of in structure.items()) + ")"
        case _:
            return "VARCHAR"


def unquoted(name: str) -> str:
    """Return the identifier without its quotes."""
    return name[1:-1].replace('""', '"')


def _check(column: ColumnDeclaration, type_: str, c: str, x: str, marks: Marks) -> DeclaredCheck:
    if type_.startswith(_NUMBERS):
        return _number(type_, c, x, marks)
    match type_:
        case "VARCHAR":
            return DeclaredCheck("NULL", "true", c)
        case "BOOLEAN":
            return _boolean(column, c)
        case "DATE" | "TIMESTAMP" | "TIMESTAMPTZ" | "TIMESTAMP_NS" if column.format:
            return _formatted(column.format, type_, c, x)
        case "TIMESTAMP":
            found = check(ColumnType(TypeKind.TIMESTAMP, example="2024-01-01 00:00:00"), c, x)
            day = f"regexp_full_match({c}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AND {x} {_TIMES}"  # midnight
            return DeclaredCheck(f"TRY_CAST({c} AS TIMESTAMP)", f"({found.condition()} OR {day})", x)
        case "TIMESTAMPTZ":
            text = check(ColumnType(TypeKind.TIMESTAMPTZ), c, f"TRY_CAST({c} AS TIMESTAMP)")
            return DeclaredCheck(f"TRY_CAST({c} AS TIMESTAMPTZ)", f"{text.condition()} AND {x} {_INSTANTS}", x)
        case _:
            known = ColumnType(TypeKind(type_))
            found = check(known, c, x)
            return DeclaredCheck(cast(known, c), found.condition(), x)


def _number(type_: str, c: str, x: str, marks: Marks) -> DeclaredCheck:
    text, grouped = _plain(c, marks)
    sql = f"TRY_CAST({text} AS {type_})"
    shortest = f"{x}::VARCHAR = {text}"
    if type_ == "BIGINT":
        right = f"{_matches(text, _INTEGER)} AND {x} IS NOT NULL"
    elif type_ == "DOUBLE":
        same = f"{_digits(text)} = {_digits(f'{x}::VARCHAR')}"
        shortest = f"({shortest} OR {x}::VARCHAR = {text} || '.0') AND isfinite({x})"
        right = f"{_matches(text, _NUMBER)} AND {same} AND isfinite({x})"
    else:
        scale = int(type_.rpartition(",")[2].rstrip(")"))
        decimals = f"strlen(rtrim(split_part({text}, '.', 2), '0')) <= {scale}"
        right = f"{_matches(text, _DECIMAL)} AND {decimals} AND {x} IS NOT NULL"
    # CASE, unlike OR, spares the values that are known to be right the slower look.
    right = f"CASE WHEN {shortest} THEN true ELSE {right} END"
    return DeclaredCheck(sql, f"coalesce({grouped}({right}), false)", x)


def _plain(c: str, marks: Marks) -> tuple[str, str]:
    """Return the number with a point and without thousands, and the condition (with AND) that it is grouped right."""
    if marks == Marks():
        return c, ""
    point, thousands = re.escape(marks.decimal), re.escape(marks.thousands)
    text, whole = c, "[0-9]+"
    if marks.thousands:
        text = f"replace({text}, {literal(marks.thousands)}, '')"
        whole = f"([0-9]+|[0-9]{{1,3}}({thousands}[0-9]{{3}})+)"
    if marks.decimal != ".":
        text = f"replace({text}, {literal(marks.decimal)}, '.')"
    form = f"[+-]?({whole}({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]{{1,4}})?"
    return text, f"{_matches(c, form)} AND "


def _boolean(column: ColumnDeclaration, c: str) -> DeclaredCheck:
    if not column.true:
        return DeclaredCheck("NULL", f"lower({c}) IN ('true', 'false')", f"lower({c}) = 'true'")
    true, false = (", ".join(map(literal, words)) for words in (column.true, column.false))
    return DeclaredCheck("NULL", f"{c} IN ({true}, {false})", f"{c} IN ({true})")


def _formatted(form: str, type_: str, c: str, x: str) -> DeclaredCheck:
    """Parse by the format, write back by it, and compare."""
    parsed = f"try_strptime({c}, {literal(form)})"
    if type_ == "TIMESTAMPTZ" and form.endswith("%z"):
        # DuckDB writes no other offset than its own: the text's offset is put behind its wall clock.
        offset = f"regexp_extract({c}, {literal(_OFFSET)})"
        digits = f"replace(replace({offset}, ':', ''), 'Z', '+0000')"
        sign = f"CASE WHEN starts_with({digits}, '-') THEN -1 ELSE 1 END"
        hours, rest = (f"coalesce(TRY_CAST(substr({digits}, {at}, 2) AS INTEGER), 0)" for at in (2, 4))
        minutes = f"({sign} * ({hours} * 60 + {rest}))"
        wall = f"timezone('UTC', {x}) + to_minutes({minutes})"
        same = f"strftime({wall}, {literal(form.removesuffix('%z'))}) || {offset} = {c}"
        return DeclaredCheck(parsed, f"coalesce({same} AND {x} {_INSTANTS}, false)", x)
    same = f"strftime({x}, {literal(form)}) = {c}"
    match type_:
        case "DATE":
            return DeclaredCheck(parsed, f"coalesce({same} AND {x}::DATE::TIMESTAMP = {x}, false)", f"{x}::DATE")
        case "TIMESTAMPTZ":  # the format has no offset: nothing says which instant it is
            return DeclaredCheck(parsed, "false", f"{x}::TIMESTAMPTZ")
        case _:
            return DeclaredCheck(parsed, f"coalesce({same} AND {x} {_TIMES}, false)", f"{x}::{type_}")


def _matches(text: str, pattern: str) -> str:
    return f"strlen({text}) <= {LONGEST_TYPED} AND regexp_full_match({text}, {literal(pattern)})"


def _digits(number: str) -> str:
    """Return the significant digits of a number's text: equal ones prove that the nearest double is the value."""
    mantissa = f"split_part(lower({number}), 'e', 1)"
    return f"trim(regexp_replace({mantissa}, '[-+.]', '', 'g'), '0')"
