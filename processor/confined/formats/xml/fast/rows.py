"""Read rows of any shape in bulk.

What is taken is well-formed and fits the record in every tag; that all characters and references are such as XML has is
looked at for many rows at once. Whatever is not taken is left to the parser, row by row.
"""

import re

from processor.confined.formats.xml.fast.automaton import Automaton, RowAutomaton
from processor.confined.formats.xml.fast.patterns import Patterns, double_quoted, plain
from processor.confined.formats.xml.fast.run import AutomatonRun
from processor.confined.formats.xml.fast.text import finished, has_characters, has_references_only


class BulkRows:
    """Takes rows of certain names, children of one element."""

    def __init__(self, rows: dict[str, RowAutomaton]) -> None:
        self._automaton = Automaton(rows)
        self._patterns = Patterns(self._automaton)
        names = b"|".join(re.escape(name.encode()) for name in rows)
        self._begin = re.compile(b"<(?:%b)(?=[ \\t\\n/>])" % names)
        self._first = re.compile(b"[ \\t\\n]*+(?=%b)" % self._begin.pattern)

    def take(self, buffer: bytes, start: int) -> tuple[int, int, bytes | None]:
        """Return where the rows end that begin at `start`, their number, and JSON Lines of them (None: in doubt)."""
        end, rows, sections, json = self._run(buffer, start)
        if not rows:
            return end, 0, b""
        return end, rows, finished(json) if has_characters(buffer[start:end], sections) else None

    def skip(self, buffer: bytes, start: int) -> tuple[int, int, bool]:
        """Return where the rows end that begin at `start`, their number, and whether they are XML in all they say."""
        end, rows, sections, json = self._run(buffer, start)
        return end, rows, has_characters(buffer[start:end], sections) and has_references_only(json)

    def _run(self, buffer: bytes, end: int) -> tuple[int, int, int, bytes]:
        """Return where the rows end, how many they are and how many CDATA sections they have, and their JSON."""
        json: list[bytes] = []
        rows = sections = 0
        search, written = self._begin.search, self._patterns.written
        while first := self._first.match(buffer, end):
            begin = first.end()
            while following := search(buffer, begin + 1):
                row, inner = buffer[begin : following.start()], 0
                if b"<!" in row:
                    row, inner = plain(row)
                if b"'" in row and b"<!" not in row:
                    row = double_quoted(row)
                found = written(row)
                if found is None:
                    break
                json.append(found)
                rows += 1
                sections += inner
                begin = end = following.start()
            run = self._automatic(buffer, begin, following.start() if following else len(buffer))
            json += run.json
            rows += run.rows
            sections += run.sections
            if run.rows:
                end = begin + run.taken
            if run.is_irregular or not run.rows:
                break
        return end, rows, sections, b"".join(json)

    def _automatic(self, buffer: bytes, begin: int, end: int) -> AutomatonRun:
        """Run the automaton over what is likely to be one row, and over more of the buffer if that is only a part."""
        while True:
            run = AutomatonRun(self._automaton, buffer[begin:end])
            run.run()
            if run.rows or run.is_irregular or end >= len(buffer):
                return run
            end = begin + 8 * (end - begin)
