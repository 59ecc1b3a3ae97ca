"""Find the rows by structure, not by count.

From the root down through elements that hold nothing but one kind of child (the root may have attributes), the first
that holds anything else is the row. So one order and two have the same columns. But a child of the root that repeats is
the row; of several such children those with children of their own are, and the others belong to the envelope. When
there are still several, or when something stands between the rows, every child of the root is a row and has a column of
its own kind, so that the order of the document stays.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from processor.confined.formats.xml.parser import Path
from processor.confined.formats.xml.schema import ElementShape
from processor.domain.errors import DeliveryError, refused

TEXT_COLUMN = "#text"


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The wrappers, and the path of the rows; `row` is None when every child of a wrapper is a row of its kind."""

    wrappers: frozenset[Path]
    row: Path | None


class NoDeclaredRowError(Exception):
    """No element has the name that is declared for the rows."""

    def __init__(self, root: ElementShape, row: str) -> None:
        super().__init__(row)
        self.root, self.row = root, row

    def refusal(self) -> DeliveryError:
        """Return the failure of a document that must have rows."""
        return refused("feed.row", f"no element is called {self.row!r}", "correct row in [feed.xml]")


def may_hold_rows(root: ElementShape, columns: AbstractSet[str]) -> bool:
    """Tell whether a document without the declared row has anything that could be rows of these `columns`.

    An empty list of orders has wrappers and, below the root, single texts that are no columns; nothing else.
    """
    if root.has_characters or root.mixed:
        return True
    plain = [child for child in root.children.values() if child.is_plain and child.has_characters]
    if plain and (TEXT_COLUMN in columns or any(child.name in columns for child in plain)):
        return True
    return any(child.count > 1 or (child not in plain and _has_values(child)) for child in root.children.values())


def _has_values(shape: ElementShape) -> bool:
    """Tell whether the elements, or any below them, have a value or come more than once."""
    if shape.attributes or shape.has_characters or shape.mixed or shape.count > 1:
        return True
    return any(map(_has_values, shape.children.values()))


def decide(root: ElementShape, used: RowLayout | None, *, by_kind: bool) -> RowLayout:
    """Return the layout that the shapes call for.

    `used` is the layout with which they were found; what it has opened stays open even if it turns out to have text
    of its own. `by_kind` says that, by this layout, the envelope can not be told apart from the rows.
    """
    opened = used.wrappers if used else frozenset()
    rows = _repeated(root, opened) or [_first_record(root, opened)]
    wrappers = frozenset(path[:length] for path in rows for length in range(1, len(path)))
    several = len(rows) > 1
    if used is not None and wrappers and used.wrappers == wrappers:
        several = several or by_kind or used.row is None
    return RowLayout(wrappers, None if several else rows[0])


def declared_layout(root: ElementShape, row: str) -> RowLayout | None:
    """Return the layout in which the elements called `row` are the rows; None where there are none so far.

    Raises DeliveryError `feed.row` where they stand at several places.
    """
    found = list(_called(root, (root.name,), row))
    if len(found) > 1:
        places = ", ".join("/" + "/".join(path) for path in found)
        raise refused("feed.row", f"elements called {row!r} stand at {places}", "declare another row in [feed.xml]")
    return RowLayout(frozenset(found[0][:n] for n in range(1, len(found[0]))), found[0]) if found else None


def _called(shape: ElementShape, path: Path, name: str) -> Iterator[Path]:
    if path[-1] == name:
        yield path
        return
    for child in shape.children.values():
        yield from _called(child, (*path, child.name), name)


def _repeated(root: ElementShape, opened: frozenset[Path]) -> list[Path]:
    """Return the paths of the root's children that repeat, only those with children if there are such."""
    path = (root.name,)
    if root.mixed and path not in opened:
        return []
    found = [child for child in root.children.values() if child.count > 1]
    return [(*path, child.name) for child in [child for child in found if child.children] or found]


def _first_record(root: ElementShape, opened: frozenset[Path]) -> Path:
    path: Path = (root.name,)
    shape = root
    while shape.count <= 1 and _is_wrapper(shape, is_root=shape is root, is_open=path in opened):
        (shape,) = shape.children.values()
        path = (*path, shape.name)
    return path


def _is_wrapper(shape: ElementShape, *, is_root: bool, is_open: bool) -> bool:
    """Tell whether elements hold nothing but one kind of child."""
    if len(shape.children) != 1 or shape.has_characters or (shape.mixed and not is_open):
        return False
    return is_root or not shape.attributes
