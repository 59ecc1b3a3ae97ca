"""Prove values by writing the rows again in SQL.

What is written is JSON by construction and tells every value exactly, so a line that is the very same text is valid,
has no key twice, none unknown, and each value of the kind and with the digits that its column has. This costs a third
of what the regular expression of `pattern` does, but only lines in the file's usual style are proved by it: the
same spaces, keys in the same order, numbers and strings in their shortest form. Whatever is guessed here from a sample
may be wrong without harm: a line that is another text is proved in another way, or looked at.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from processor.confined.formats.json.parser import write_string
from processor.confined.formats.json.plan import Form, PlacePlan
from processor.confined.formats.json.proof.unique_keys import has_keys_once
from processor.confined.formats.json.schema import Place
from processor.confined.formats.sql import literal, quoted

_PADDED_EXPONENT = re.compile(rb"[0-9]e-0[0-9]")
# Strings are written with escapes when more than one row in so many has some.
_SELDOM = 20
# The proof of a JSON text takes a MB or two and some ms to plan.
_MOST_TEXTS = 16
# Doubles that are whole numbers are written without a point up to here; beyond, writers differ.
_WHOLE = 1e15


@dataclass(frozen=True, slots=True)
class Style:
    """How the rows of a file are written."""

    comma: str = ","
    colon: str = ":"
    line_end: str = ""
    escapes: bool = False
    padded_exponents: bool = False  # 1e-07, as C and Python write it, where others write 1e-7


def style_of(rows: Sequence[bytes]) -> Style:
    """Return how most of `rows` seem to be written."""
    return Style(
        comma=", " if _most(rows, b', "') else ",",
        colon=": " if _most(rows, b'": ') else ":",
        line_end="\r" if sum(row.endswith(b"\r") for row in rows) * 2 > len(rows) else "",
        escapes=sum(b"\\" in row for row in rows) * _SELDOM > len(rows),
        padded_exponents=any(map(_PADDED_EXPONENT.search, rows)),
    )


def _most(rows: Sequence[bytes], spaced: bytes) -> bool:
    """Tell whether the piece of syntax `spaced` stands more often with its space than without."""
    dense = spaced.replace(b" ", b"")
    with_space = sum(row.count(spaced) for row in rows)
    return with_space > sum(row.count(dense) for row in rows) - (with_space if spaced.endswith(b" ") else 0)


class _Text(str):
    """A piece of the row that is always the same; all other pieces are SQL."""

    __slots__ = ()


_Pieces = list[str]


class Echo:
    """The condition that a line is what its values are when they are written again."""

    def __init__(self, root: Place, fields: dict[str, PlacePlan], style: Style) -> None:
        """Write rows with these `fields`; in SQL `j` is the line, `r` the struct of its values."""
        self._style = style
        self._may_have_nan = False
        self._lambdas = 0
        text = _concat([*self._object(root, fields, "r"), _Text(style.line_end)])
        conditions = [f"{text} = j"]
        if not style.escapes:
            # Without a backslash in the line no string can hold what its text does not show.
            conditions.append(r"NOT contains(j, '\')")
        if self._may_have_nan:
            conditions.append("NOT contains(j, 'NaN') AND NOT contains(j, 'Infinity')")
        self.condition = f"({' AND '.join(conditions)})"

    def _object(self, place: Place, plans: dict[str, PlacePlan], value: str) -> _Pieces:
        """Return the object; members that may be missing come with the comma that goes with them."""
        keys = [key for key in place.usual_order if key in plans]
        always = [place.fields[key].seen == place.objects for key in keys]
        members = [self._member(place.fields[key], plans[key], key, f"{value}.{quoted(key)}") for key in keys]
        if True not in always:
            joined = ", ".join(f"CASE WHEN {given} THEN {_concat(pieces)} END" for given, pieces in members)
            return [_Text("{"), f"concat_ws({literal(self._style.comma)}, {joined})", _Text("}")]
        first = always.index(True)
        comma = _Text(self._style.comma)
        pieces: _Pieces = [_Text("{")]
        for index, (given, member) in enumerate(members):
            with_comma = [*member, comma] if index < first else [comma, *member] if index > first else member
            pieces += with_comma if always[index] else [f"CASE WHEN {given} THEN {_concat(with_comma)} END"]
        return [*pieces, _Text("}")]

    def _member(self, place: Place, plan: PlacePlan, key: str, value: str) -> tuple[str, _Pieces]:
        """Return the condition that the member is there, and the member."""
        name = write_string(key)
        head = _Text(f"{name}{self._style.colon}")
        given = f"{value} IS NOT NULL"
        if place.nulls:
            given += f" OR contains(j, {literal(f'{head}null')})"
        return given, [head, *self._value_or_null(place, plan, value)]

    def _value_or_null(self, place: Place, plan: PlacePlan, value: str) -> _Pieces:
        if not place.nulls:
            return self._value(place, plan, value)
        return [f"CASE WHEN {value} IS NULL THEN 'null' ELSE {_concat(self._value(place, plan, value))} END"]

    def _value(self, place: Place, plan: PlacePlan, value: str) -> _Pieces:
        """Return what is written for a value that is not NULL."""
        if plan.form is Form.STRUCT:
            return self._object(place, plan.fields, value)
        if plan.form is Form.LIST and place.element is not None and plan.element is not None:
            return self._list(place.element, plan.element, value)
        if plan.form is Form.STRING:
            return [f"to_json({value})"] if self._style.escapes else [_Text('"'), value, _Text('"')]
        if plan.form is Form.JSON:
            return [self._json_text(place, value)]
        if plan.form is Form.DOUBLE:
            return [self._double(place, value)]
        return [f"{value}::VARCHAR"]

    def _json_text(self, place: Place, value: str) -> str:
        self._may_have_nan = True
        if place.kinds == 1 and place.objects and not (place.opaque or place.fields):
            return f"CASE WHEN {value} = '{{}}' THEN {value} END"  # a key would make it a struct
        # A string's own text stands without its quotes there, so it must not look as if it had some.
        proved = f"NOT prefix({value}, '\"') AND {has_keys_once(value)}"
        return f"CASE WHEN {proved} THEN {self._spaced(value)} END"

    def _spaced(self, text: str) -> str:
        """Return JSON text without spaces in the style of the file.

        Spaces may come into its strings as well: that makes it another text than that of its line, where none are.
        """
        colon, comma = literal(f'"{self._style.colon}'), literal(f'{self._style.comma}"')
        text = text if self._style.colon == ":" else f"replace({text}, '\":', {colon})"
        return text if self._style.comma == "," else f"replace({text}, ',\"', {comma})"

    def _double(self, place: Place, value: str) -> str:
        text = f"{value}::VARCHAR" if self._style.padded_exponents else f"to_json({value})::VARCHAR"
        if place.integers:
            whole = f"{value} = trunc({value}) AND abs({value}) < {_WHOLE:.0f}"
            text = f"CASE WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {text} END"
        return f"CASE WHEN isfinite({value}) THEN {text} END"

    def _list(self, place: Place, plan: PlacePlan, value: str) -> _Pieces:
        if (numbers := self._listed_numbers(place, plan, value)) is not None:
            return [numbers]
        if plan.form is Form.STRING and self._style.comma == ",":
            return [f"to_json({value})"]
        self._lambdas += 1
        item = f"e{self._lambdas}"
        element = _concat(self._value_or_null(place, plan, item))
        items = f"list_transform({value}, lambda {item}: {element})"
        return [_Text("["), f"array_to_string({items}, {literal(self._style.comma)})", _Text("]")]

    def _listed_numbers(self, place: Place, plan: PlacePlan, value: str) -> str | None:
        """Return the text of a list, or of lists of lists, of numbers or truth values; None for a list of others."""
        if plan.form is Form.LIST and place.element is not None and plan.element is not None:
            return self._listed_numbers(place.element, plan.element, value)
        if plan.form not in (Form.BIGINT, Form.DOUBLE, Form.BOOLEAN):
            return None
        text = f"to_json({value})::VARCHAR"
        if plan.form is Form.DOUBLE:
            self._may_have_nan = True
            if place.integers:
                text = f"replace(replace({text}, '.0,', ','), '.0]', ']')"
        return text if self._style.comma == "," else f"replace({text}, ',', {literal(self._style.comma)})"


def _concat(pieces: Sequence[str]) -> str:
    """Return the SQL of the pieces put together; a NULL is no text at all."""
    merged: list[str] = []
    text = ""
    for piece in pieces:
        if isinstance(piece, _Text):
            text += piece
            continue
        merged += [literal(text), piece] if text else [piece]
        text = ""
    if text:
        merged.append(literal(text))
    return f"concat({', '.join(merged)})" if merged else "''"


def can_echo(fields: dict[str, PlacePlan]) -> bool:
    """Tell whether all values tell how they were written, and all keys are written as they are."""
    return _can_echo_all(fields) and sum(map(_texts, fields.values())) <= _MOST_TEXTS


def _can_echo_all(fields: dict[str, PlacePlan]) -> bool:
    return all("\\" not in write_string(key) and _can_echo(plan) for key, plan in fields.items())


def _can_echo(plan: PlacePlan) -> bool:
    if plan.element is not None:
        return _can_echo(plan.element)
    return _can_echo_all(plan.fields) if plan.fields else plan.form is not Form.PLAIN


def _texts(plan: PlacePlan) -> int:
    """Return how many places have JSON text."""
    if plan.element is not None:
        return _texts(plan.element)
    return sum(map(_texts, plan.fields.values())) + (plan.form is Form.JSON)
