"""A sliding buffer of text in which lines are found."""

import re
from collections.abc import Iterable

from processor.confined.formats.dialect import Newline
from processor.domain.errors import refused

# A line or a quoted field beyond this is no table that anyone meant; it bounds memory.
LONGEST_RECORD = 64 << 20
SETTLED_BYTES = 1 << 18
_MOST_GROWN = 8 << 20
_ANY_ENDING = re.compile(rb"\r\n|\n|\r")


class LineBuffer:
    """The part of a text that is looked at: `held`, from `at` on not yet taken. It grows at its end on demand."""

    def __init__(self, chunks: Iterable[bytes], newline: Newline) -> None:
        self.chunks = iter(chunks)
        self.ending = b"" if newline is Newline.ANY else newline.encode()
        self.held = b""
        self.at = 0
        self.ended = False
        self.has_cr = False

    def line(self, start: int) -> tuple[int, int] | None:
        """Return where the line that begins at `start` ends, without and with its ending; None at the text's end."""
        searched = start
        while (found := self._ending(searched)) is None:
            if self.ended:
                return (len(self.held), len(self.held)) if start < len(self.held) else None
            if len(self.held) - start > LONGEST_RECORD:
                raise refused(
                    "csv.line-too-long",
                    f"a line is longer than {LONGEST_RECORD >> 20} MiB, whatever WORKER_MEMORY is",
                    "is this a table? What separates its lines may be another character",
                )
            searched = max(start, len(self.held) - 1)
            self.grow()
        return found

    def _ending(self, start: int) -> tuple[int, int] | None:
        if self.ending or not self.has_cr:
            ending = self.ending or b"\n"
            at = self.held.find(ending, start)
            return (at, at + len(ending)) if at >= 0 else None
        match = _ANY_ENDING.search(self.held, start)
        if match is None or (match[0] == b"\r" and match.end() == len(self.held) and not self.ended):
            return None  # a CR at the very end may be half of a CRLF
        return match.span()

    def endings(self, start: int, end: int) -> int:
        """Return the number of line endings between two places."""
        if self.ending:
            return self.held.count(self.ending, start, end)
        count = self.held.count(b"\n", start, end)
        if self.has_cr:
            count += self.held.count(b"\r", start, end) - self.held.count(b"\r\n", start, end)
        return count

    def settle(self) -> None:
        """Let go of what was taken, when it is more than what is left: places found before are void then."""
        if self.at > SETTLED_BYTES and self.at > len(self.held) - self.at:
            self.held = self.held[self.at :]
            self.at = 0

    def grow(self) -> None:
        """Add a piece, or as many as to double what is left, so that looking far ahead costs no copy for each piece."""
        wanted = min(len(self.held) - self.at, _MOST_GROWN)
        pieces = [self.held]
        while (piece := next(self.chunks, None)) is not None:
            pieces.append(piece)
            wanted -= len(piece)
            if piece and wanted <= 0:
                break
        else:
            self.ended = True
        self.held = b"".join(pieces)
        self.has_cr = self.has_cr or any(b"\r" in piece for piece in pieces[1:])
