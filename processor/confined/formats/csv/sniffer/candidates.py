"""Candidate dialects for a text."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from processor.confined.formats.dialect import Dialect, Newline

_NEVER = frozenset(b"\"'\\\r\n._-/()[]{}<>`")
_MOST_DELIMITERS = 8
_FREQUENT = 20
_ENOUGH_QUOTES = 2
_BEFORE_QUOTES = b"\\^~#"  # escapes, when they stand before a quote of another kind
_ESCAPES = b"\\/^~!#$%&*@`'\"?|\0"
_ENOUGH_BARE = 10  # quotes inside of fields for one that is doubled: nobody doubled them
_ENCLOSING_SHARE = 0.5  # of all marks of a kind that is a quote
_MOSTLY_DOUBLED = 0.7
_MOSTLY_PAIRED = 0.5
_MOSTLY_IN_NUMBERS = 10  # lines for one that does not


def candidates(piece: bytes) -> Iterator[Dialect]:
    """Yield the dialects that something in `piece` speaks for."""
    for newline in _newlines(piece):
        for delimiter in (b"", *_delimiters(piece)):
            for quote in _quotes(piece, delimiter):
                for escape in _escapes(piece, quote, delimiter):
                    dialect = Dialect(delimiter, quote, escape, newline)
                    yield dialect
                    if delimiter == b" " and b"  " in piece:
                        yield replace(dialect, runs=True)
                    if delimiter and quote and _has_spaced_quotes(piece, delimiter, quote):
                        yield replace(dialect, spaced_quotes=True)


def _newlines(piece: bytes) -> list[Newline]:
    counts = endings(piece)
    separated = [Newline.RECORD_SEPARATOR] * (b"\x1e" in piece)
    if not counts:
        return separated or [Newline.ANY]
    if len(counts) == 1:
        return [Newline.ANY, *separated]
    # One kind may end the records while another stands inside of values.
    total = sum(counts.values())
    return [Newline.ANY, *(newline for newline, count in counts.items() if count > max(1, total / 4))]


def _delimiters(piece: bytes) -> list[bytes]:
    text = piece.decode("utf-8", "replace")
    lines = max(1, len(piece.splitlines()))
    counts = Counter(c for c in text if not c.isalnum() and ord(c) not in _NEVER and c not in "\x1e\ufffd")
    singles = [(count, c.encode()) for c, count in counts.items() if count >= lines / 2 or count > _FREQUENT]
    customary = [c.encode() for c in ",;\t|" if counts[c]]
    common = [c for _, c in sorted(singles, reverse=True)[:_MOST_DELIMITERS]]
    found = list(dict.fromkeys((*customary, *common)))
    doubled = [c * 2 for c in found if c not in (b" ", b"\t") and piece.count(c * 2) * 2 >= lines]
    doubled = [
        pair for pair in doubled if piece.count(pair) * 2 >= _MOSTLY_DOUBLED * piece.count(pair[: len(pair) // 2])
    ]
    pairs = [pair.encode() for pair, count in _punctuation_pairs(text) if count >= lines / 2]
    never_alone = [p[1:2] for p in pairs if len(p) > 2 and p[:1] == p[2:] and piece.count(p) == piece.count(p[1:2])]  # noqa: PLR2004
    return list(
        dict.fromkeys(c for c in (*found, *doubled, *pairs, *_spaced(piece, customary)) if c not in never_alone)
    )


def _spaced(piece: bytes, customary: list[bytes]) -> list[bytes]:
    """Return the separators that a space belongs to: a quote comes after it, or without it they stand in numbers."""
    return [c + b" " for c in customary if re.search(re.escape(c) + rb" [\"']", piece) or _is_in_numbers(piece, c)]


def _is_in_numbers(piece: bytes, mark: bytes) -> bool:
    """Whether the mark, where no space follows it, hardly stands elsewhere than in numbers."""
    lines = len(piece.splitlines())
    if not lines <= piece.count(mark + b" ") < piece.count(mark):
        return False
    elsewhere = re.findall(rb"(?<!\d)%b(?! )|%b(?![ \d])" % (re.escape(mark), re.escape(mark)), piece)
    return len(elsewhere) * _MOSTLY_IN_NUMBERS <= lines


def _punctuation_pairs(text: str) -> list[tuple[str, int]]:
    """Return unusual separators of two or three marks, such as ~|~ or |;|."""
    found = Counter(re.findall(r"(?<=[\w\"])([~^|;:#@$!*&%+=\t-]{2,3})(?=[\w\"])", text))
    counts = {pair: text.count(pair) for pair, _ in found.most_common(3)}
    # A mark that mostly stands alone separates alone: what follows it belongs to the values.
    return [
        (pair, count)
        for pair, count in counts.items()
        if all(count * pair.count(mark) >= _MOSTLY_PAIRED * text.count(mark) for mark in _deciding(pair))
        and not _encloses(pair, text)
    ]


def _deciding(pair: str) -> str:
    """Return the marks that hardly stand alone where the pair separates: of ~|~ the one in the middle."""
    return pair[1] if len(pair) > 2 and pair[0] == pair[2] else pair  # noqa: PLR2004


def _encloses(pair: str, text: str) -> bool:
    """Whether the outer marks of such a separator are quotes: lines begin and end with them, too."""
    lines = [line for line in text.splitlines() if line]
    return pair[0] == pair[-1] and sum(line[0] == line[-1] == pair[0] for line in lines) > len(lines) / 2


def _quotes(piece: bytes, delimiter: bytes) -> list[bytes]:
    """Return what may enclose fields: the usual quote, and what often stands on both sides of a field."""
    found = [b'"']
    edge = re.escape(delimiter) if delimiter else rb"[\r\n]"
    for mark in (bytes((byte,)) for byte in b"'`~|$%#*^@!&/"):
        if mark not in piece or mark in (delimiter, delimiter.strip()):
            continue
        one, marks = re.escape(mark), re.escape(_BEFORE_QUOTES.replace(mark, b""))
        inside = rb"(?:[^%b%b]++|%b%b|[%b].)*+" % (one, marks, one, one, marks)
        opening = one + (
            rb"(?! )" if delimiter == b" " else b""
        )  # what a space follows encloses nothing between spaces
        form = rb"(?:%b|[\r\n]|\A) ?(%b%b%b) ?(?=%b|[\r\n]|\Z)" % (edge, opening, inside, one, edge)
        enclosed = re.findall(form, piece, re.DOTALL)
        needed = bool(delimiter) and any(re.search(rb"%b|[\r\n]|%b%b" % (edge, one, one), t[1:-1]) for t in enclosed)
        alone = enclosed if mark == b"'" else [text for text in enclosed if b"\n" not in text and b"\r" not in text]
        enough = min(len(alone), _lines_with(piece, mark)) >= _ENOUGH_QUOTES or (needed and mark == b"'")
        share = sum(text.count(mark) for text in enclosed) / piece.count(mark)
        if (enough and share >= _ENCLOSING_SHARE) or (mark == b"'" and _opens_as_often_as_it_closes(piece, edge)):
            found.append(mark)
    return found


def _opens_as_often_as_it_closes(piece: bytes, edge: bytes) -> bool:
    """Whether apostrophes that begin fields and those that end them are pairs: others then stand inside as they are."""
    opens = len(re.findall(rb"(?:%b|[\r\n]|\A)'(?!%b|[\r\n]|\Z)" % (edge, edge), piece))
    closes = len(re.findall(rb"(?<!%b)(?<![\r\n])'(?=%b|[\r\n]|\Z)" % (edge, edge), piece))
    return opens == closes >= _ENOUGH_QUOTES


def _lines_with(piece: bytes, mark: bytes) -> int:
    return sum(mark in line for line in piece.splitlines())


def _escapes(piece: bytes, quote: bytes, delimiter: bytes) -> list[bytes]:
    """Return what may stand before a quote inside a quoted field, or before a separator that is none."""
    found = [quote]
    if (delimiter and b"\\" + delimiter in piece) or b"\\" + quote in piece:
        found.append(b"\\")
    one, edge = re.escape(quote), re.escape(delimiter or b"\n")
    if delimiter and _has_spaced_quotes(piece, delimiter, quote):
        piece = re.sub(rb"(?<=%b)[ \t]+(?=%b)|(?<=%b)[ \t]+(?=%b)" % (edge, one, one, edge), b"", piece)
    inside = rb"(?!%b|[\r\n]|%b|\Z)" % (edge, one)
    inner = len(re.findall(rb"(?<!%b)(?<![\r\n%b])%b%b" % (edge, one, one, inside), piece))
    marks = re.escape(_ESCAPES.translate(None, quote + delimiter))
    before = Counter(re.findall(rb"(?<!%b)([%b])%b%b" % (edge, marks, one, inside), piece))
    found += [mark for mark, count in before.most_common(3) if mark not in found and 2 * count >= inner]
    doubled = len(re.findall(rb"(?<!%b)(?<![\r\n%b])%b{2}%b" % (edge, one, one, inside), piece))
    if found == [quote] and inner >= _ENOUGH_QUOTES and doubled * _ENOUGH_BARE <= inner:
        found.append(b"")
    return found


def _has_spaced_quotes(piece: bytes, delimiter: bytes, quote: bytes) -> bool:
    d, q = re.escape(delimiter), re.escape(quote)
    return not delimiter.isspace() and bool(re.search(rb"%b[ \t]+%b|%b[ \t]+%b" % (d, q, q, d), piece))


def endings(piece: bytes) -> dict[Newline, int]:
    """Return how often each kind of line ending stands in the text."""
    pairs = piece.count(b"\r\n")
    counts = {
        Newline.CRLF: pairs,
        Newline.LF: piece.count(b"\n") - pairs,
        Newline.CR: piece.count(b"\r") - pairs,
    }
    return {newline: count for newline, count in counts.items() if count}
