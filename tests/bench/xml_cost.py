"""What the conversion of XML costs beside an lxml.iterparse script that does the same for its one kind of file.

`xml_cost.py [MEGABYTES]` writes two generated documents (flat and nested rows), converts each both ways in processes of
their own, and prints CPU and wall seconds, megabytes of XML a second, and peak memory. All files are deleted.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]

LXML = """
import sys, duckdb, orjson
from lxml import etree

def value(element):
    if not len(element) and not element.attrib:
        return element.text
    found = {"@" + name: text for name, text in element.attrib.items()}
    if element.text and element.text.strip():
        found["#text"] = element.text
    for child in element:
        if child.tag == "item":
            found.setdefault(child.tag, []).append(value(child))
        else:
            found[child.tag] = value(child)
    return found

source, target, tag = sys.argv[1:]
lines = target + ".jsonl"
with open(lines, "wb") as file:
    for _, element in etree.iterparse(source, tag=tag):
        file.write(orjson.dumps(value(element)) + b"\\n")
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
duckdb.execute("SET threads=1")
duckdb.execute(f"COPY (FROM read_json('{lines}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
"""


def flat_row(number: int, pick: random.Random) -> str:
    return (
        f'  <record id="{number}">\n    <name>Name of {pick.randrange(10**6)}</name>\n'
        f"    <price>{pick.random() * 100:.2f}</price>\n    <quantity>{pick.randrange(100)}</quantity>\n"
        f"    <date>2024-0{pick.randrange(1, 10)}-1{pick.randrange(10)}</date>\n"
        f"    <note>some text &amp; more {pick.randrange(1000)}</note>\n  </record>\n"
    )


def nested_row(number: int, pick: random.Random) -> str:
    items = "".join(
        f'      <item sku="s{pick.randrange(1000)}"><quantity>{pick.randrange(9)}</quantity>'
        f'<price currency="EUR">{pick.random() * 9:.2f}</price></item>\n'
        for _ in range(pick.randrange(1, 6))
    )
    note = f"    <note>hello {number}</note>\n" if pick.random() < 0.5 else ""
    return (
        f'  <record id="{number}">\n    <customer><name>Customer {pick.randrange(1000)}</name></customer>\n'
        f"{note}    <items>\n{items}    </items>\n  </record>\n"
    )


def write(path: Path, size: int, row: Callable[[int, random.Random], str]) -> None:
    pick = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<catalog version="2">\n')
        number = 0
        while file.tell() < size:
            file.writelines(row(number + more, pick) for more in range(1000))
            number += 1000
        file.write("</catalog>\n")


def measure(name: str, size: int, command: list[str]) -> None:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate = size / 1e6
    print(f"{name:16} CPU {cpu:6.1f} s {rate / cpu:6.1f} MB/s   wall {wall:6.1f} s {rate / wall:6.1f} MB/s", end="   ")
    print(f"largest so far {after.ru_maxrss // 1024} MB", flush=True)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.xml", str(Path(folder) / "out.parquet")
        for name, row in (("flat", flat_row), ("nested", nested_row)):
            write(source, megabytes * 10**6, row)
            size = source.stat().st_size
            measure(
                f"{name} processor", size, [sys.executable, str(ROOT / "tests/tools/convert.py"), str(source), target]
            )
            measure(f"{name} lxml", size, [sys.executable, "-c", LXML, str(source), target, "record"])


if __name__ == "__main__":
    main()
