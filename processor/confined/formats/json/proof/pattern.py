"""A regular expression that proves a line valid and expected.

The documents of one schema, keys in their usual order, are a regular language, and DuckDB's RE2 decides it in one pass
without backtracking. A match proves at once that the line is what RFC 8259 allows, that no key is unknown or doubled,
that every value has the kind of its column, and that every number survives its type. A line that does not match is
not wrong: it is looked at more closely.
"""

import re

from processor.confined.formats.json.parser import write_string
from processor.confined.formats.json.plan import Form, PlacePlan, RowPlan
from processor.confined.formats.json.schema import Place

_SPACE = r"[ \t]*"
_CHARACTERS = r'[^"\\\x00-\x1f]*'
_ESCAPE = (
    r'\\(?:["\\/bfnrt]|u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}'
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_STRING = f'"{_CHARACTERS}(?:{_ESCAPE}{_CHARACTERS})*"'
# A string that can not be mistaken for another JSON value when it stands without its quotes.
_UNMISTAKABLE = f'"(?:[^-0-9\\[{{tfn "\\\\\\x00-\\x1f]{_CHARACTERS}(?:{_ESCAPE}{_CHARACTERS})*)?"'
# A decimal of at most 15 significant digits survives a double; 18 digits fit 64 bits.
_DOUBLE_DIGITS = 15
_BIGINT_DIGITS = 18
# Seldom more digits are before the point; what a DECIMAL would need in the worst case stays within its 38.
_DOUBLE_WHOLE = 14
# Small numbers are often written 1e-7, so such exponents are let pass before one has been seen.
_SMALLEST_EXPONENT = 9
_PARTED = "|".join(
    f"[1-9][0-9]{{0,{whole - 1}}}\\.[0-9]{{1,{_DOUBLE_DIGITS - whole}}}" for whole in range(3, _DOUBLE_WHOLE, 3)
)
_DOUBLE = f"0|-?(?:0\\.[0-9]{{1,{_DOUBLE_DIGITS}}}|[1-9][0-9]{{0,{_DOUBLE_WHOLE - 1}}}|{_PARTED})(?:[eE]-0?[0-9])?"
_DOUBLE_WITH_EXPONENT = _DOUBLE.replace("[eE]-0?[0-9]", "[eE][-+]?[0-9]{1,2}")
# A decimal of any length; whether it is its double's shortest text is another question, which LONG_NUMBER is for.
_EXPONENT = "(?:[eE][-+]?[0-9]{1,3})?"
_LONG_DOUBLE = f"0|-?(?:(?:0|[1-9][0-9]*)\\.[0-9]+{_EXPONENT}|[1-9][0-9]{{0,{_DOUBLE_DIGITS - 1}}}{_EXPONENT})"
# A number with a point that may have more than 15 digits, or one that is far from 1.
LONG_NUMBER = (
    r"(?:[0-9]{1,4}\.[0-9]{12,}|[0-9]{5,}\.[0-9]{6,}|[0-9]{10,}\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[0-9.]+[eE][-+]?[0-9]{3}"
)
# More would cost more to compile than it saves.
_MOST_PLACES = 600


class Pattern:
    """The pattern of all rows seen so far, and what it lets pass unseen."""

    def __init__(self, root: Place, plan: RowPlan) -> None:
        """Make the pattern of rows that DuckDB may read as they stand; only for a plan that `can_prove`."""
        self._passed: list[tuple[Place, int, int]] = []
        self._passed_long: list[Place] = []
        self.proves_doubles = True  # else it remains to be shown that all numbers are in their shortest form
        self.text = f"{_SPACE}{self._object(root, plan.columns)}[ \\t\\r]*"

    def admit(self) -> None:
        """Widen what is known of each place by what matching lines may hold."""
        for place in self._passed_long:
            place.all_decimal = False
            place.admitted = True
        for place, whole_digits, scale in self._passed:
            place.whole_digits = max(place.whole_digits, whole_digits)
            place.scale = max(place.scale, scale)
            place.all_double = place.all_double and whole_digits <= _DOUBLE_DIGITS
            place.admitted = True

    def _value(self, place: Place, plan: PlacePlan) -> str:
        known = self._known(place, plan)
        return f"(?:{known}|null)" if known else "null"

    def _known(self, place: Place, plan: PlacePlan) -> str:
        match plan.form:
            case Form.BOOLEAN:
                return "true|false"
            case Form.BIGINT:
                return self._integer(place)
            case Form.DOUBLE:
                return self._double(place)
            case Form.STRING if place.strings:
                self._passed.append((place, 0, 0))
                return _STRING
            case Form.DECIMAL if place.integers:
                return f"0|-?[1-9][0-9]{{0,{place.whole_digits - 1}}}"  # of any length: DuckDB keeps them as text
            case Form.PLAIN | Form.JSON:
                return _own_text(place, plan)
            case Form.STRUCT:
                return self._object(place, plan.fields)
            case Form.LIST if place.element is not None and plan.element is not None:
                return self._list(place.element, plan.element)
        return ""

    def _integer(self, place: Place) -> str:
        digits = _DOUBLE_DIGITS if place.whole_digits <= _DOUBLE_DIGITS else _BIGINT_DIGITS
        self._passed.append((place, digits, 0))
        return f"0|-?[1-9][0-9]{{0,{digits - 1}}}"

    def _double(self, place: Place) -> str:
        if place.long_doubles:
            self.proves_doubles = False
            self._passed_long.append(place)
            return _LONG_DOUBLE
        if place.exponents:
            self._passed_long.append(place)
            return _DOUBLE_WITH_EXPONENT
        self._passed.append((place, _DOUBLE_WHOLE, _DOUBLE_DIGITS + _SMALLEST_EXPONENT))
        return _DOUBLE

    def _list(self, place: Place, plan: PlacePlan) -> str:
        element = self._value(place, plan)
        return f"\\[{_SPACE}(?:{element}{_SPACE}(?:,{_SPACE}{element}{_SPACE})*)?\\]"

    def _object(self, place: Place, plans: dict[str, PlacePlan]) -> str:
        """Return the pattern of an object; one key, the most frequent, is required so that commas can be counted."""
        keys = [key for key in place.usual_order if key in plans]
        pivot = max(range(len(keys)), key=lambda index: place.fields[keys[index]].seen)
        members = [
            f"{re.escape(write_string(key))}{_SPACE}:{_SPACE}{self._value(place.fields[key], plans[key])}{_SPACE}"
            for key in keys
        ]
        before = "".join(f"(?:{member},{_SPACE})?" for member in members[:pivot])
        after = "".join(f"(?:,{_SPACE}{member})?" for member in members[pivot + 1 :])
        return f"\\{{{_SPACE}(?:{before}{members[pivot]}{after})?\\}}"


def _own_text(place: Place, plan: PlacePlan) -> str:
    """Return the pattern of scalars that DuckDB turns into the very text that the column is to hold."""
    parts = []
    if place.integers:
        parts.append(f"0|-?[1-9][0-9]{{0,{_BIGINT_DIGITS - 1}}}")
    if place.booleans:
        parts.append("true|false")
    if place.strings and plan.form is Form.PLAIN:
        parts.append(_UNMISTAKABLE)
    return "|".join(parts)


def can_prove(plan: RowPlan) -> bool:
    """Tell whether there can be a pattern for rows of this plan."""
    named = len(plan.columns) - (plan.other is not None)
    return plan.is_record and named > 0 and sum(map(_places, plan.columns.values())) <= _MOST_PLACES


def _places(plan: PlacePlan) -> int:
    if plan.element is not None:
        return 2 * _places(plan.element)  # a list's pattern has its element's twice
    return 1 + sum(map(_places, plan.fields.values()))
