"""Read and write manifests in the store.

One JSON document, laid out by line so that it is written and read piece by piece: the head, one entry a line, what was
superseded one key a line, if anything, and the counts. An archive may have hundreds of thousands of entries; none are
held in memory together.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.feeds import FeedMark
from processor.domain.files import FileType
from processor.domain.keys import MANIFESTS, escape, unescape
from processor.domain.manifests import (
    Entry,
    ManifestColumn,
    ManifestCounts,
    ManifestHead,
    ManifestObject,
    Omission,
    Superseded,
)
from processor.domain.timeline import timeline_fields, timeline_of_fields
from processor.domain.uploads import StoredObject
from processor.store.s3 import S3Store

VERSION = 1
CONTENT_TYPE = "application/json"

_LONGEST_LINE_BYTES = 64 << 20  # an entry names up to 20,000 columns
_OPENING = b',"entries":['
_CLOSING = b"],"
_SUPERSEDES = b'],"supersedes":['


@dataclass(frozen=True, slots=True)
class OpenManifest:
    """A manifest that is being read: its head, and the rest as it comes, once."""

    key: str
    head: ManifestHead
    entries: Iterator[Entry]


def encoded(head: ManifestHead, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the document's lines; `entries` is read once, and what is superseded comes last in it."""
    yield orjson.dumps(_head_fields(head))[:-1] + _OPENING
    objects = omissions = size = superseded = 0
    separator = b"\n"
    for entry in entries:
        match entry:
            case ManifestObject(stored):
                objects += 1
                size += stored.size_bytes
            case Omission():
                omissions += 1
            case Superseded(key):
                yield (separator if superseded else b"\n" + _SUPERSEDES + b"\n") + orjson.dumps(key)
                superseded, separator = 1, b",\n"
                continue
        assert not superseded, "what is superseded comes last"
        yield separator + orjson.dumps(entry_fields(entry))
        separator = b",\n"
    counts = {"objects": objects, "omissions": omissions, "bytes": size}
    yield b"\n" + _CLOSING + orjson.dumps(counts)[1:] + b"\n"


def decoded(key: str, pieces: Iterable[bytes]) -> OpenManifest:
    """Return the manifest whose bytes these are.

    Raises DeliveryError `manifest.damaged`, also while its entries are read; reading them to the end proves it whole.
    """
    lines = _lines(pieces)
    try:
        head = _head(orjson.loads(next(lines).removesuffix(_OPENING) + b"}"))
    except (StopIteration, ValueError, KeyError, TypeError) as error:
        raise _damaged(key, error) from error
    return OpenManifest(key, head, _entries(key, lines))


def read_manifest(store: S3Store, key: str) -> OpenManifest:
    """Open the manifest stored under `key`. Raises DeliveryError `store.no-object`, `manifest.damaged`."""
    return decoded(key, store.get(key))


def list_manifests(store: S3Store, path: str = "") -> Iterator[str]:
    """Yield the key of every manifest below the store's prefix, of files whose escaped paths begin with `path`."""
    for key, _ in store.list_keys(f"{MANIFESTS}/{path}"):
        if key.endswith(".json"):
            yield key


def _entries(key: str, lines: Iterator[bytes]) -> Iterator[Entry]:
    objects = omissions = size = 0
    superseded = False
    try:
        for line in lines:
            if line == _SUPERSEDES and not superseded:
                superseded = True
                continue
            if line.startswith(_CLOSING):
                said = ManifestCounts(**orjson.loads(b"{" + line.removeprefix(_CLOSING)))
                if said != ManifestCounts(objects, omissions, size):
                    raise _damaged(key, f"{said} are said, {objects} objects and {omissions} omissions are there")
                return
            fields = orjson.loads(line.removesuffix(b","))
            if superseded:
                yield Superseded(_text(fields))
                continue
            entry = entry_from(fields)
            if isinstance(entry, ManifestObject):
                objects += 1
                size += entry.stored.size_bytes
            else:
                omissions += 1
            yield entry
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(key, error) from error
    raise _damaged(key, "it ends early")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > _LONGEST_LINE_BYTES:
            raise ValueError("a line has no end")
    if rest:
        yield rest


