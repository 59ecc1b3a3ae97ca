"""Choose files by path, status, reason, feed and time."""

from dataclasses import dataclass
from typing import Any

from processor.domain.status import Status

CODE = (
    "(SELECT json_extract(detail, '$.failure.code') FROM history"
    " WHERE file_id=f.id AND event='failed' ORDER BY at DESC LIMIT 1)"
)
"""Why a file `f` failed last."""
_OF_FEED = "SELECT ff.file_id FROM feed_files ff JOIN feeds d ON d.id=ff.feed WHERE d.name=?"
_OF_ANY_FEED = "SELECT file_id FROM feed_files"


@dataclass(frozen=True, slots=True)
class ChosenFiles:
    """Files that are meant; what is not given does not matter. `text` is part of the path, of ASCII in either case.

    `code` is a reason to fail, `feed` a feed's name, "": those of none. A file counts from `since_ms` to before
    `until_ms` by its last change.
    """

    text: str = ""
    status: Status | None = None
    code: str | None = None
    feed: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def where(self) -> tuple[str, tuple[Any, ...]]:
        """Return the condition on `file_progress f`, and its values."""
        parts: list[tuple[str, tuple[Any, ...]]] = []
        if self.text:
            # The index of paths is read first, and rows only for what it found: several times as fast as all rows.
            found = "+f.id IN (SELECT id FROM file_progress WHERE file_path LIKE ? ESCAPE '\\')"
            parts.append((found, (f"%{_literal(self.text)}%",)))
        status = Status.FAILED if self.code is not None else self.status
        if status is not None:
            # Few fail or are on their way: their index is the short way; through many, time's index is.
            unindexed = "" if status in (Status.FAILED, Status.IN_PROGRESS) else "+"
            parts.append((f"{unindexed}f.status=?", (str(status),)))
        if self.code is not None:
            parts.append((f"{CODE}=?", (self.code,)))
        if self.feed is not None:
            parts.append(
                (f"+f.id IN ({_OF_FEED})", (self.feed,)) if self.feed else (f"+f.id NOT IN ({_OF_ANY_FEED})", ())
            )
        if self.since_ms is not None:
            parts.append(("f.updated_at>=?", (self.since_ms,)))
        if self.until_ms is not None:
            parts.append(("f.updated_at<?", (self.until_ms,)))
        return " AND ".join(text for text, _ in parts) or "1", tuple(each for _, some in parts for each in some)


def _literal(text: str) -> str:
    """Return `text` so that LIKE takes it as it stands."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
