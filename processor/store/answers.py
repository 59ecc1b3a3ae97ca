"""Make our values of boto3's answers.

A server may leave out whatever it likes, so nothing here is taken for granted: whatever is missing or of another kind
ends in `store.unexpected` (`understood`), never in an error of Python's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processor.store.errors import garbled


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store says it has. `sha256` is base64 as S3 gives it, None where the store gives none."""

    etag: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """What the store says about a stored object. Metadata names are lower case."""

    size_bytes: int
    etag: str
    sha256: str | None
    metadata: Mapping[str, str]
    content_type: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of an open upload as the store lists it."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    initiated_at: datetime


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Raise DeliveryError `store.unexpected` when an answer lacks what `what` needs."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise garbled(error, what) from error


def answer_from(said: Mapping[str, Any]) -> Answer:
    """Return what an answer to a body or a Complete names."""
    return Answer(etag_in(said), said.get("ChecksumSHA256") or None)


def head_from(said: Mapping[str, Any]) -> Head:
    """Return what a HEAD says."""
    return Head(
        size_bytes=int(said["ContentLength"]),
        etag=etag_in(said),
        sha256=said.get("ChecksumSHA256") or None,
        metadata={name.lower(): value for name, value in said.get("Metadata", {}).items()},
        content_type=said.get("ContentType", ""),
        modified_at=said["LastModified"],
    )


def part_from(said: Mapping[str, Any]) -> StoredPart:
    """Return one part of a listing."""
    return StoredPart(int(said["PartNumber"]), int(said["Size"]), etag_in(said))


def upload_from(said: Mapping[str, Any], key: str) -> OpenUpload:
    """Return one upload of a listing, under our name for its key."""
    return OpenUpload(key, text_in(said, "UploadId"), said["Initiated"])


def text_in(said: Mapping[str, Any], name: str) -> str:
    """Return a text that has to be there. Raises KeyError, ValueError."""
    text = said[name]
    if not isinstance(text, str) or not text:
        raise ValueError(f"{name} is {text!r}")
    return text


def etag_in(said: Mapping[str, Any]) -> str:
    """Return the ETag without its quotes; empty where there is none."""
    return str(said.get("ETag") or "").strip('"')


def next_marker(said: Mapping[str, Any], last: dict[str, Any], **names: str) -> dict[str, Any] | None:
    """Return where a listing goes on, None at its end; `names` are its parameters and the fields that tell them.

    Raises ValueError when it would go on where it was: such a listing has no end.
    """
    if not said.get("IsTruncated"):
        return None
    marker = {parameter: said[field] for parameter, field in names.items()}
    if marker == last:
        raise ValueError("the listing does not go on")
    return marker
