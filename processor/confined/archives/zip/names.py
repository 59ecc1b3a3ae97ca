"""Read the names of a zip, whatever their encoding.

Marked as UTF-8, or with Info-ZIP's Unicode path field (APPNOTE 4.4.4, 4.6.9), a name says it. All others were written
on one machine and are decided together: UTF-8 if all are; else what only one encoding can mean; else they stay the
bytes that they are, which keys escape. A wrong guess would be worse: nobody could undo it.
"""

import re
from dataclasses import dataclass

from isal import isal_zlib

from processor.confined.archives.zip.central_directory import DirectoryRecord, extra_field

_UTF8_NAME = 0x800
_UNICODE_PATH_EXTRA = 0x7075
_EAST_ASIAN = ("cp932", "gbk", "cp949")  # of Shift-JIS, GBK and EUC-KR, with what Windows adds
# DOS code pages of Western and Central Europe: certain is what means the same in all of them.
_WESTERN = ("cp437", "cp850", "cp852")
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\xa0\ue000-\uf8ff]")
_AMID_LATIN = re.compile(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]")
_TWO_ACCENTS = re.compile(r"[^\x00-\x7f]{2}")
_WORD = re.compile(r"[^\W\d_]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fc]{3}")
_WIDE = re.compile(r"[^\x00-\x7f\uff61-\uff9f]")
_HALF_WIDTH = re.compile(r"[\uff61-\uff9f]")
_FEWEST_WIDE = 6  # characters of two bytes that fit one encoding alone: a word or two in another may by chance


@dataclass(slots=True)
class _Reading:
    encoding: str
    wide: int = 0
    has_kana: bool = False
    has_doubtful: bool = False


class ZipNames:
    """The names of one zip: `add` them all, then `read` any."""

    def __init__(self) -> None:
        self._readings = [_Reading(encoding) for encoding in _EAST_ASIAN]
        self._all_utf8 = self._all_western = True
        self._has_slash = self._has_backslash = False

    def add(self, record: DirectoryRecord) -> None:
        """Take note of one name."""
        raw = record.name
        self._has_slash = self._has_slash or b"/" in raw
        if raw.isascii() or _told(record) is not None:
            return
        self._all_utf8 = self._all_utf8 and _decoded(raw, "utf-8") is not None
        self._all_western = self._all_western and _western(raw) is not None
        self._readings = [each for each in self._readings if _fits(each, raw)]

    def read(self, record: DirectoryRecord) -> bytes:
        """Return the name as UTF-8 where that is certain, else its bytes.

        Backslashes are slashes where no name has one: Windows programs wrote them so, against APPNOTE 4.4.17.
        """
        name, certain = self._name(record)
        return name.replace(b"\\", b"/") if certain and not self._has_slash else name

    def _name(self, record: DirectoryRecord) -> tuple[bytes, bool]:
        raw = record.name
        if raw.isascii():
            return raw, True
        if (told := _told(record)) is not None:
            return told, True
        if _decoded(raw, "utf-8") is not None:
            return raw, True
        text = None if self._all_utf8 else self._by_encoding(raw)
        return (raw, False) if text is None else (text.encode(), True)

    def _by_encoding(self, raw: bytes) -> str | None:
        certain = [each for each in self._readings if _is_certain(each, alone=len(self._readings) == 1)]
        if len(certain) == 1:
            return raw.decode(certain[0].encoding)
        is_western = self._all_western and all(each.has_doubtful and not each.has_kana for each in self._readings)
        return _western(raw) if is_western else None


def _told(record: DirectoryRecord) -> bytes | None:
    """Return the name that the zip itself declares to be UTF-8."""
    if record.flags & _UTF8_NAME:
        return record.name
    field = extra_field(record.extra, _UNICODE_PATH_EXTRA) or b""
    told = field[:1] == b"\x01" and int.from_bytes(field[1:5], "little") == isal_zlib.crc32(record.name)
    return field[5:] if told else None


def _fits(reading: _Reading, raw: bytes) -> bool:
    text = _decoded(raw, reading.encoding)
    if text is None or _NO_NAME.search(text):
        return False
    reading.wide += len(_WIDE.findall(text))
    reading.has_kana = reading.has_kana or bool(_KANA.search(text))
    reading.has_doubtful = reading.has_doubtful or bool(_AMID_LATIN.search(text) or _HALF_WIDTH.search(text))
    return True


def _is_certain(reading: _Reading, *, alone: bool) -> bool:
    """Tell whether the names are in this encoding: three kana in a row are no word in any other."""
    if reading.encoding == _EAST_ASIAN[0] and reading.has_kana and not reading.has_doubtful:
        return True
    return alone and reading.wide >= _FEWEST_WIDE and not reading.has_doubtful


def _western(raw: bytes) -> str | None:
    """Return the name when all code pages agree on it and its accents stand one by one in words of small letters."""
    text = raw.decode(_WESTERN[0])
    if any(_decoded(raw, encoding) != text for encoding in _WESTERN):
        return None
    if not all(char.isascii() or char.isalpha() for char in text):
        return None
    accented = (word for word in _WORD.findall(text) if not word.isascii())
    return text if all(word[1:].islower() and not _TWO_ACCENTS.search(word) for word in accented) else None


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None
