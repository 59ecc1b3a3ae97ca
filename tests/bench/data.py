"""What is delivered, made anew from a seed: the same bytes on every machine."""

import gzip
import random
import tarfile
import zipfile
from pathlib import Path

import duckdb

_ROW = """
  i AS id, 'customer ' || (hash(i) % 100000) AS customer, (hash(i, 1) % 500)::INTEGER AS quantity,
  (hash(i, 2) % 1000000)::DECIMAL(12, 2) / 100 AS price,
  CASE WHEN hash(i, 3) % 10 > 0 THEN round((hash(i, 3) % 1000000007) / 1e7, (hash(i, 4) % 6)::INTEGER) END AS reading,
  DATE '2015-01-01' + (hash(i, 5) % 4000)::INTEGER AS day,
  TIMESTAMP '2020-01-01' + to_seconds((hash(i, 6) % 150000000)::BIGINT) AS seen_at,
  hash(i, 7) % 3 = 0 AS active, ['red', 'green', 'blue', 'dark grey'][1 + (hash(i, 8) % 4)::INTEGER] AS colour,
  CASE WHEN hash(i, 9) % 4 = 0 THEN NULL ELSE 'note ' || hash(i, 9) || ', second part' END AS note
"""
_CSV_BYTES_A_ROW, _JSON_BYTES_A_ROW = 112, 233
_SMALL_ROWS = 200  # about 10 KB


def mixed_csv(path: Path, size_bytes: int) -> None:
    """Write keys, counts, prices, measurements, dates, moments, truth values, categories and free text."""
    _copy(path, size_bytes // _CSV_BYTES_A_ROW, "FORMAT csv, HEADER")


def json_lines(path: Path, size_bytes: int) -> None:
    """Write the same table as JSON Lines."""
    _copy(path, size_bytes // _JSON_BYTES_A_ROW, "FORMAT json")


def _copy(path: Path, rows: int, form: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY (SELECT {_ROW} FROM range({rows}) t(i)) TO '{path}' ({form})")


def xml(path: Path, size_bytes: int, seed: int = 1) -> None:
    """Write orders with an attribute, nested elements and free text."""
    chance = random.Random(seed)
    written = 0
    with path.open("w") as file:
        file.write("<?xml version='1.0'?>\n<orders>\n")
        number = 0
        while written < size_bytes:
            number += 1
            written += file.write(
                f'<order id="{number}"><customer><name>name {chance.randrange(100_000)}</name>'
                f"<city>city {chance.randrange(500)}</city></customer><day>2024-{chance.randint(1, 12):02d}-"
                f"{chance.randint(1, 28):02d}</day><price>{chance.randrange(10**6) / 100:.2f}</price>"
                f"<note>second &amp; last part {chance.randrange(10**6)}</note></order>\n"
            )
        file.write("</orders>\n")


def small_table(seed: int) -> bytes:
    """Return about 10 KB of CSV."""
    chance = random.Random(seed)
    lines = ["id,value,day,name,number,flag"]
    for number in range(_SMALL_ROWS):
        day = f"2024-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        word = f"name {chance.randint(0, 99_999)}"
        lines.append(f"{number},{chance.random():.6f},{day},{word},{chance.randint(0, 10**9)},{chance.random() < 0.5}")
    return ("\n".join(lines) + "\n").encode()


def small_tables(directory: Path, count: int) -> None:
    """Write many small tables, a hundred a directory."""
    for number in range(count):
        path = directory / f"d{number // 100:03}" / f"t{number:05}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small_table(number))


def small_files(directory: Path, count: int, size_bytes: int, seed: int = 2) -> None:
    """Write many files of bytes without sense, a hundred a directory."""
    chance = random.Random(seed)
    for number in range(count):
        path = directory / f"directory-number-{number // 100:05}" / f"a-file-of-the-usual-length-{number:07}.bin"
        if number % 100 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size_bytes))


def large_file(path: Path, size_bytes: int, seed: int = 3) -> None:
    """Write bytes without sense."""
    chance = random.Random(seed)
    with path.open("wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(chance.randbytes(1 << 20))


def tar_gz(path: Path, size_bytes: int) -> None:
    """Pack four mixed tables whose sizes add up to `size_bytes`."""
    part = path.with_suffix(".part")
    with gzip.open(path, "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        mixed_csv(part, size_bytes // 4)
        for number in range(4):
            archive.add(part, f"table{number}.csv")
    part.unlink()


def zip_of_tables(path: Path, count: int) -> None:
    """Pack small tables."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"d{number % 20}/t{number:05}.csv", small_table(number))
