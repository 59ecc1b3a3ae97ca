"""Values that the ledger takes and returns."""

import os
from dataclasses import dataclass
from typing import Self

from processor.domain.errors import SOURCE_VANISHED, Failure
from processor.domain.files import FileMetadata
from processor.domain.identity import Identity
from processor.domain.jobs import Status
from processor.domain.timeline import Timeline
from processor.domain.uploads import Resumption

HELD = -1  # `due_at` of a file that is to be put away when it is found again: closed by its writer

BadMembers = tuple[tuple[str, Failure], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A stable file, as the watcher saw it, and for how long it was watched until it was whole."""

    relative_path: bytes
    size_bytes: int
    modified_ns: int
    identity: Identity | None = None
    watched_ms: int = 0

    @classmethod
    def of(cls, relative_path: bytes, status: os.stat_result) -> Self:
        """Return the file at `relative_path` whose lstat is `status`."""
        return cls(relative_path, status.st_size, status.st_mtime_ns, Identity.of(status))

    def timeline(self, now_ms: int) -> str:
        """Return the beginning of its timeline, as the ledger has it."""
        return Timeline((now_ms - self.watched_ms, now_ms)).encoded()


@dataclass(frozen=True, slots=True)
class Intake:
    """What a batch of found files was: `new` or `changed` ones are pending now."""

    new: int
    changed: int
    known: int
    released: int = 0  # of the known ones: closed by their writer at last


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
    identity: Identity | None
    checksum: str | None
    tries: int
    created_ms: int
    failed_ms: int
    failure: Failure
    step: str
    bad_members: tuple[tuple[str, Failure], ...]

    @property
    def vanished(self) -> bool:
        """Tell whether it failed since it was gone: what lies in its place by now has another story."""
        return self.status is Status.FAILED and self.failure.code == SOURCE_VANISHED


def columns_of(file: Found | FileMetadata | PutAway) -> dict[str, int | None]:
    """Return what a file is known by, as the ledger's columns have it, in their order."""
    known = file.identity
    return {
        "size_bytes": file.size_bytes,
        "modified_ns": file.modified_ns,
        "device": None if known is None else known.device,
        "inode": None if known is None else known.inode,
        "changed_ns": None if known is None else known.changed_ns,
    }


def identity_from(device: int | None, inode: int | None, changed_ns: int | None) -> Identity | None:
    """Return the identity that three columns hold; None where it was not recorded."""
    if device is None or inode is None or changed_ns is None:
        return None
    return Identity(device, inode, changed_ns)
