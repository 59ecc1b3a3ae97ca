"""Does what lies in the bucket, the ledger and the error directory follow from what lies in the watched directory?

Shares no code with what it judges: SQLite, boto3, pyarrow, zipfile and tarfile are asked directly.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import sqlite3
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.e2e.bucket import MANIFESTS, Bucket
from tests.faults.contents import Fate
from tests.faults.names import DATA, is_tar, real_suffix, written
from tests.faults.values import differences

REASON = b".reason.json"


@dataclass(frozen=True)
class Row:
    """What the ledger says of one file."""

    status: str
    size_bytes: int
    checksum: str | None
    s3_key: str | None
    error_message: str | None
    due_at: int | None


@dataclass
class Checker:
    """One look at the end state. `fates` are by SHA-256; what is not in it must have been delivered."""

    watch: Path
    errors: Path
    ledger: Path
    bucket: Bucket
    fates: Mapping[str, Fate] = field(default_factory=dict)
    excluded: tuple[Path, ...] = ()
    violations: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    def run(self) -> list[str]:
        """Return every violation of the promises."""
        self._rows = dict(self._read_ledger())
        self._keys = self.bucket.keys()
        self._reasons = dict(self._read_reasons())
        self._with_reason = {reason.get("file") for reason in self._reasons.values()}
        self._explained: set[str] = set()
        self._lying: set[str] = set()
        for path, data in self._files():
            self._lying.add(written(path))
            self._check_file(path, data)
        for name, row in self._rows.items():
            self._check_row(name, row)
        self._check_errors()
        self._check_bucket()
        self._check_leftovers()
        self.checked |= {"files": len(self._lying), "rows": len(self._rows), "objects": len(self._keys)}
        return self.violations

    def _say(self, what: str) -> None:
        self.violations.append(what)

    # What lies there

    def _read_ledger(self) -> Iterator[tuple[str, Row]]:
        root = written(os.fsencode(self.watch)) + "/"
        with contextlib.closing(sqlite3.connect(self.ledger)) as ledger:
            (answer,) = ledger.execute("PRAGMA integrity_check").fetchone()
            if answer != "ok":
                self._say(f"ledger: {answer}")
            for table in ("uploads", "parts", "objects"):
                query = f"SELECT count(*) FROM {table}"
                if table == "objects":  # those of failed archives are kept for a retry
                    query += " WHERE file_id IN (SELECT id FROM file_progress WHERE status='completed')"
                (count,) = ledger.execute(query).fetchone()
                if count:
                    self._say(f"ledger: {count} rows are left in {table}")
            query = "SELECT file_path, status, size_bytes, checksum, s3_key, error_message, due_at FROM file_progress"
            for path, *rest in ledger.execute(query):
                yield path.removeprefix(root), Row(*rest)

    def _files(self) -> Iterator[tuple[bytes, bytes]]:
        root = os.fsencode(self.watch)
        for directory, directories, names in os.walk(root):
            directories[:] = [
                d for d in directories if Path(os.fsdecode(os.path.join(directory, d))) not in self.excluded
            ]
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        yield os.path.relpath(path, root), file.read()

    # Each file has one end

    def _check_file(self, path: bytes, data: bytes) -> None:
        name, digest = written(path), hashlib.sha256(data).hexdigest()
        row = self._rows.get(name)
        if row is None:
            self._say(f"{name!r}: the ledger does not know it")
        elif row.status != "completed":
            self._say(f"{name!r}: lies there but is {row.status}: {row.error_message}")
        elif (row.checksum, row.size_bytes) != (digest, len(data)):
            self._say(f"{name!r}: delivered with other content than lies there")
        elif self.fates.get(digest) is Fate.FAILED:
            self._say(f"{name!r}: is broken and was delivered")
        else:
            self._check_delivery(name, path, data, digest)

    def _check_row(self, name: str, row: Row) -> None:
        if row.status not in ("completed", "failed") or row.due_at is not None:
            self._say(f"{name!r}: has not come to its end: {row}")
        if row.status == "completed" and not row.s3_key:
            self._say(f"{name!r}: completed without a key")
        if row.status != "failed":
            return
        if not row.error_message:
            self._say(f"{name!r}: failed without a reason")
        gone = row.error_message is not None and "vanished" in row.error_message
        if self.fates.get(row.checksum or "") is Fate.COMPLETED and not gone:
            self._say(f"{name!r}: is in order and failed: {row.error_message}")
        if name in self._lying:
            return  # told of already
        if name not in self._with_reason:
            self._say(f"{name!r}: failed, but there is no reason in the error directory")

    def _read_reasons(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        for path in _walk(self.errors):
            if path.endswith(REASON):
                with open(path, "rb") as file:
                    yield path, json.loads(file.read())

    def _check_errors(self) -> None:
        for path in _walk(self.errors):
            if path.endswith(b".partial"):
                self._say(f"{path!r}: a temporary file was left")
            elif not path.endswith(REASON) and path + REASON not in self._reasons:
                self._say(f"{path!r}: a failed file without its reason")
        for path, reason in self._reasons.items():
            aside = path.removesuffix(REASON)
            if not os.path.lexists(aside):
                continue  # it had vanished, or changed, when it was to be moved
            with open(aside, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            if reason.get("sha256") not in (None, digest):
                self._say(f"{aside!r}: is not the file that the reason tells of")
            if self.fates.get(digest) is Fate.COMPLETED:
                self._say(f"{aside!r}: is in order and was set aside: {reason.get('code')}: {reason.get('message')}")
            self.checked["set aside"] = self.checked.get("set aside", 0) + 1

    # Each object is right

    def _check_delivery(self, name: str, path: bytes, data: bytes, digest: str) -> None:
        manifest_key = f"{MANIFESTS}{name}.json"
        if manifest_key not in self._keys:
            self._say(f"{name!r}: completed without a manifest")
            return
        manifest = json.loads(self.bucket.body(manifest_key))
        if (manifest["sha256"], manifest["size_bytes"], manifest["source_path"]) != (digest, len(data), name):
            self._say(f"{name!r}: its manifest tells of another file")
        told = {entry["key"]: entry for entry in manifest["entries"] if "key" in entry}
        bodies: dict[str, bytes] = {}
        for key, entry in told.items():
            body = self._check_object(name, path, digest, key, entry)
            if body is not None:
                bodies[key] = body
        if len(bodies) == len(told) and self.fates.get(digest) is not Fate.EITHER:
            self._check_content(name, path, data, bodies)

    def _check_object(self, name: str, path: bytes, digest: str, key: str, entry: dict[str, Any]) -> bytes | None:
        if key not in self._keys:
            self._say(f"{name!r}: {key!r} is not there")
            return None
        self._explained.add(key)
        answer = self.bucket.client.get_object(Bucket=self.bucket.name, Key=key)
        body, metadata = bytes(answer["Body"].read()), answer["Metadata"]
        self.checked["objects compared"] = self.checked.get("objects compared", 0) + 1
        if hashlib.sha256(body).hexdigest() != entry["sha256"] or len(body) != entry["size_bytes"]:
            self._say(f"{name!r}: {key!r} is not what its manifest says")
        if metadata.get("x-completed") != "true" or metadata.get("source-sha256") != digest:
            self._say(f"{name!r}: {key!r} has other metadata: {metadata}")
        if "source-path" in metadata and unquote_to_bytes(metadata["source-path"]) != path:
            self._say(f"{name!r}: {key!r} names another source: {metadata}")
        return body

    def _check_content(self, name: str, path: bytes, data: bytes, bodies: Mapping[str, bytes]) -> None:
        own = _own_key(name)
        suffix = real_suffix(path, data)
        expected = dict(_expected(own, suffix, path, data))
        if expected.keys() != bodies.keys():
            self._say(f"{name!r}: keys {sorted(bodies)} instead of {sorted(expected)}")
            return
        for key, (kind, source) in expected.items():
            if kind in DATA:
                wrong = differences(kind, source, bodies[key])
                self.checked["tables compared"] = self.checked.get("tables compared", 0) + 1
                if wrong:
                    self._say(f"{name!r}: {key!r}: {wrong}")
            elif source != bodies[key]:
                self._say(f"{name!r}: {key!r} is not byte for byte its source")

    # Nothing else is there

    def _check_bucket(self) -> None:
        names = self._rows.keys()
        for key in self._keys - self._explained:
            if key.startswith(MANIFESTS):
                if key.removeprefix(MANIFESTS).removesuffix(".json") not in names:
                    self._say(f"{key!r}: a manifest of nothing")
                continue
            metadata = self.bucket.head(key)["Metadata"]
            source = metadata.get("source-path")
            owner = None if source is None else written(unquote_to_bytes(source))
            if owner not in names:
                self._say(f"{key!r}: an object of nobody: {metadata}")
            elif not (key == _own_key(owner) or key.startswith((f"{_own_key(owner)}.", f"{_own_key(owner)}/"))):
                self._say(f"{key!r}: lies where {owner!r} may not write")
            elif self.fates and metadata.get("source-sha256") not in self.fates:
                self.checked["of passing states"] = self.checked.get("of passing states", 0) + 1
        for key in self.bucket.open_uploads():
            self._say(f"{key!r}: an upload was left open")

    def _check_leftovers(self) -> None:
        known = {self.ledger.name + suffix for suffix in ("", "-wal", "-shm", ".lock")}
        for each in self.ledger.parent.iterdir():
            if each.name.startswith(f"{self.ledger.name}.damaged-"):
                self.checked["ledgers set aside"] = self.checked.get("ledgers set aside", 0) + 1
            elif each.name.startswith(self.ledger.name) and each.name not in known:
                self._say(f"{each}: nobody knows what this is")


def _own_key(name: str) -> str:
    return re.sub(r"^_(?=(manifests|probe)/)", "%5F", name)


def _expected(key: str, suffix: str, name: bytes, data: bytes) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Yield key, kind and source bytes of every object that a well-formed file becomes."""
    if suffix == "":
        yield key, ("", data)
    elif suffix in DATA:
        yield f"{key}.parquet", (suffix, data)
    elif suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    yield _member(key, info.filename.encode(), archive.read(info))
    elif is_tar(suffix):
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for entry in archive:
                if entry.isreg() and (file := archive.extractfile(entry)) is not None:
                    yield _member(key, entry.name.encode(), file.read())
    else:
        inner = name.rpartition(b"/")[2][: -len(suffix)]
        yield _member(key, inner, gzip.decompress(data))


def _member(archive_key: str, name: bytes, data: bytes) -> tuple[str, tuple[str, bytes]]:
    suffix = real_suffix(name, data)
    kind = suffix if suffix in DATA else ""
    harmless = re.sub(r"[\x00-\x1f\x7f]", lambda control: f"%{ord(control[0]):02X}", written(name))
    key = f"{archive_key}/{harmless}"
    return (f"{key}.parquet" if kind else key), (kind, data)


def _walk(directory: Path) -> Iterator[bytes]:
    for parent, _directories, names in os.walk(os.fsencode(directory)):
        for name in names:
            yield os.path.join(parent, name)
