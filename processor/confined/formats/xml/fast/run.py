"""One run of the automaton over a piece of text."""

import re
from collections.abc import Iterator
from operator import length_hint

from processor.confined.formats.xml.fast.automaton import Automaton, Does, Edge, Element, TagState, Takes, parted
from processor.confined.formats.xml.fast.raw_content import OutOfReachError, keep
from processor.confined.formats.xml.fast.text import AMPERSAND

_BLANK = b" \t\n"
_MOST_PIECES = 1_000
_NO_VALUES: list[bytes] = []
_WHOLE_TAG = re.compile(rb"((?:[^\"'>]|\"[^\"]*\"|'[^']*')*)>")


class AutomatonRun:
    """A run over `data`: how many `rows` are whole in it, how many bytes were `taken` with them, and their `json`."""

    def __init__(self, automaton: Automaton, data: bytes) -> None:
        self._automaton = automaton
        self._pieces = data.split(b"<")
        if b">" not in self._pieces[-1]:
            self._pieces.pop()
        self.json: list[bytes] = []
        self.rows = self.sections = self.taken = 0
        self.is_irregular = False
        self._sections = 0  # those of the row that is not complete included

    def run(self) -> None:
        """Take as many rows as there are; what is left of `json` belongs to whole rows."""
        if not self._pieces:
            return
        pieces = iter(self._pieces)
        self.is_irregular = bool(next(pieces).strip(_BLANK))
        left, size = length_hint(pieces), 0
        if not self.is_irregular:
            left, size = self._follow(pieces, left)
        del self.json[size:]
        if self.rows:
            used = self._pieces[: len(self._pieces) - left]
            behind = len(used[-1]) - used[-1].rindex(b">") - 1
            self.taken = sum(map(len, used)) + len(used) - 1 - behind

    def _follow(  # noqa: C901, PLR0912, PLR0915 - a call for each tag would double what a tag costs
        self, pieces: Iterator[bytes], left: int
    ) -> tuple[int, int]:
        """Go from state to state; return how many pieces and how much JSON there were at the end of the last row."""
        json, automaton = self.json, self._automaton
        add, start = json.append, automaton.start
        stack: list[tuple[TagState, bytes, int, Element | None]] = []
        state, size = start, 0
        for piece in pieces:
            edge = state.get(piece)
            text, values = b"", _NO_VALUES
            if edge is None:
                if piece[:1] == b"!":
                    section = self._section(piece, pieces)
                    if section is None:
                        break
                    content, text = section
                    if content:
                        if state.takes is not Takes.VALUE:
                            self.is_irregular = True
                            break
                        add(content.replace(b"&", AMPERSAND))
                    edge = (b"", state, None)
                else:
                    tag, end, text = piece.partition(b">")
                    edge = state.get(tag + end)
                    if edge is None:
                        found = self._look(state, piece)
                        if found is None:
                            self.is_irregular = True
                            break
                        edge, values, text = found
                    elif not text or text.isspace():
                        _remember(state, piece, edge)
            first, state, more = edge
            add(first)
            if more is not None:
                does, rest, known, closing, after, element = more
                if known is not None and not known.isdisjoint(json[stack[-1][2] : -1]):
                    self.is_irregular = True
                    break
                if rest:
                    add(rest % tuple(values))
                if does is Does.OPENS:
                    assert after is not None
                    assert element is not None
                    stack.append((after, closing, len(json), element if element.is_tangled else None))
                elif does is Does.CLOSES:
                    state, closing, begin, element = stack.pop()
                    if element is not None and not self._untangle(element, begin):
                        break
                    add(closing)
                elif does is Does.KEEPS_XML:
                    assert element is not None
                    behind = self._keep(element.shape.name, text, pieces)
                    if behind is None:
                        break
                    text = behind
                    add(closing)
            if state is start and (first or more is not None):
                self.rows += 1
                self.sections = self._sections
                left, size = length_hint(pieces), len(json)
            if text:
                takes = state.takes
                if takes is Takes.VALUE:
                    add(text)
                elif takes is Takes.NOTHING or text.strip(_BLANK):
                    self.is_irregular = True
                    break
        return left, size

    def _look(self, state: TagState, piece: bytes) -> tuple[Edge, list[bytes], bytes] | None:
        """Return the edge of a tag with attributes or of one that is new, the values, and the text behind the tag."""
        whole = _WHOLE_TAG.match(piece)
        if whole is None:
            return None
        tag, text = whole[1], piece[whole.end() :]
        key, values = parted(tag)
        edge = state.get(key)
        if edge is None:
            edge = self._automaton.edge(state, tag)
            if edge is None:
                return None
            state[key if values else tag + b">"] = edge  # with its end: what has none is no tag
        return edge, values, text

    def _section(self, piece: bytes, pieces: Iterator[bytes]) -> tuple[bytes, bytes] | None:
        """Return the text of a CDATA section, b"" of a comment, and what follows; None if neither, or not whole."""
        if piece.startswith(b"![CDATA["):
            found = _until(b"]]>", piece[8:], pieces)
            self._sections += 1
            return found
        found = _until(b"-->", piece[3:], pieces) if piece.startswith(b"!--") else (b"--", b"")
        if found is not None and (b"--" in found[0] or found[0].endswith(b"-")):
            self.is_irregular = True
            return None
        return None if found is None else (b"", found[1])

    def _keep(self, name: str, text: bytes, pieces: Iterator[bytes]) -> bytes | None:
        try:
            return keep(name, text, pieces, self.json, self._section)
        except OutOfReachError:
            self.is_irregular = True
            return None

    def _untangle(self, element: Element, begin: int) -> bool:
        fields = element.tangled(b"".join(self.json[begin:]))
        if fields is None:
            self.is_irregular = True
            return False
        self.json[begin:] = [fields]
        return True


def _remember(state: TagState, piece: bytes, edge: Edge) -> None:
    """Let the state know a tag together with the white space behind it."""
    _, to, more = edge
    if to.takes is Takes.BLANK and len(state) < _MOST_PIECES and (more is None or more.does is not Does.KEEPS_XML):
        state[piece] = edge


def _until(end: bytes, begin: bytes, pieces: Iterator[bytes]) -> tuple[bytes, bytes] | None:
    """Return what comes before `end` and what follows it in the same piece; None if the pieces have no such end."""
    parts = [begin]
    while end not in parts[-1]:
        piece = next(pieces, None)
        if piece is None:
            return None
        parts.append(piece)
    last, _, behind = parts.pop().partition(end)
    return b"<".join([*parts, last]), behind
