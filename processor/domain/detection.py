"""Detect a file's type: its name proposes, its content confirms.

Where the two disagree the file is regular: delivered as it is, with a warning. The magic numbers are those of the
formats' own specifications: PKWARE APPNOTE 4.3, POSIX.1-2017 pax (ustar), RFC 1952, RFC 8878, the xz and bzip2 formats.
"""

import re

from processor.domain.conversion import DataFormat
from processor.domain.errors import refused
from processor.domain.feeds import Feed
from processor.domain.files import ArchiveKind, FileType, Kind, declared_format, proposed_kind
from processor.domain.foreign_text import foreign_text

HEAD_BYTES = 4096

_TAR_BLOCK = 512
_MAGIC: dict[ArchiveKind, tuple[bytes, ...]] = {
    ArchiveKind.GZ: (b"\x1f\x8b",),
    ArchiveKind.BZ2: (b"BZh",),
    ArchiveKind.XZ: (b"\xfd7zXZ\x00",),
    # A zstd stream may begin with a skippable frame, 0x184D2A50 to 0x184D2A5F.
    ArchiveKind.ZST: (b"\x28\xb5\x2f\xfd", *(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))),
}
_OUTER = {
    ArchiveKind.TAR_GZ: ArchiveKind.GZ,
    ArchiveKind.TAR_BZ2: ArchiveKind.BZ2,
    ArchiveKind.TAR_XZ: ArchiveKind.XZ,
    ArchiveKind.TAR_ZST: ArchiveKind.ZST,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06")

# What no text begins with: executables, images, documents, and the archives above.
_BINARY = (
    b"\x7fELF", b"MZ\x90", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"%PDF-", b"PAR1", b"Obj\x01", b"ORC",
    b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"SQLite format 3\x00", b"\xd0\xcf\x11\xe0", b"\xca\xfe\xba\xbe",
    *_ZIP[:2], *_MAGIC[ArchiveKind.GZ], *_MAGIC[ArchiveKind.XZ], b"\x28\xb5\x2f\xfd",
)  # fmt: skip
_PART_NAME = re.compile(rb"[^/]\.z\d\d\Z", re.IGNORECASE)
_PART = "named like a part of a split zip: join the parts (zip -s 0 SPLIT.zip --out WHOLE.zip) to have it opened"
# What a whole text of a format can not be without, and what is said of one that is.
_MUST_HOLD = {DataFormat.XML: (b"<", "no element")}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def detect(name: bytes, head: bytes, *, has_zip_directory: bool = False, feed: Feed | None = None) -> Kind:
    """Return the kind of the file called `name` whose first bytes (`HEAD_BYTES`, or all) are `head`.

    `has_zip_directory` tells that the file ends in a zip's central directory: a zip may have any prefix. A format that
    its `feed` declares holds instead of the name, but for a real archive. Raises DeliveryError `feed.other-content`,
    `feed.empty-file` when the content contradicts it.
    """
    found = _by_name(name, head, has_zip_directory=has_zip_directory)
    declared = declared_format(name, feed)
    if feed is None or declared is None or found.type is FileType.ARCHIVE:
        return found
    if not head and not feed.declaration.empty_file:
        hint = "say `empty_file = true` in the feed, with its columns, if such a file is a table without rows"
        raise refused("feed.empty-file", f"the file is empty, and feed {feed.name!r} declares {declared.value}", hint)
    if _is_binary(head):
        text = f"feed {feed.name!r} declares {declared.value}, but the content is a binary format"
        raise refused("feed.other-content", text, "let the feed's `match` leave the file out")
    return Kind(FileType.DATABASE, data=declared)


def _by_name(name: bytes, head: bytes, *, has_zip_directory: bool) -> Kind:
    kind = proposed_kind(name)
    match kind.type:
        case FileType.REGULAR:
            why = _PART if _PART_NAME.search(name) else ""
        case FileType.ARCHIVE:
            assert kind.archive is not None
            why = _not_this_archive(kind.archive, head, has_zip_directory=has_zip_directory)
        case FileType.DATABASE:
            assert kind.data is not None
            why = _not_this_text(kind.data, head)
    return Kind(FileType.REGULAR, mismatch=why) if why else kind


def _not_this_archive(archive: ArchiveKind, head: bytes, *, has_zip_directory: bool) -> str:
    if not head:
        return f"empty, so not {archive.value}"
    if archive is ArchiveKind.ZIP:
        confirmed = head.startswith(_ZIP) or has_zip_directory
    elif archive is ArchiveKind.TAR:
        confirmed = is_tar(head)
    else:
        confirmed = head.startswith(_MAGIC[_OUTER.get(archive, archive)])
    return "" if confirmed else f"named .{archive.value} but the content is not {archive.value}"


def is_tar(head: bytes) -> bool:
    """Tell whether `head` begins with a tar header: by its checksum, since the oldest tars have no magic."""
    block = head[:_TAR_BLOCK]
    if len(block) < _TAR_BLOCK:
        return False
    if not block.strip(b"\0"):
        return True  # an empty archive is nothing but zero blocks
    try:
        recorded = int(block[148:156].strip(b" \0") or b"-", 8)
    except ValueError:
        return False
    unsigned = sum(block) - sum(block[148:156]) + 8 * 0x20
    signed = sum(b - 256 if b > 127 else b for b in block[:148] + block[156:]) + 8 * 0x20  # noqa: PLR2004
    return recorded in (unsigned, signed)


def _not_this_text(data: DataFormat, head: bytes) -> str:
    if not head:
        return "empty, so there is no table to convert"
    if _is_binary(head):
        return f"named .{data.value} but the content is a binary format"
    if foreign := foreign_text(data, head, whole=len(head) < HEAD_BYTES):
        return f"named .{data.value} but the content is {foreign}"
    if head.startswith(_UTF16_MARKS):
        return ""
    mark, without = _MUST_HOLD.get(data, (b"", ""))
    if mark not in head and len(head) < HEAD_BYTES:
        return f"named .{data.value} but there is {without} in it"
    return ""


def _is_binary(head: bytes) -> bool:
    return head.startswith(_BINARY) or (len(head) >= _TAR_BLOCK and head[257:262] == b"ustar" and is_tar(head))
