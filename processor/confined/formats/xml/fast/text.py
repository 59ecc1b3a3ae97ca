"""XML texts to JSON strings, many at once.

Control characters, which XML does not have, stand for the punctuation of JSON until the texts are escaped: 0x02 a
quotation mark, 0x03 a line feed, 0x04 a comma (left out where it comes first), 0x05 an ampersand that begins no
reference.
"""

import re

QUOTE, NEWLINE, COMMA, AMPERSAND = b"\x02", b"\x03", b"\x04", b"\x05"

_NO_CHARACTERS = bytes({*range(32)} - set(b"\t\n\r"))
_REFERENCE = re.compile(rb"&(?:(#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|[a-z]{2,4});)?")
_EACH = re.compile(rb"&(?:#[0-9]{1,7};|#x[0-9A-Fa-f]{1,6};|[a-z]{2,4};)?")
_MOST_DIFFERENT = 40
# The ampersand comes last, so that none that it makes is taken for the start of a reference.
_PREDEFINED = {b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'", b"amp": b"&"}
_ESCAPES = ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n"), (b"\t", b"\\t"), (b"\r", b"\\r"))
_PUNCTUATION = bytes.maketrans(QUOTE + NEWLINE + COMMA + AMPERSAND, b'"\n,&')


def has_characters(text: bytes, sections: int = 0) -> bool:
    """Tell whether `text` is UTF-8 of nothing but characters that XML has, and ends `sections` CDATA sections."""
    if len(text.translate(None, _NO_CHARACTERS)) != len(text) or text.count(b"]]>") != sections:
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return b"\xef\xbf\xbe" not in text and b"\xef\xbf\xbf" not in text


def has_references_only(text: bytes) -> bool:
    """Tell whether every & in `text` begins a reference to a character that XML has."""
    return _has_predefined_only(text) or all(_referred(match) is not None for match in _REFERENCE.finditer(text))


def finished(text: bytes) -> bytes | None:
    """Return the JSON that `text`, with texts as in XML and punctuation as above, stands for; None in case of doubt."""
    if b"&" in text:
        try:
            text = without_references(text)
        except ValueError:
            return None
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text.replace(b"{\x04", b"{").translate(_PUNCTUATION)


def without_references(text: bytes) -> bytes:
    """Return `text` with the characters that its references stand for. Raises ValueError where one is none."""
    if not _has_predefined_only(text):
        return _without_any_references(text)
    for name, character in _PREDEFINED.items():
        text = text.replace(b"&%b;" % name, character)
    return text


def _without_any_references(text: bytes) -> bytes:
    """Replace each reference wherever it occurs, or one by one where there are many different ones."""
    found = {match[0]: _required(match) for match in map(_REFERENCE.match, set(_EACH.findall(text))) if match}
    if len(found) > _MOST_DIFFERENT:
        return _REFERENCE.sub(_required, text)
    for reference, character in found.items():
        # An ampersand must not be taken for the start of a reference.
        text = text.replace(reference, AMPERSAND if character == b"&" else character)
    return text.replace(AMPERSAND, b"&")


def _has_predefined_only(text: bytes) -> bool:
    left = text.count(b"&")
    for name in reversed(_PREDEFINED):
        if not left:
            break
        left -= text.count(b"&%b;" % name)
    return not left


def _required(match: re.Match[bytes]) -> bytes:
    character = _referred(match)
    if character is None:
        raise ValueError
    return character


def _referred(match: re.Match[bytes]) -> bytes | None:
    """Return the character that a reference stands for, or None for what is not a reference to an XML character."""
    name: bytes | None = match[1]
    if name is None or name[:1] != b"#":
        return _PREDEFINED.get(name or b"")
    code = int(b"0" + name[1:], base=0) if name[1:2] == b"x" else int(name[1:])
    if code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF:  # noqa: PLR2004 - XML 1.0, Char
        return chr(code).encode()
    return None
