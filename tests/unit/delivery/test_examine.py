"""A file is examined only while it is whole, and no longer than somebody waits for it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.delivery.digests import HashingStopped
from processor.delivery.examine import ExaminedFile, examine_for_upload
from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.domain.files import FileMetadata
from processor.domain.identity import Identity
from processor.domain.uploads import LARGEST_OBJECT_BYTES

MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.bin"


def found(path: Path) -> FileMetadata:
    status = path.stat()
    name = os.fsencode(path.name)
    return FileMetadata(bytes(path), name, status.st_size, status.st_mtime_ns, 0, identity=Identity.of(status))


def examine(path: Path, file: FileMetadata | None = None) -> ExaminedFile:
    return examine_for_upload(bytes(path.parent), file or found(path), 8 * MIB)


def refusal(path: Path, file: FileMetadata | None = None) -> Failure:
    with pytest.raises(DeliveryError) as caught:
        examine(path, file)
    return caught.value.failure


def test_a_file_is_not_read_while_somebody_has_it_open_for_writing(path: Path) -> None:
    with path.open("wb", buffering=0) as writer:
        writer.write(b"half")
        assert refusal(path).code == "source.open"
        writer.write(b"whole")
    assert examine(path).file.checksum == hashlib.sha256(b"halfwhole").hexdigest()


@pytest.mark.parametrize("field", ["device", "inode", "changed_ns"])
def test_a_file_of_the_same_size_and_time_that_is_another_is_told(path: Path, field: str) -> None:
    path.write_bytes(b"a")
    file = found(path)
    assert file.identity is not None
    other = replace(file, identity=replace(file.identity, **{field: 1}))
    assert refusal(path, other).code == "source.changed"


def test_what_no_store_takes_is_told_before_it_is_read(path: Path) -> None:
    path.touch()
    os.truncate(path, LARGEST_OBJECT_BYTES + 1)  # of which nothing is on the disk
    failure = refusal(path)
    assert (failure.code, failure.error_class) == ("store.too-large", ErrorClass.PERMANENT)


@pytest.mark.parametrize("size_bytes", [4 * MIB, 40 * MIB])
def test_hashing_stops_within_a_piece(path: Path, size_bytes: int) -> None:
    path.touch()
    os.truncate(path, size_bytes)
    asked: Iterator[bool] = iter([False, False, True])
    with pytest.raises(HashingStopped):
        examine_for_upload(bytes(path.parent), found(path), 8 * MIB, lambda: next(asked))
    assert next(asked, None) is None


def test_a_file_that_may_not_be_read_is_tried_again(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    path.write_bytes(b"secret")
    path.chmod(0o600)
    for parent in list(path.parents)[:-1]:
        parent.chmod(parent.stat().st_mode | 0o011)
    program = (
        "import os, sys\n"
        "from processor.streams.source import open_file, DeliveryError\n"
        "os.setgid(54321); os.setuid(54321)\n"
        f"try: open_file({bytes(path.parent)!r}, b'a.bin').__enter__()\n"
        "except DeliveryError as error: print(error.failure.code, error.failure.error_class)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.stdout.split() == ["source.forbidden", "transient"], told.stderr
