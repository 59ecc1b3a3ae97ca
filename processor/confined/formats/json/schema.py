"""Everything seen at each place of the documents."""

import re
from dataclasses import dataclass, field
from typing import Any

from processor.confined.formats.json import numbers
from processor.confined.formats.json.key_order import Keys, usual_order
from processor.confined.formats.json.parser import Number, is_writable

# An object with more distinct keys than this is a map, not a record; its value is kept as JSON text.
MOST_KEYS = 500
MOST_ROW_KEYS = 20_000
# All places below the rows' own keys together; beyond, objects that would bring new keys are kept as JSON text.
MOST_PLACES = 1_000
# The order of keys is learned from so many objects of a place, and from so many different orders.
_MOST_ORDERED, _MOST_ORDERS = 2_000, 100
# Containers below this level are kept as JSON text.
DEEPEST_TYPED = 32
# A sign, a point and 15 digits: what every double holds.
_SURE_CHARACTERS = 17
_SURE_DIGITS = 15
# Beyond, digits are not counted by their place.
_MOST_SCALE = 280
_TOO_MANY = "too many keys or levels for a type"

# A string that, written without quotes, could be taken for another JSON value.
_AMBIGUOUS = re.compile(
    r"[ \t\r\n]*(?:[\[{\"]|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)[ \t\r\n]*\Z)"
)
_AMBIGUOUS_BEGIN = frozenset(' \t\r\n[{"-0123456789tfn')


@dataclass(slots=True)
class Place:
    """All values seen at one place: at one key of one record, or as elements of one list.

    `admitted` tells that values were let pass without being looked at (a pattern proved their kind).
    """

    depth: int = 0
    seen: int = 0
    nulls: int = 0
    booleans: int = 0
    strings: int = 0
    integers: int = 0
    reals: int = 0
    objects: int = 0
    lists: int = 0
    all_int64: bool = True
    all_double: bool = True
    all_decimal: bool = True
    whole_digits: int = 1
    scale: int = 0
    exponents: bool = False
    long_doubles: bool = False  # some have more digits than every double holds
    minus_zero: bool = False  # written as an integer, -0: only a DOUBLE has it
    all_writable: bool = True
    ambiguous: bool = False
    admitted: bool = False
    opaque: str = ""  # why the value as a whole is kept as JSON text
    fields: dict[str, "Place"] = field(default_factory=dict)
    element: "Place | None" = None
    orders: dict[Keys, int] = field(default_factory=dict)  # of keys, and how many of the first objects have them

    @property
    def usual_order(self) -> list[str]:
        """Return the keys in the order that most objects have them in."""
        return usual_order(self.fields, self.orders)

    @property
    def kinds(self) -> int:
        """Return how many kinds of value were seen; integers and reals are both numbers, NULL is none."""
        return sum(
            count > 0 for count in (self.booleans, self.strings, self.integers + self.reals, self.objects, self.lists)
        )


class Schema:
    """The root place, whose values are the rows, and the bounds that all places share."""

    def __init__(self) -> None:
        self.root = Place()
        self.places = 0

    def learn(self, row: Any) -> None:
        """Take one row into account."""
        self._learn(self.root, row)

    def _learn(self, place: Place, value: Any) -> None:
        place.seen += 1
        kind = value.__class__
        if kind is Number:
            _learn_number(place, value)
        elif kind is str:
            _learn_string(place, value)
        elif value is None:
            place.nulls += 1
        elif kind is dict:
            self._learn_object(place, value)
        elif kind is list:
            self._learn_list(place, value)
        else:
            place.booleans += 1

    def _learn_object(self, place: Place, value: dict[str, Any]) -> None:
        place.objects += 1
        if place.opaque:
            return
        if place.objects <= _MOST_ORDERED:
            _note_order(place, value)
        fields = place.fields
        for key, item in value.items():
            known = fields.get(key)
            if known is None:
                if not self._may_grow(place):
                    place.opaque = _TOO_MANY
                    fields.clear()
                    place.orders.clear()
                    return
                known = fields[key] = self._new_place(place)
            self._learn(known, item)

    def _may_grow(self, place: Place) -> bool:
        if place is self.root:
            return len(place.fields) < MOST_ROW_KEYS
        return len(place.fields) < MOST_KEYS and self.places < MOST_PLACES and place.depth < DEEPEST_TYPED

    def _learn_list(self, place: Place, value: list[Any]) -> None:
        place.lists += 1
        if place.opaque:
            return
        if place.element is None:
            if place.depth >= DEEPEST_TYPED:
                place.opaque = _TOO_MANY
                return
            place.element = self._new_place(place)
        for item in value:
            self._learn(place.element, item)

    def _new_place(self, parent: Place) -> Place:
        self.places += parent is not self.root
        return Place(parent.depth + 1)


def _note_order(place: Place, value: dict[str, Any]) -> None:
    if len(value) <= MOST_KEYS:
        keys, orders = tuple(value), place.orders
        if keys in orders:
            orders[keys] += 1
        elif len(orders) < _MOST_ORDERS:
            orders[keys] = 1


def _learn_number(place: Place, number: Number) -> None:
    """Take a number into account; those of the usual forms, which are most, without arithmetic."""
    if len(number) <= _SURE_DIGITS and number.isdigit():
        place.integers += 1
        place.whole_digits = max(place.whole_digits, len(number))
        return
    whole, _, fraction = number.partition(".")
    if 0 < len(fraction) <= _MOST_SCALE and len(whole) <= _MOST_SCALE and fraction.isdigit():
        _learn_decimal(place, number, whole, fraction)
    else:
        _learn_any_number(place, number)


def _learn_decimal(place: Place, number: Number, whole: str, fraction: str) -> None:
    """Take a number with a point and without an exponent into account."""
    place.reals += 1
    place.long_doubles = place.long_doubles or len(number) > _SURE_CHARACTERS
    if place.all_double and len(number) > _SURE_DIGITS:
        place.all_double = repr(float(number)) == number or numbers.is_double(number)
    if whole[0] == "-":
        whole = whole[1:]
        if whole == "0" and not fraction.strip("0"):
            place.all_decimal = False  # a DECIMAL has no negative zero
    place.whole_digits = max(place.whole_digits, len(whole))
    place.scale = max(place.scale, len(fraction))


def _learn_any_number(place: Place, number: Number) -> None:
    if numbers.is_integer(number):
        place.integers += 1
        place.all_int64 = place.all_int64 and numbers.is_int64(number)
    else:
        place.reals += 1
        place.exponents = place.exponents or "e" in number or "E" in number
        place.long_doubles = place.long_doubles or len(number) > _SURE_CHARACTERS
        place.minus_zero = place.minus_zero or number == "-0"
    place.all_double = place.all_double and numbers.is_double(number)
    digits = numbers.decimal_digits(number) if place.all_decimal else None
    if digits is None:
        place.all_decimal = False
        return
    place.whole_digits = max(place.whole_digits, digits[0])
    place.scale = max(place.scale, digits[1])


def _learn_string(place: Place, text: str) -> None:
    place.strings += 1
    if place.all_writable and not text.isascii():
        place.all_writable = is_writable(text)
    if not place.ambiguous and text[:1] in _AMBIGUOUS_BEGIN:
        place.ambiguous = _AMBIGUOUS.match(text) is not None
