"""Files as strangers send them: good ones of every kind, broken ones, hostile ones. All from a seed."""

import gzip
import io
import json
import lzma
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape as xml_escape

MIB = 1 << 20


class Fate(StrEnum):
    """How a file must end."""

    COMPLETED = "completed"
    FAILED = "failed"
    EITHER = "either"  # refused or delivered: both are right, as long as it is told


@dataclass(frozen=True)
class Content:
    """The bytes of one file, the suffix that goes with them, and how they must end."""

    suffix: str
    data: bytes
    fate: Fate = Fate.COMPLETED


def good(rng: random.Random) -> Content:
    """Return a file that must be delivered."""
    makers = [regular, regular, comma_separated, tab_separated, json_array, json_lines, xml, zipped, tarred, gzipped]
    return rng.choice(makers)(rng)


def hostile(rng: random.Random) -> Content:
    """Return a file that nobody should have sent."""
    return rng.choice(HOSTILE)(rng)


def large(rng: random.Random) -> Content:
    """Return a file of several parts."""
    if rng.random() < 0.5:
        return Content(".bin", rng.randbytes(rng.randrange(9 * MIB, 24 * MIB)))
    rows = rng.randrange(100_000, 200_000)
    lines = (f"{n},{n % 97:04d},{n * 13 % 1000 / 10},word {n % 1000}" for n in range(rows))
    return Content(".csv", ("id,code,amount,word\n" + "\n".join(lines) + "\n").encode())


def empty(rng: random.Random) -> Content:
    suffixes = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".zip", ".tar.gz", ".gz", "")
    return Content(rng.choice(suffixes), b"")


# Good ones


def regular(rng: random.Random) -> Content:
    return Content(rng.choice((".bin", ".txt", ".pdf", ".CSV.bak", "")), rng.randbytes(rng.randrange(1, 50_000)))


def comma_separated(rng: random.Random) -> Content:
    return Content(rng.choice((".csv", ".CSV")), _separated(rng, ","))


def tab_separated(rng: random.Random) -> Content:
    return Content(".tsv", _separated(rng, "\t"))


def json_array(rng: random.Random) -> Content:
    return Content(".json", json.dumps(_records(rng), ensure_ascii=rng.random() < 0.5).encode())


def json_lines(rng: random.Random) -> Content:
    suffix = rng.choice((".jsonl", ".ndjson"))
    return Content(suffix, b"".join(json.dumps(record).encode() + b"\n" for record in _records(rng)))


