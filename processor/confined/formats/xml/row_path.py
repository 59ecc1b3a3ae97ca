"""Decide which elements are the rows.

A row is a repeated child of the root, or of an element below it that occurs once, at any depth (those above the rows
are the wrappers). Of several repeated elements those with children are rows and the others belong to the envelope. When
there are still several, or when something stands between the rows, every child of a wrapper is a row and has a column
of its own kind, so that the order of the document stays. Without any repetition the root is the one row, or the
innermost element that is an only child.
"""

from dataclasses import dataclass

from processor.confined.formats.xml.parser import Path
from processor.confined.formats.xml.schema import ElementShape


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The wrappers, and the path of the rows; `row` is None when every child of a wrapper is a row of its kind."""

    wrappers: frozenset[Path]
    row: Path | None


def decide(root: ElementShape, used: RowLayout | None, *, by_kind: bool) -> RowLayout:
    """Return the layout that the shapes call for.

    `used` is the layout with which they were found; what it has opened stays open even if it turns out to have text
    of its own. `by_kind` says that, by this layout, the envelope can not be told apart from the rows.
    """
    opened = used.wrappers if used else frozenset()
    found = _repeated(root, (root.name,), opened)
    records = [path for path, shape in found if shape.children]
    rows = records or [path for path, _ in found] or [_only_child(root)]
    wrappers = frozenset(path[:length] for path in rows for length in range(1, len(path)))
    several = len(rows) > 1
    if used is not None and wrappers and used.wrappers == wrappers:
        several = several or by_kind or used.row is None
    return RowLayout(wrappers, None if several else rows[0])


def _repeated(shape: ElementShape, path: Path, opened: frozenset[Path]) -> list[tuple[Path, ElementShape]]:
    if shape.mixed and path not in opened:
        return []
    found: list[tuple[Path, ElementShape]] = []
    for name, child in shape.children.items():
        if child.count > 1:
            found.append(((*path, name), child))
        elif child.children:
            found += _repeated(child, (*path, name), opened)
    return found


def _only_child(root: ElementShape) -> Path:
    path: Path = (root.name,)
    shape = root
    while len(shape.children) == 1 and not (shape.mixed or shape.has_characters):
        (child,) = shape.children.values()
        if not child.children:
            break
        path, shape = (*path, child.name), child
    return path
