"""Files to drop: names of every kind, sizes large and small."""

import hashlib
import os
import random
from pathlib import Path

MIB = 1 << 20
BROKEN_JSON = b'[{"a":1},{"a":'
ODD_NAMES = {
    b"with space.txt": "with space.txt",
    b"quote'and\"double.txt": "quote'and\"double.txt",
    b"new\nline.bin": "new\nline.bin",
    "smile \N{GRINNING FACE}.dat".encode(): "smile \N{GRINNING FACE}.dat",
    b"not-utf8-\xff\xfe.bin": "not-utf8-%FF%FE.bin",
    b"percent%41.txt": "percent%2541.txt",
    b"plus+and&hash#.txt": "plus+and&hash#.txt",
    b"back\\slash.txt": "back%5Cslash.txt",
    b"tab\there.txt": "tab\there.txt",
    b"-rf.txt": "-rf.txt",
    b".hidden": ".hidden",
    b"n" * 240: "n" * 240,
}


def write(path: Path | bytes, content: bytes) -> None:
    raw = os.fsencode(path)
    os.makedirs(os.path.dirname(raw), exist_ok=True)
    with open(raw, "wb") as file:
        file.write(content)


def write_large(path: Path, size: int, seed: int) -> str:
    """Write `size` random bytes and return their SHA-256."""
    rng = random.Random(seed)
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = rng.randbytes(min(MIB, size - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def write_csv(path: Path, size: int) -> int:
    """Write a CSV of about `size` bytes and return its number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("id,code,amount,when,text\n")
        while file.tell() < size:
            file.write("".join(map(_row, range(rows, rows + 10_000))))
            rows += 10_000
    return rows


def _row(number: int) -> str:
    day = f"2024-03-{number % 28 + 1:02d}"
    return f"{number},{number % 997:05d},{number * 7 % 100000 / 100},{day},some text {number}\n"


def make_tree(watch: Path) -> dict[str, bytes]:
    """Make 200 files in nested directories; return the regular ones' keys with their content."""
    rng = random.Random(42)
    expected: dict[str, bytes] = {}
    for raw, key in ODD_NAMES.items():
        expected[f"odd/{key}"] = rng.randbytes(rng.randrange(1, 5000))
        write(os.path.join(os.fsencode(watch), b"odd", raw), expected[f"odd/{key}"])
    for number in range(150):
        key = f"a{number % 7}/b {number % 5}/{number}.bin"
        expected[key] = b"" if number % 10 == 0 else rng.randbytes(rng.randrange(1, 200_000))
        write(watch / key, expected[key])
    for number in range(36):
        key = f"tables/t{number % 3}/{number}.csv"
        write(watch / key, b"n,code\n" + b"".join(b"%d,%03d\n" % (i, i % 7) for i in range(number + 1)))
    return expected
