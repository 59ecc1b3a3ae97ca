"""Object keys from file names, reversible and injective.

A key mirrors the path. What can not stand in a key as it is becomes `%XX` (two upper-case hex digits), and a `%` that
would read as such an escape becomes `%25`; so every name has exactly one key and every key at most one name.
"""

import re

MANIFESTS = "_manifests"
PROBES = "_probe"
STAGING = "_staging"  # what workers of a cluster read; empty while nothing is on its way
RAW = "_raw"  # sources as they came, where a feed keeps them
TABLES = "_tables"  # what the tables of the embedded catalog consist of, beside the objects themselves
RESERVED = (MANIFESTS, PROBES, STAGING, RAW, TABLES)

# S3 limits a key to 1,024 bytes of UTF-8 ("Object key names", Amazon S3 user guide).
LONGEST_KEY_BYTES = 1024

_LOOKS_ESCAPED = re.compile(r"%(?=[0-9A-F]{2})")
_NO_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of such bytes
_ESCAPED = re.compile(rb"%([0-9A-F]{2})")


def escape(raw: bytes) -> str:
    """Return `raw` as text: valid UTF-8 as it stands, every other byte as `%XX`. Injective; see `unescape`.

    A backslash is escaped too: there are stores that take it for a slash, so that two names would share a key.
    """
    text = raw.decode("utf-8", "surrogateescape")
    text = _LOOKS_ESCAPED.sub("%25", text).replace("\\", "%5C")
    return _NO_UTF8.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def unescape(text: str) -> bytes:
    """Return the bytes that `escape` was given."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), text.encode("utf-8"))


def path_key(relative_path: bytes) -> str:
    """Return the key of the file at `relative_path` (`/`-separated, no `.` or `..`), without any suffix.

    Our own names at the top (`RESERVED`) are kept free: `_probe/x` becomes `%5Fprobe/x`.
    """
    key = escape(relative_path)
    first = key.split("/", 1)[0]
    return f"%5F{key[1:]}" if first in RESERVED else key


def parquet_key(key: str) -> str:
    """Return the key of the Parquet made from the data file that `key` stands for."""
    return f"{key}.parquet"


def rejects_key(key: str) -> str:
    """Return the key of the rows that were rejected from the Parquet object `key`."""
    return f"{key}.rejects.jsonl"


def notes_key(key: str) -> str:
    """Return the key of the lines around the table that the Parquet object `key` was made of."""
    return f"{key}.notes.jsonl"


def manifest_key(relative_path: bytes) -> str:
    """Return the key of the manifest that says the delivery of `relative_path` is complete."""
    return f"{MANIFESTS}/{escape(relative_path)}.json"


def possible_owners(key: str) -> tuple[bytes, ...]:
    """Return every relative path whose delivery could have written `key`: few, so that ownership needs no index.

    The file itself, the data file whose Parquet, rejects or notes it is, every archive that could hold it as a member.
    """
    names = [key]
    names += [key.removesuffix(suffix) for suffix in (".rejects.jsonl", ".notes.jsonl") if key.endswith(suffix)]
    names += [name.removesuffix(".parquet") for name in names if name.endswith(".parquet")]
    parts = key.split("/")
    names += ["/".join(parts[:count]) for count in range(1, len(parts))]
    return tuple(unescape(name) for name in names)


def plain(text: object) -> str:
    r"""Return a stranger's text for one line of a terminal or page: control and direction characters as `\x1b`.

    Names may hold escape sequences, line ends, and marks that turn the direction of writing.
    """
    return "".join(each if each.isprintable() else _spelt(each) for each in str(text))


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
