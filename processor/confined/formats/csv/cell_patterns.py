"""Classes of cells, and their plausibility in a table.

This is the type part of the evidence that decides a dialect (in the spirit of "Wrangling messy CSV files by detecting
row and type patterns", van den Burg, Nazabal, Sutton, 2019): the right dialect leaves cells that look like values, the
wrong one leaves cells that look like pieces of a line.
"""

import re
from enum import Enum
from functools import lru_cache


class CellClass(Enum):
    """The class of a cell and how plausible a cell of this class is."""

    EMPTY = ("empty", 0.85)
    NUMBER = ("number", 1.0)
    DATE = ("date", 1.0)
    TIME = ("time", 1.0)
    MOMENT = ("moment", 1.0)
    TRUTH = ("truth", 1.0)
    MISSING = ("missing", 0.9)
    ADDRESS = ("address", 1.0)  # of the web or of mail
    CODE = ("code", 0.95)  # one word: letters, digits, - _ . /
    WORDS = ("words", 0.9)
    TEXT = ("text", 0.6)  # anything else
    ENCLOSED = ("enclosed", 0.5)  # the same mark on both sides, as quotes would be
    PIECES = ("pieces", 0.25)  # holds what separates values elsewhere
    LINE = ("line", 0.05)  # holds it again and again, as a whole line does
    BROKEN = ("broken", 0.02)  # begins or ends with a quote

    __hash__ = object.__hash__  # Enum's own is slow, and cells are counted by it

    def __init__(self, word: str, plausibility: float) -> None:
        self.word = word
        self.plausibility = plausibility


TYPED = frozenset({CellClass.NUMBER, CellClass.DATE, CellClass.TIME, CellClass.MOMENT, CellClass.TRUTH})
WHOLE = TYPED | {CellClass.ADDRESS}  # what may hold a separator and is one value nevertheless

_DATE = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}"
    r"|[A-Za-z]{3,9} \d{1,2}, \d{4})"
)
_NUMBER = (
    r"[-+]?[$€£]?(?:\d+(?:[.,]\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?|\.\d+)"
    r"(?:[eE][-+]?\d+)?(?: ?[%€])?"
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?"
_FORMS = (
    (CellClass.NUMBER, _NUMBER),
    (CellClass.DATE, _DATE),
    (CellClass.TIME, _CLOCK),
    (CellClass.MOMENT, rf"{_DATE}(?:T|,? ){_CLOCK}(?:Z| ?[-+]\d\d:?\d\d| [A-Z]{{3,4}})?"),
    (CellClass.TRUTH, r"(?i:true|false|yes|no)"),
    (CellClass.MISSING, r"(?i:na|n/a|nan|null|none|-|\.|\?)"),
    (CellClass.ADDRESS, r"[a-z][a-z0-9+.-]*://[^\s\"<>]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|www\.[^\s\",;]+"),
    (CellClass.CODE, r"[\w./+#&%-]+"),
    (CellClass.WORDS, r"[\w.'()/&+#%:°*!?§@-]+(?:,? [\w.'()/&+#%:°*!?§@=$<>-]+)*[:]?"),
)  # fmt: skip
_FORM = re.compile("|".join(f"(?P<{cell.name}>{form})" for cell, form in _FORMS))
_NAMED = dict(CellClass.__members__)
_BROKEN = re.compile(r"\s*[\"'].*[^\"']|.*[^\"'\s\w][\"']\s*|[\"']", re.DOTALL)
_PIECES = re.compile(r";\S|[|\t\r\n]|,\S|\"[,;|\t]|[\x00-\x08\x0e-\x1f]")
_LINE = re.compile(r"(?:[^,]*,(?=\S)){4}|(?:[^;]*;){4}|(?:[^|]*\|){4}|(?:[^\t]*\t){4}")
_MARKS = frozenset("'`~|$%#*^@!&/")
_LONGEST_LOOKED_AT = 400


@lru_cache(maxsize=20_000)
def classify(text: bytes | None) -> CellClass:
    """Return the class of an unquoted cell; spaces around it do not count."""
    if not text:
        return CellClass.EMPTY
    shown = text[:_LONGEST_LOOKED_AT].decode("utf-8", "replace").strip()
    if not shown:
        return CellClass.EMPTY
    if text[-1:] == b"\r":
        return CellClass.BROKEN  # half of a line ending
    if shown[0] == shown[-1] and shown[0] in _MARKS and len(shown) > 1:
        return CellClass.ENCLOSED
    if "'" in (shown[0], shown[-1]):
        return CellClass.TEXT  # half of a pair, as a wrong separator leaves it, or an apostrophe
    match = _FORM.fullmatch(shown)
    if match and match.lastgroup:
        return _NAMED[match.lastgroup]
    if _BROKEN.fullmatch(shown):
        return CellClass.BROKEN
    if _PIECES.search(shown):
        return CellClass.LINE if _LINE.match(shown) else CellClass.PIECES
    return CellClass.TEXT
