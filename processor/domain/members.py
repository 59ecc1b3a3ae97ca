"""Archive members and the keys of their objects.

The rule (`member_key`), in three sentences. A name's path is kept; what is not valid UTF-8, control characters and
backslashes become `%XX` as in `keys.escape`, and so does whatever would lead out of the archive's own place or name
nothing: the components `.` and `..`, a slash beside an empty component, the colon of a drive letter; so `../a` becomes
`%2E%2E/a` and `/a` becomes `%2Fa`. One leading `./` (or several), which tar writes before every name, is dropped.
Names that meet nevertheless (a name twice; `a` and `./a`; `a.csv`, which becomes `a.csv.parquet`, beside a member
called so) get `%23` and the member's number before their last suffix: `a%2317.csv`; no name has such a key by itself,
because a `#` stays `#`.

All of it but the dropped `./` can be undone with `keys.unescape`, hence two members never share a key. Only a key of
more than `LONGEST_SUFFIX_BYTES` is cut; the SHA-256 of the whole stands in for the part cut off.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from processor.domain.conversion import Receipt
from processor.domain.files import REGULAR, FileType, Kind, proposed_kind
from processor.domain.keys import escape, parquet_key, rejects_key

# Leaves 400 of S3's 1,024 bytes to the prefix, the archive's own path and `.parquet.rejects.jsonl`.
LONGEST_SUFFIX_BYTES = 624

# Names that are their own key, nearly all: a quick look spares the rules.
_PLAIN = re.compile(rb"(?!\.\.?(?:/|$))[\w .,+=@()-]+(?:/(?!\.\.?(?:/|$))[\w .,+=@()-]+)*", re.ASCII)
_UNWANTED = re.compile(r"[\x00-\x1f\\\x7f-\x9f\ufffe\uffff]")
_DRIVE = re.compile(r"^([A-Za-z]):")
_SLASH_BESIDE_NOTHING = re.compile(r"^/|(?<=/)/|/$")
_DOTS = re.compile(r"(?:(?<=/)|^)\.\.?(?=/|$)")


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    `index` counts all entries from 0 in the archive's own order, those of opened nested archives after the archive
    they lie in; it is the member's identity when an extraction is done again. `name` is the name as UTF-8 where the
    archive says how to read it, `raw_name` the bytes that stand in the archive; both begin with the names of the
    archives around, each followed by `/`. `again` tells that an earlier member took this one's key.
    """

    index: int
    name: bytes
    raw_name: bytes
    size_bytes: int | None = None  # declared; None where only reading tells
    again: bool = False
    kind: Kind = REGULAR

    @property
    def key(self) -> str:
        """Return the key below the archive's own, without `.parquet`."""
        return member_key(self.name, self.index if self.again else None)


@dataclass(frozen=True, slots=True)
class MemberReceipt:
    """How many bytes a member had, and either their SHA-256 or, of one that was converted, what was written."""

    size_bytes: int
    sha256: str = ""
    table: Receipt | None = None


def member_key(name: bytes, again: int | None = None) -> str:
    """Return the key of the member `name` below its archive's; `again` is its index when the plain key is taken."""
    key = name.decode("ascii") if _PLAIN.fullmatch(name) else _harmless(name)
    if again is not None:
        key = _numbered(key, again)
    return key if len(key) * 4 <= LONGEST_SUFFIX_BYTES else _cut(key)


def claimed_keys(name: bytes, key: str) -> Iterator[str]:
    """Yield every key that a member called `name` whose key is `key` may turn out to need."""
    yield key
    if proposed_kind(name).type is FileType.DATABASE:
        yield parquet_key(key)
        yield rejects_key(parquet_key(key))


def _harmless(name: bytes) -> str:
    while name.startswith(b"./") and len(name) > len(b"./"):
        name = name[2:]
    key = _UNWANTED.sub(_percent, escape(name))
    key = _DOTS.sub(_percent, key)
    key = _DRIVE.sub(r"\1%3A", key)
    return _SLASH_BESIDE_NOTHING.sub("%2F", key)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8"))


def _numbered(key: str, number: int) -> str:
    directory, slash, name = key.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    return f"{directory}{slash}{stem}%23{number}{dot}{suffix}"


def _cut(key: str) -> str:
    raw = key.encode("utf-8")
    if len(raw) <= LONGEST_SUFFIX_BYTES:
        return key
    digest = "%23x" + hashlib.sha256(raw).hexdigest()
    # Not within an escape or a character: what is left over of either is dropped, the digest tells names apart.
    head = re.sub(r"%[0-9A-F]?$", "", raw[: LONGEST_SUFFIX_BYTES - len(digest)].decode("utf-8", "ignore"))
    return head.rstrip("/") + digest