def xml(rng: random.Random) -> Content:
    rows = "".join(
        f'<row id="{n}"><name>{xml_escape(_word(rng))}</name><amount>{rng.randrange(1000) / 10}</amount></row>\n'
        for n in range(rng.randrange(2, 60))
    )
    return Content(".xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<rows>\n{rows}</rows>\n'.encode())


def zipped(rng: random.Random) -> Content:
    buffer = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in _members(rng):
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return Content(".zip", buffer.getvalue())


def tarred(rng: random.Random) -> Content:
    suffix, squeeze = rng.choice(((".tar.gz", _gzip), (".tgz", _gzip), (".tar", bytes), (".tar.xz", lzma.compress)))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in _members(rng):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return Content(suffix, squeeze(buffer.getvalue()))


def _gzip(data: bytes) -> bytes:
    """Compress without the time of day: the same seed makes the same bytes."""
    return gzip.compress(data, mtime=0)


def gzipped(rng: random.Random) -> Content:
    inner = rng.choice((regular, comma_separated, json_lines))(rng)
    return Content(f"{inner.suffix}.gz", _gzip(inner.data))


def _members(rng: random.Random) -> list[tuple[str, bytes]]:
    members: dict[str, bytes] = {}
    for number in range(rng.randrange(1, 12)):
        content = rng.choice((regular, comma_separated, json_array, json_lines, xml))(rng)
        name = rng.choice(("", "sub/", "sub/deep er/", "\N{GREEK SMALL LETTER ALPHA}/"))
        members[f"{name}m{number}{content.suffix}"] = content.data
    return list(members.items())


def _separated(rng: random.Random, separator: str) -> bytes:
    """Return a table that can be read in one way only: a header of words, and columns that differ in kind."""
    lines = [separator.join(("id", "code", "amount", "day", "flag", "text"))]
    for number in range(rng.randrange(5, 300)):
        cells = (
            str(number * rng.choice((1, 1, 1000))),
            f"{rng.randrange(1000):04d}",
            f"{rng.randrange(10_000) / 100:.2f}",
            f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            rng.choice(("true", "false")),
            _word(rng) if rng.random() < 0.9 else "",
        )
        lines.append(separator.join(_quoted(cell, separator) for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def _quoted(cell: str, separator: str) -> str:
    if separator in cell or '"' in cell or "\n" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _records(rng: random.Random) -> list[dict[str, object]]:
    return [
        {
            "id": number,
            "name": _word(rng),
            "share": rng.randrange(1000) / 8,
            "big": rng.randrange(10**15),
            "on": rng.random() < 0.5,
            "tags": [rng.randrange(9) for _ in range(rng.randrange(3))],
            **({"extra": _word(rng)} if rng.random() < 0.3 else {}),
        }
        for number in range(rng.randrange(2, 120))
    ]


def _word(rng: random.Random) -> str:
    words = (
        "plain",
        "two words",
        "comma, inside",
        'quote " inside',
        "umlaut äöü",
        "NA",
        "007",
        "café \N{SNOWMAN}",
        "<&>",
    )
    return f"{rng.choice(words)} {rng.randrange(100)}"


# Hostile ones


def cut_json(rng: random.Random) -> Content:
    whole = json_array(rng).data
    return Content(".json", whole[: rng.randrange(1, len(whole) - 1)], Fate.FAILED)


def doubled_keys(_rng: random.Random) -> Content:
    return Content(".jsonl", b'{"a":1,"a":2}\n' * 3, Fate.FAILED)


def deep_json(_rng: random.Random) -> Content:
    return Content(".json", b"[" * 200_000 + b"]" * 200_000, Fate.EITHER)


def cut_xml(rng: random.Random) -> Content:
    whole = xml(rng).data
    return Content(".xml", whole[: rng.randrange(60, len(whole) - 8)], Fate.FAILED)


def billion_laughs(_rng: random.Random) -> Content:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return Content(".xml", f'<!DOCTYPE r [<!ENTITY e0 "lol">{entities}]><r><a>&e11;</a></r>'.encode(), Fate.EITHER)


def outside_entity(_rng: random.Random) -> Content:
    return Content(
        ".xml", b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><a>&x;</a><a>b</a></r>', Fate.EITHER
    )


def cut_gzip(rng: random.Random) -> Content:
    whole = _gzip(rng.randbytes(20_000))
    return Content(".txt.gz", whole[: rng.randrange(100, len(whole) - 9)], Fate.FAILED)


def damaged_zip(rng: random.Random) -> Content:
    """Flip one byte of a stored member, so that only its CRC tells."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("good.bin"), rng.randbytes(1000))
        archive.writestr(zipfile.ZipInfo("bad.bin"), b"B" * 5000)
    data = bytearray(buffer.getvalue())
    data[data.index(b"B" * 5000) + 2500] ^= 0xFF
    return Content(".zip", bytes(data), Fate.FAILED)


def climbing_zip(rng: random.Random) -> Content:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("../../climbed.txt", "/absolute.txt", "a/../../b.txt", "C:\\windows.txt"):
            archive.writestr(zipfile.ZipInfo(name), rng.randbytes(100))
    return Content(".zip", buffer.getvalue(), Fate.EITHER)


def linking_tar(rng: random.Random) -> Content:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
        entry = tarfile.TarInfo("link/passwd")
        entry.size = 10
        archive.addfile(entry, io.BytesIO(rng.randbytes(10)))
    return Content(".tar.gz", _gzip(buffer.getvalue()), Fate.EITHER)


def bomb(rng: random.Random) -> Content:
    """Return 48 MiB of one byte, squeezed a thousandfold."""
    size = rng.randrange(16, 48) * MIB
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(zipfile.ZipInfo("zeros.bin"), b"\0" * size, zipfile.ZIP_DEFLATED, 9)
    return Content(".zip", buffer.getvalue(), Fate.EITHER)


def noise(rng: random.Random) -> Content:
    suffix = rng.choice((".csv", ".tsv", ".json", ".jsonl", ".xml", ".zip", ".gz", ".tar.gz", ".tar"))
    return Content(suffix, rng.randbytes(rng.randrange(1, 4000)), Fate.EITHER)


def noise_in_gzip(rng: random.Random) -> Content:
    head = b"\x1f\x8b\x08\x00" + rng.randbytes(6)
    return Content(".gz", head + zlib.compress(rng.randbytes(500))[2:200], Fate.FAILED)


def image_called_table(rng: random.Random) -> Content:
    return Content(".csv", b"\x89PNG\r\n\x1a\n" + rng.randbytes(300))


def text_called_archive(rng: random.Random) -> Content:
    return Content(rng.choice((".zip", ".tar.gz", ".gz")), f"just text {rng.random()}\n".encode())


def ragged(rng: random.Random) -> Content:
    lines = [b"a,b,c"] + [b"%d,x,%d" % (n, n) for n in range(100)]
    lines[rng.randrange(2, 100)] = b"1,2,3,4,5"
    return Content(".csv", b"\n".join(lines) + b"\n", Fate.EITHER)


def nul_bytes(_rng: random.Random) -> Content:
    return Content(".csv", b"a,b\n1,\0\0\n2,x\n", Fate.EITHER)


HOSTILE: tuple[Callable[[random.Random], Content], ...] = (
    *(cut_json, doubled_keys, deep_json, cut_xml, billion_laughs, outside_entity, cut_gzip, damaged_zip),
    *(climbing_zip, linking_tar, bomb, noise, noise_in_gzip, image_called_table, text_called_archive),
    *(ragged, nul_bytes),
)
