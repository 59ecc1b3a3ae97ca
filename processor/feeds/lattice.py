"""Join the types of many files by a fixed lattice.

BIGINT < DECIMAL < DOUBLE < VARCHAR; DATE < TIMESTAMP < TIMESTAMP_NS < VARCHAR; all-NULL < anything. Zones never mix
with what has none, and digits are never lost: where a join would do that, the column is text. The order of files is of
no matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from processor.domain.column_types import MOST_DIGITS, UnknownTypeError, canonical, decimal_digits, struct_fields

NOTHING = ""
"""The type of a column without a value."""
_BIGINT_DIGITS = 19
_DOUBLE_DIGITS = 15  # any decimal number of so many digits survives a double
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_NS")


@dataclass(frozen=True, slots=True, order=True)
class Witness:
    """A file that has a type, and why it has it there."""

    path: str
    reason: str


@dataclass(slots=True)
class Joined:
    """All that is known of one column, or of one place within it: of each type the first file by name."""

    types: dict[str, Witness] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)  # by type: how many
    fields: "dict[str, Joined]" = field(default_factory=dict)
    element: "Joined | None" = None

    def add(self, type_: str, witness: Witness) -> None:
        """Take what one more file has."""
        kind = self._taken_apart(type_, witness)
        self.types[kind] = min(witness, self.types.get(kind, witness))
        self.files[kind] = self.files.get(kind, 0) + 1

    def _taken_apart(self, type_: str, witness: Witness) -> str:
        """Return the type without what is in it, which is joined by itself."""
        try:
            type_ = canonical(type_) if type_ else NOTHING
            if type_.endswith("[]"):
                self.element = self.element or Joined()
                self.element.add(type_.removesuffix("[]"), witness)
                return "[]"
            for name, inner in struct_fields(type_):
                self.fields.setdefault(name, Joined()).add(inner, witness)
        except UnknownTypeError:
            return "VARCHAR"
        return "STRUCT" if type_.startswith("STRUCT(") else type_

    @property
    def type(self) -> str:
        """Return the type that holds all of it."""
        kinds = set(self.types) - {NOTHING}
        if kinds == {"[]"} and self.element is not None:
            return f"{self.element.type}[]"
        if kinds == {"STRUCT"}:
            return f"STRUCT({', '.join(f'{name} {inner.type}' for name, inner in self.fields.items())})"
        return join(kinds)

    @property
    def forced_by(self) -> Witness | None:
        """Return the file without which the type would be another; None where all agree."""
        kinds = sorted(set(self.types) - {NOTHING})
        if len(kinds) <= 1:
            return None
        result = join(set(kinds))
        for kind in kinds:
            if kind == result or join(set(kinds) - {kind}) != result:
                return self.types[kind]
        return min(self.types[kind] for kind in kinds)


def join(types: Iterable[str]) -> str:
    """Return the least type that holds all of these, which are canonical and not nested; VARCHAR holds everything."""
    kinds = set(types) - {NOTHING}
    if not kinds:
        return "VARCHAR"
    if len(kinds) == 1:
        return _alone(next(iter(kinds)))
    if kinds <= set(_TIMES):
        return max(kinds, key=_TIMES.index)
    return _number(kinds)


def holds(declared: str, found: str) -> bool:
    """Tell whether a column declared with one type can hold whatever earned the other."""
    return found == NOTHING or declared == "VARCHAR" or join({declared, found}) == declared


def _alone(kind: str) -> str:
    return "VARCHAR" if kind in ("[]", "STRUCT") else kind


def _number(kinds: set[str]) -> str:
    decimals = [digits for kind in kinds if (digits := decimal_digits(kind)) is not None]
    if not all(kind in ("BIGINT", "DOUBLE") or decimal_digits(kind) is not None for kind in kinds):
        return "VARCHAR"
    if "DOUBLE" in kinds:
        return "DOUBLE" if all(sum(digits) <= _DOUBLE_DIGITS for digits in decimals) else "VARCHAR"
    whole = max([digits[0] for digits in decimals] + ([_BIGINT_DIGITS] if "BIGINT" in kinds else []))
    behind = max(digits[1] for digits in decimals)
    return f"DECIMAL({whole + behind},{behind})" if whole + behind <= MOST_DIGITS else "VARCHAR"
