"""Small random texts, and the sum that has to come out right: every record of a text has one owner.

    python -m tests.certainty.accounting [--count N] [--seed N] [--keep DIR]

records = header + rows + rejects + notes, and blank lines. Records are counted here by RFC 4180 alone; the texts
leave no doubt about that: one separator, and quotes that enclose fields. Prints what does not add up, by mode, and
then ends with 1.
"""

import argparse
import csv
import io
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.tools.batch import Batch

# Settings under which the sum is taken.
MODES = {
    "default": {},
    "reject-object": {"MALFORMED_ROWS": "reject-object"},
    "recognise, reject-object": {"CSV_NOTES": "recognise", "MALFORMED_ROWS": "reject-object"},
    "recognise, keep": {"CSV_NOTES": "recognise", "MALFORMED_ROWS": "keep"},
}

_NAMES = ["id", "name", "amount", "day", "code", "note"]
_WORDS = ["a", "bc", "north", "x_y", "o'neill", "zürich", "#", "#7", "Total", "NA"]
_NUMBERS = ["0", "1", "42", "2.5", "-3", "007", "2024-01-01", "12:30:00"]
_QUOTED = ['""', '"q"', '"a,b"', '"7"', '"say ""so"""', '"#x"', '",,"']
_LINES = ['"first\nsecond"', '"a,b\nc,d"', '"\n"', '"x\n\ny"']
_STRANGERS = ["Report", "#_made_by_hand", "Source:_somebody", "Total,99", "-----", "a,b,c,d,e,f,g", ",", ",,,,", "end,"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the number of its records."""

    data: bytes
    records: int
    blank: int

    @property
    def lines(self) -> list[str]:
        return self.data.decode().replace("\r\n", "\n").split("\n")


def texts(seed: int) -> Iterator[Text]:
    """Yield texts for ever: irregular ones, blocks of like lines, and regular ones with line ends within quotes."""
    chance = random.Random(seed)
    while True:
        text = chance.choice([_regular, _irregular, _blocks, _blocks])(chance)
        newline = chance.choice(["\n", "\r\n"])
        data = (newline.join(text) + newline * (chance.random() < 0.8)).encode()
        records = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
        yield Text(data, len(records), sum(not record for record in records))


def _regular(chance: random.Random) -> list[str]:
    width = chance.randrange(3, 6)
    rows = [[str(at), *(_field(chance) for _ in range(width - 2)), chance.choice(_WORDS)] for at in range(9)]
    for row in chance.sample(rows, 2):
        row[chance.randrange(1, width - 1)] = chance.choice(_LINES)
    return [",".join(row) for row in [_NAMES[:width], *rows]]


def _irregular(chance: random.Random) -> list[str]:
    width, count = chance.randrange(1, 6), chance.choice([0, 1, 2, 3, 5, 8, 13, 40])
    lines = [",".join(_NAMES[:width])] if chance.random() < 0.8 else []
    lines += [_record(width, chance) for _ in range(count)]
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        lines.insert(chance.choice([0, 1, len(lines), chance.randrange(len(lines) + 1)]), _stranger(width, chance))
    return lines


def _blocks(chance: random.Random) -> list[str]:
    """Return blocks of lines of a width and of kinds of fields; the last fields are often empty."""
    lines = []
    for _ in range(chance.randrange(1, 5)):
        pools = [chance.choice([_WORDS, _NUMBERS, [""], ["1"], _NAMES]) for _ in range(chance.randrange(1, 5))]
        empty = [""] * chance.choice([0, 0, 0, 1, 2])
        lines += [
            ",".join([*(chance.choice(pool) for pool in pools), *empty]) for _ in range(chance.choice([1, 1, 2, 3, 6]))
        ]
    return lines


def _record(width: int, chance: random.Random) -> str:
    return ",".join([chance.choice(_NUMBERS), *(_field(chance) for _ in range(width - 1))])


def _field(chance: random.Random) -> str:
    return chance.choice(chance.choice([_WORDS, _NUMBERS, _NUMBERS, _QUOTED, [""]]))


def _stranger(width: int, chance: random.Random) -> str:
    """Return a line that may belong to nothing."""
    match chance.randrange(4):
        case 0:
            return ""
        case 1:
            return chance.choice(_STRANGERS)
        case 2:
            return _record(max(1, width + chance.choice([-2, -1, 1, 3])), chance)
        case _:
            return ",".join(chance.choice(_WORDS) for _ in range(chance.randrange(1, width + 2)))


# The sum


def wrong(text: Text, target: Path) -> str:
    """Return why the sum of the Parquet at `target` and what is beside it is not the text's; nothing when it is."""
    rejects = _lines_of(target, "rejects")
    with pq.ParquetFile(target) as file:
        facts = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
        rows = file.metadata.num_rows
    header = int(facts.get("header", "").startswith("yes"))
    notes = _records_in([note["text"] for note in _lines_of(target, "notes")] or _told(facts))
    owned = header + rows + sum(1 for reject in rejects if reject["text"]) + notes
    if not text.records - text.blank <= owned <= text.records:
        return (
            f"{text.records} records, {text.blank} blank; header {header}, rows {rows}, rejects {len(rejects)},"
            f" notes {notes}"
        )
    for reject in rejects:
        if "\n" not in reject["text"] and text.lines[reject["line"] - 1] != reject["text"]:
            return f"line {reject['line']} is not {reject['text']!r}"
    return ""


def _lines_of(target: Path, kind: str) -> list[dict[str, Any]]:
    path = target.with_name(f"{target.name}.{kind}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _told(facts: dict[str, str]) -> list[str]:
    return [facts[name] for name in ("preamble", "comments", "footer") if name in facts]


def _records_in(notes: list[str]) -> int:
    return sum(1 for record in csv.reader(io.StringIO("\n".join(notes), newline="")) if record)


def judge(settings: dict[str, str], folder: Path, count: int, seed: int) -> tuple[int, list[tuple[Text, str]]]:
    """Return how many of `count` texts were accepted, and those whose sum is not right."""
    source, target = folder / "text.csv", folder / "text.parquet"
    accepted, found = 0, []
    with Batch(settings=settings) as batch:
        for _, text in zip(range(count), texts(seed), strict=False):
            source.write_bytes(text.data)
            answer = batch.convert(source, target)
            reason = answer.ended or (wrong(text, target) if answer.accepted else "")
            accepted += answer.accepted
            if reason or "csv.unaccounted" in answer.message or "not accounted" in answer.message:
                found.append((text, reason or answer.message))
            for path in folder.iterdir():
                path.unlink()
    return accepted, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="texts a mode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--show", type=int, default=4)
    arguments = parser.parse_args()
    bad = 0
    for mode in arguments.modes:
        with tempfile.TemporaryDirectory(prefix="accounting-") as folder:
            accepted, found = judge(MODES[mode], Path(folder), arguments.count, arguments.seed)
        print(f"{len(found):5} wrong of {accepted:6} accepted of {arguments.count:6}  {mode}")
        for text, reason in found[: arguments.show]:
            print(f"        {reason}\n        {text.data!r}")
        bad += len(found)
        if arguments.keep:
            for at, (text, _) in enumerate(found):
                path = arguments.keep / f"{mode}-{at}.csv"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.data)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
