"""The cases: what is delivered, by whom, and what ratio to whom is wanted: of wall clock, from the start on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import data, sides
from tests.bench.sides import OURS, Side

MB = 1_000_000


@dataclass(frozen=True)
class Case:
    """`make(directory, scale)` writes the data, at a scale of 1 all of it. `targets`: the share of a peer's time."""

    name: str
    title: str
    make: Callable[[Path, float], None]
    sides: tuple[Side, ...]
    targets: dict[str, float]
    objects: Callable[[float], int]  # how many objects ours are to be, manifests not counted


def _count(full: int) -> Callable[[float], int]:
    return lambda scale: max(50, int(full * scale))


_TABLES, _FILES = _count(2000), _count(10_000)

CASES = (
    Case(
        "csv",
        "1 GB of mixed CSV, one file",
        lambda to, scale: data.mixed_csv(to / "mixed.csv", int(1000 * MB * scale)),
        (OURS, sides.by_hand("read_csv"), sides.dataframe("polars", "read_csv(FILE, try_parse_dates=True)"),
         sides.dataframe("pandas", "read_csv(FILE)")),
        {"by hand": 0.75},
        lambda _: 1,
    ),
    Case(
        "csv-small",
        "2,000 CSV files of 10 KB",
        lambda to, scale: data.small_tables(to, _TABLES(scale)),
        (OURS, sides.CLEVER, sides.SHELL_LOOP),
        {"clever script": 0.65, "shell loop (a 50th)": 0.04},
        _TABLES,
    ),
    Case(
        "jsonl",
        "1 GB of JSON Lines, one file",
        lambda to, scale: data.json_lines(to / "mixed.jsonl", int(1000 * MB * scale)),
        (OURS, sides.by_hand("read_json")),
        {"by hand": 0.8},
        lambda _: 1,
    ),
    Case(
        "xml",
        "500 MB of XML, one file",
        lambda to, scale: data.xml(to / "orders.xml", int(500 * MB * scale)),
        (OURS, sides.LXML),
        {"lxml script": 1 / 3},
        lambda _: 1,
    ),
    Case(
        "tar.gz",
        "1 GB of CSV in a .tar.gz",
        lambda to, scale: data.tar_gz(to / "tables.tar.gz", int(1000 * MB * scale)),
        (OURS, sides.UNTAR),
        {"by hand": 0.8},
        lambda _: 4,
    ),
    Case(
        "zip",
        "2,000 CSV files of 10 KB in a .zip",
        lambda to, scale: data.zip_of_tables(to / "tables.zip", _TABLES(scale)),
        (OURS, sides.UNZIP),
        {"by hand": 0.8},
        _TABLES,
    ),
    Case(
        "large",
        "one regular file of 2 GB",
        lambda to, scale: data.large_file(to / "large.bin", int(2000 * MB * scale)),
        (OURS, sides.S5CMD, sides.RCLONE),
        {"s5cmd cp": 1.2},
        lambda _: 1,
    ),
    Case(
        "small",
        "10,000 regular files of 4 KB",
        lambda to, scale: data.small_files(to, _FILES(scale), 4096),
        (OURS, sides.AWS, sides.RCLONE, sides.S5CMD),
        {"aws s3 cp": 1.0},
        _FILES,
    ),
)  # fmt: skip
