"""Values that the ledger takes and returns."""

from dataclasses import dataclass

from processor.domain.errors import Failure
from processor.domain.jobs import Status
from processor.domain.uploads import Resumption

BadMembers = tuple[tuple[str, Failure], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A stable file, as the watcher saw it."""

    relative_path: bytes
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Intake:
    """What a batch of found files was: `new` or `changed` ones are pending now."""

    new: int
    changed: int
    known: int


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    row: int
    key: str
    resumption: Resumption


@dataclass(frozen=True, slots=True)
class PutAway:
    """A file whose end is recorded but which still lies in the watched directory."""

    row: int
    status: Status
    relative_path: bytes
    size_bytes: int
    modified_ns: int
    checksum: str | None
    tries: int
    created_ms: int
    failed_ms: int
    failure: Failure
    step: str
    bad_members: tuple[tuple[str, Failure], ...]
