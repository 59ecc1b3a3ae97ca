"""Uploads: parts, digests, and the state that resuming needs."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

PART_SIZE_BYTES = 8 * 1024 * 1024

# "Amazon S3 multipart upload limits", Amazon S3 user guide.
MOST_PARTS = 10_000
LARGEST_PART_BYTES = 5 << 30
LARGEST_OBJECT_BYTES = min(5 << 40, MOST_PARTS * LARGEST_PART_BYTES)
SMALLEST_PART_BYTES = 5 * 1024 * 1024

COMPLETED = "x-completed"
SOURCE_SHA256 = "source-sha256"
SOURCE_PATH = "source-path"

# S3 limits all user metadata of an object together to 2 KB ("Working with object metadata", Amazon S3 user guide).
_LONGEST_SOURCE_PATH = 1_600
_SHA256_BYTES = 32


class Protection(StrEnum):
    """How a part is protected on its way: the digest the store is known to check."""

    SHA256 = "sha256"  # in a header of its own, which the store's answer repeats
    SIGNATURE = "signature"  # SHA-256 too, as part of what is signed; the answer tells the ETag only
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Part:
    """One part as the store holds it. `sha256` is hex and our own; `etag` is the store's, without quotes."""

    number: int
    size_bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class FileDigests:
    """The SHA-256 of a file (hex) and of each of its parts, of one and the same reading.

    So bytes that have the parts' digests, in their order, are the file. `parts` are the digests one after the other.
    """

    sha256: str
    part_size_bytes: int
    parts: bytes

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self.parts) // _SHA256_BYTES

    def part(self, number: int) -> bytes:
        """Return the digest of the part with this number, from 1."""
        return self.parts[(number - 1) * _SHA256_BYTES : number * _SHA256_BYTES]


@dataclass(frozen=True, slots=True)
class Resumption:
    """What an earlier try left in the store: an open multipart upload and the parts recorded as stored."""

    upload_id: str
    parts: Mapping[int, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """What is to be stored, before its bytes are known.

    `metadata` is user metadata (ASCII values). `size_bytes` is None while only the stream will tell. `storage_class`
    counts before the store's setting, which "" leaves in force; None: the bucket's own. `tags` are put to those.
    """

    key: str
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    storage_class: str | None = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is stored and verified.

    `sha256` (hex) is that of all bytes, computed here. `checksum` names what the store's answer was compared with:
    `sha256:<base64>` (`-N` for a composite of N parts) or `md5:<hex>[-N]`. `parts` is 0 for a single PUT.
    """

    key: str
    size_bytes: int
    sha256: str
    etag: str
    checksum: str
    parts: int = 0


def completion_metadata(source_path: bytes, source_sha256: str) -> dict[str, str]:
    """Return the user metadata every delivered object carries.

    The path is percent-encoded, so ASCII; one too long for the store's limit is left to the manifest.
    """
    encoded = quote(source_path, safe="/")
    path = {SOURCE_PATH: encoded} if len(encoded) <= _LONGEST_SOURCE_PATH else {}
    return {COMPLETED: "true", SOURCE_SHA256: source_sha256, **path}


def source_path(metadata: Mapping[str, str]) -> bytes | None:
    """Return the path that `completion_metadata` was given; None where it was too long."""
    encoded = metadata.get(SOURCE_PATH)
    return None if encoded is None else unquote_to_bytes(encoded)


def part_size_for(size_bytes: int | None, wanted_bytes: int = PART_SIZE_BYTES) -> int:
    """Return the part size: as wanted, unless the object would need more parts than the store takes."""
    needed = 0 if size_bytes is None else -(-size_bytes // MOST_PARTS)
    return max(wanted_bytes, needed)


def composite_sha256(parts: Iterable[Part]) -> str:
    """Return the checksum of checksums as S3 gives it: base64, then `-N` ("Checking object integrity")."""
    digests = [bytes.fromhex(part.sha256) for part in parts]
    return f"{base64_digest(hashlib.sha256(b''.join(digests)).digest())}-{len(digests)}"


def composite_md5(parts: Iterable[Part]) -> str | None:
    """Return the ETag of a multipart object made of parts whose ETags are MD5s; None when they are something else."""
    try:
        digests = [bytes.fromhex(part.etag) for part in parts]
    except ValueError:
        return None
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def base64_digest(digest: bytes) -> str:
    """Return a digest as S3's headers carry it."""
    return base64.b64encode(digest).decode("ascii")
