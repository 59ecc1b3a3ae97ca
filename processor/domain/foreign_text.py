"""Recognize texts named like tables that are none.

Only what is certain counts: a page of HTML, an error that a store answered, an armored message, a pointer in place of a
file, a JSON document. Whatever else does not fit its name is left to its parser, which refuses it with the place.
"""

import codecs
import re

from processor.domain.conversion import DataFormat

_TABLES = frozenset((DataFormat.CSV, DataFormat.TSV))
_JSON = frozenset((DataFormat.JSON, DataFormat.JSONL))
_ALL = frozenset(DataFormat)

_SPACE_OR_COMMENT = r"\s*(?:<!--.*?-->\s*)*"
_FOREIGN: tuple[tuple[str, frozenset[DataFormat], re.Pattern[str]], ...] = tuple(
    (name, formats, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for name, formats, pattern in (
        ("HTML", _ALL - {DataFormat.XML}, rf"{_SPACE_OR_COMMENT}<(?:!doctype\s+html|html|head|body)\b"),
        # XHTML is XML, and names its namespace.
        ("HTML", _ALL, rf"{_SPACE_OR_COMMENT}(?:<!doctype\s+html\s*>|<html(?![^>]*\sxmlns))"),
        ("an error of S3", _ALL, r"\s*<\?xml\b[^>]*\?>\s*<Error>\s*<Code>\w+</Code>"),
        ("XML", _ALL - {DataFormat.XML}, r"\s*<\?xml\b"),
        ("a PGP message or another armored text", _ALL, r"\s*-----BEGIN [A-Z0-9 ]+-----\s"),
        ("a Git LFS pointer", _ALL, r"version https://git-lfs\.github\.com/spec/"),
    )
)
_APPLE = (b"\x00\x05\x16\x07\x00", b"\x00\x05\x16\x00\x00")  # AppleDouble and AppleSingle, RFC 1740

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CUT_STRING = re.compile(r'"(?:[^"\\]|\\.)*\\?\Z')
_JSON_TOKENS = re.compile(r"(?:[\s{}\[\]:,]|-?\d[\d.eE+-]*|true|false|null|\0)*")
_JSON_BEGINS = re.compile(r"\s*(?:\{\s*(?:\0\s*:|\})|\[\s*(?:[\[{\0\d\]-]|true|false|null))")


def foreign_text(data_format: DataFormat, head: bytes, *, whole: bool) -> str:
    """Return what a text named like `data_format` is instead, "" where it may be what its name says.

    `head` is its beginning, or all of it.
    """
    if is_apple_double(head):
        return "the resource fork of a Mac file (AppleDouble)"
    text = _decoded(head)
    for name, formats, pattern in _FOREIGN:
        if data_format in formats and pattern.match(text):
            return name
    return "JSON" if data_format not in _JSON and _is_json(text, whole=whole) else ""


def is_apple_double(head: bytes) -> bool:
    """Tell a Mac's side file, as in `__MACOSX/` and named `._x`: it bears the name of the file it belongs to."""
    return head.startswith(_APPLE)


def _decoded(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("latin-1")


def _is_json(text: str, *, whole: bool) -> bool:
    """Tell whether the text is a JSON document, or one after another, each on lines of its own."""
    if not text.lstrip()[:1].startswith(("{", "[")):
        return False
    bare = _STRING.sub("\0", text.replace("\0", " "))
    if not whole:  # the last token may be cut
        bare = re.sub(r"[\w.+-]+\Z", "", _CUT_STRING.sub("", bare))
    return bool(_JSON_BEGINS.match(bare) and _JSON_TOKENS.fullmatch(bare)) and _is_balanced(bare, whole=whole)


def _is_balanced(bare: str, *, whole: bool) -> bool:
    depth, documents = 0, 0
    behind = ""  # the document before
    for part in re.findall(r"[{\[]|[}\]]|[^{}\[\]]+", bare):
        if part in "{[":
            if not depth and documents and "\n" not in behind:
                return False
            depth += 1
        elif part in "}]":
            depth -= 1
            documents += not depth
            behind = ""
        elif not depth:
            if part.strip():
                return False
            behind = part
        if depth < 0:
            return False
    return not (whole and depth)
