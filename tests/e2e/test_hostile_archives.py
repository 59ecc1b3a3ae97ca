"""Archives made to do harm, or made oddly, all at once: what becomes of each, and that nothing else is stored."""

import bz2
import io
import os
import struct
import tarfile
from collections.abc import Iterator

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.test_archives import processor
from tests.unit.confined.archives.recording import gz, tar_of, zip_of

EVIL = b"evil"
SLIPS = {
    "../../up": "%2E%2E/%2E%2E/up",
    "/etc/absolute": "%2Fetc/absolute",
    "C:\\drive": "C%3A%5Cdrive",
    "c:/drive": "c%3A/drive",
    "..\\..\\up": "..%5C..%5Cup",
    "a/../../up": "a/%2E%2E/%2E%2E/up",
    "\\\\server\\share": "%5C%5Cserver%5Cshare",
    "a\x01b": "a%01b",
    "con/..": "con/%2E%2E",
    ".//up": "%2Fup",
    "%2e%2e/up": "%2e%2e/up",
}
CSV = b"id,name\n1,a\n2,b\n"


def encrypted() -> bytes:
    data = bytearray(zip_of([("secret", b"0123456789"), ("open", b"1")]))
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def overlapping() -> bytes:
    one = zip_of([("a", bytes(1000))])
    start = one.index(b"PK\x01\x02")
    record = one[start:-22]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, 2 * len(record), start, 0)
    return one[:start] + 2 * record + end


def links() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, link in (
            ("way", tarfile.SYMTYPE, "/tmp"),
            ("way/through", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("fifo", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    return buffer.getvalue()


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 4
    return bytes(changed)


def archives() -> Iterator[tuple[str, bytes, str, set[str]]]:
    """Yield name, content, how it ends (the failure's code, "" for completed), and the objects that it becomes."""
    whole = zip_of([("a", b"1")])
    packed = gz(tar_of([("x", os.urandom(5000)), ("y", b"1")]))
    old_name = zip_of([("grXn.txt", b"437")]).replace(b"grXn.txt", b"gr\x81n.txt")
    split = whole[:-22] + struct.pack("<4s4H2IH", b"PK\x05\x06", 2, 2, 1, 1, *struct.unpack("<2I", whole[-10:-2]), 0)
    twice = zip_of([("a.csv", CSV), ("./a.csv", CSV), ("b", b"1")])
    yield "slip.zip", zip_of([(name, EVIL) for name in SLIPS]), "", set(SLIPS.values())
    yield "slip.tar", tar_of([(name, EVIL) for name in SLIPS]), "", set(SLIPS.values())
    yield "links.tar", links(), "", {"way/through"}
    yield "secret.zip", encrypted(), "archive.bad-members", {"open"}
    yield "overlap.zip", overlapping(), "archive.overlapping-entries", set()
    yield "flipped.tar.gz", flipped(packed, 2500), "archive.corrupt", set()
    yield "cut.tar.gz", packed[:3000], "archive.corrupt", set()
    yield "cut.zip", zip_of([("a", b"1")])[:-30], "archive.truncated", set()
    yield "bomb.zip", zip_of([("zeros", bytes(40_000_000))]), "archive.too-large", set()
    yield "names.zip", old_name, "", {"grün.txt"}
    yield "doubtful.zip", zip_of([("XX.txt", b"1")]).replace(b"XX.txt", b"\x81\x84.txt"), "", {"%81%84.txt"}
    yield "split.zip", split, "archive.multi-volume", set()
    yield "small-bomb.csv.bz2", bz2.compress(b"1,2\n" * 4_000_000), "archive.too-large", set()
    yield "unmarked.tar", tar_of([("x", b"y" * 512)]).rstrip(b"\0"), "", {"x"}
    yield "twice.zip", twice, "", {"a.csv.parquet", "a%231.csv.parquet", "b"}
    yield "joined.csv.gz", gz(b"id,name\n1,a\n") + gz(b"2,b\n"), "", {"joined.csv.parquet"}
    yield "prefixed.zip", b"#!/bin/sh\n" + zip_of([("a", b"1")]), "", {"a"}
    yield "none.tar.gz", gz(tar_of([])), "", set()
    yield (
        "deep.zip",
        zip_of([("1.zip", zip_of([("2.zip", zip_of([("3.zip", zip_of([]))]))]))]),
        "archive.bad-members",
        set(),
    )


def test_every_hostile_archive_comes_to_its_end_and_stores_nothing_but_its_own_members(
    make_daemon: MakeDaemon, objects: Bucket
) -> None:
    daemon = make_daemon(NESTED_ARCHIVES="extract", MAX_ARCHIVE_BYTES=30_000_000, MAX_RETRIES=0)
    made = list(archives())
    for name, content, _end, _keys in made:
        (daemon.watch / name).write_bytes(content)

    assert daemon.once() == 1

    ends = {each["path"]: each["code"] for each in daemon.events("file.failed")}
    assert ends == {name: end for name, _content, end, _keys in made if end}
    assert daemon.statuses() == {name: "failed" if end else "completed" for name, _content, end, _keys in made}
    assert objects.delivered() == {f"{name}/{key}" for name, _content, _end, keys in made for key in keys}
    omitted = {entry["member"] for entry in objects.manifest("links.tar")["entries"] if "omitted" in entry}
    assert omitted == {"way", "hard", "fifo"}
    (note,) = [entry for entry in objects.manifest("unmarked.tar")["entries"] if "omitted" in entry]
    assert "no end marker" in note["omitted"]
    (named,) = objects.manifest("names.zip")["entries"]
    assert named["member"] == "gr%81n.txt", "the manifest keeps the bytes that stand in the archive"


def test_the_extract_command_writes_into_its_directory_alone_and_tells_what_it_left_out(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon()
    (daemon.home / "bad.zip").write_bytes(
        zip_of([*((name, EVIL) for name in SLIPS), ("t.csv", CSV), ("bad.json", b"{")])
    )
    before = set(daemon.home.parent.rglob("*"))

    done = processor(daemon, "extract", "bad.zip", "out/below")

    assert done.returncode == 1
    assert done.stdout == f"out/below: {len(SLIPS) + 1} members\n"
    assert done.stderr.startswith("failed: bad.json: ")
    made = set(daemon.home.parent.rglob("*")) - before
    target = daemon.home / "out" / "below"
    assert {str(path.relative_to(target)) for path in made if path.is_file()} == {*SLIPS.values(), "t.csv.parquet"}
    assert processor(daemon, "extract", "nothing.zip", "out").returncode == 1
