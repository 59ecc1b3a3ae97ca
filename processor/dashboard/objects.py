"""Objects of a file, searched and added up."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PAGE_OBJECTS = 100
MOST_READ = 200_000


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page of the objects that match, and the sums of all that do; `more`: the manifest goes on beyond them."""

    entries: tuple[dict[str, Any], ...]
    objects: int
    omitted: int
    size_bytes: int
    rows: int
    rejected_rows: int
    first: int
    after: int | None
    more: bool

    @property
    def before(self) -> int:
        """Return the first of the page before."""
        return max(0, self.first - PAGE_OBJECTS)


def object_page(entries: Iterable[dict[str, Any]], text: str, first: int) -> ObjectPage:
    """Return the objects whose key or member holds the text (letters of either case), from number `first` on."""
    wanted, shown = text.casefold(), []
    objects = omitted = size_bytes = rows = rejected = 0
    more = False
    for number, entry in enumerate(entries):
        if number == MOST_READ:
            more = True
            break
        if wanted and wanted not in f"{entry.get('key', '')}\n{entry.get('member', '')}".casefold():
            continue
        if first <= objects + omitted < first + PAGE_OBJECTS:
            shown.append(entry)
        objects, omitted = objects + ("omitted" not in entry), omitted + ("omitted" in entry)
        size_bytes += entry.get("size_bytes", 0)
        rows += entry.get("rows") or 0
        rejected += entry.get("rejected_rows", 0)
    after = first + PAGE_OBJECTS if objects + omitted > first + PAGE_OBJECTS else None
    return ObjectPage(tuple(shown), objects, omitted, size_bytes, rows, rejected, first, after, more)