def _head_fields(head: ManifestHead) -> dict[str, Any]:
    feed = {} if head.feed is None else {"feed": head.feed}
    timeline = timeline_fields(head.timeline)
    return {
        "version": VERSION,
        "source_path": escape(head.source_path),
        "sha256": head.sha256,
        "size_bytes": head.size_bytes,
        "modified_ns": head.modified_ns,
        "type": head.type,
        "delivered_at": head.delivered_at.isoformat(),
        **({"timeline": timeline} if timeline else {}),
        **feed,
    }


def _head(fields: dict[str, Any]) -> ManifestHead:
    if fields["version"] != VERSION:
        raise ValueError(f"version {fields['version']} is not known")
    return ManifestHead(
        source_path=unescape(fields["source_path"]),
        sha256=_text(fields["sha256"]),
        size_bytes=int(fields["size_bytes"]),
        modified_ns=int(fields["modified_ns"]),
        type=FileType(fields["type"]),
        delivered_at=datetime.fromisoformat(fields["delivered_at"]),
        feed=_feed(fields),
        timeline=timeline_of_fields(fields.get("timeline", {})),
    )


def entry_fields(entry: ManifestObject | Omission) -> dict[str, Any]:
    """Return the entry as plain values; `entry_from` makes it again."""
    if isinstance(entry, Omission):
        return {"member": escape(entry.member), "omitted": entry.reason}
    stored = entry.stored
    fields: dict[str, Any] = {
        "key": stored.key,
        "size_bytes": stored.size_bytes,
        "sha256": stored.sha256,
        "etag": stored.etag,
        "checksum": stored.checksum,
        "parts": stored.parts,
    }
    if entry.member is not None:
        fields["member"] = escape(entry.member)
    if entry.rows is not None:
        fields["rows"] = entry.rows
        fields["rejected_rows"] = entry.rejected_rows
        fields["notes"] = entry.notes
        fields["columns"] = [[each.name, each.type, each.reason] for each in entry.columns]
    if entry.feed is not None:
        fields["feed"] = {"name": entry.feed.name, "digest": entry.feed.digest}
    if entry.facts:
        fields["facts"] = [list(fact) for fact in entry.facts]
    return fields


def entry_from(fields: dict[str, Any]) -> ManifestObject | Omission:
    """Return the entry whose fields these are. Raises KeyError, TypeError or ValueError when they are not."""
    member = fields.get("member")
    if "omitted" in fields:
        return Omission(unescape(fields["member"]), _text(fields["omitted"]))
    stored = StoredObject(
        key=_text(fields["key"]),
        size_bytes=int(fields["size_bytes"]),
        sha256=_text(fields["sha256"]),
        etag=_text(fields["etag"]),
        checksum=_text(fields["checksum"]),
        parts=int(fields["parts"]),
    )
    return ManifestObject(
        stored=stored,
        member=None if member is None else unescape(member),
        rows=fields.get("rows"),
        rejected_rows=int(fields.get("rejected_rows", 0)),
        notes=int(fields.get("notes", 0)),
        columns=tuple(ManifestColumn(*column) for column in fields.get("columns", ())),
        facts=tuple((name, value) for name, value in fields.get("facts", ())),
        feed=_feed(fields),
    )


def _feed(fields: dict[str, Any]) -> FeedMark | None:
    mark = fields.get("feed")
    return None if mark is None else FeedMark(_text(mark["name"]), _text(mark["digest"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _damaged(key: str, why: object) -> DeliveryError:
    text = f"the manifest {key!r} can not be read: {why}"
    return DeliveryError(Failure(ErrorClass.PERMANENT, "manifest.damaged", text, "reprocess the file"))
